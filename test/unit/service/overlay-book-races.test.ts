/** What comes between the decision to treat an overlay somehow and doing it, as KeyedMutex orders it. */
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LocalVolumeControl, LocalVolumeData } from '../../../src/adapters/local/index.ts';
import type { VolumeControl } from '../../../src/repositories/index.ts';
import {
  type LayerNames,
  OverlayBook,
  type OverlayOwner,
} from '../../../src/service/overlay-book.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const MACHINE = 'machine-1';
const SIZE = 2 ** 20;
const OLD = 'layer-old';
const NEW = 'layer-new';

/** The catalog's layers, in the hands of the test. */
class Layers implements LayerNames {
  readonly alive = new Set([OLD, NEW]);
  readonly aliases = new Map<string, string>();

  resolve(layerId: string): string {
    return this.aliases.get(layerId) ?? layerId;
  }
  sizeOf(layerId: string): number {
    if (!this.alive.has(layerId)) throw new Error(`there is no layer ${layerId}`);
    return SIZE;
  }
  /** As a merge does it, when nothing stands on the old one any more. */
  merge(from: string, to: string): void {
    this.aliases.set(from, to);
    this.alive.delete(from);
  }
}

const owner = (layerId = OLD): OverlayOwner => ({
  ownerId: MACHINE,
  layerId,
  layerIds: new Set([layerId]),
  quotaBytes: undefined,
});

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let volumes: VolumeControl;
let layers: Layers;
/** What the next deletions of volumes wait for, or fail with. */
let deleting: (id: string) => Promise<void>;

beforeEach(async () => {
  folder = await temporaryFolder('overlay-races');
  const control = await LocalVolumeControl.attach(folder.path);
  deleting = async () => undefined;
  volumes = {
    createVolume: (volume) => control.createVolume(volume),
    deleteVolume: async (id) => {
      await deleting(id);
      await control.deleteVolume(id);
    },
    showVolume: (id) => control.showVolume(id),
    listVolumes: () => control.listVolumes(),
    space: () => control.space(),
  };
  layers = new Layers();
});

afterEach(() => folder.remove());

const open = (sealed: readonly string[] = []): Promise<OverlayBook> =>
  OverlayBook.open({
    repository: { volumes, data: new LocalVolumeData({ log: { warn: () => undefined } }) },
    ...{ bootId: 'boot-1', workers: 1, layers },
    owners: new Set([MACHINE]),
    sealed: new Set(sealed),
  });

const names = async (): Promise<string[]> =>
  (await volumes.listVolumes()).map(({ id }) => id.replace(`overlay.${MACHINE}.`, '')).sort();

/** An overlay that nobody has open. */
async function atRest(book: OverlayBook): Promise<void> {
  await book.released((await book.use(owner())).key);
}

describe('an overlay that is being sealed', () => {
  it('keeps its volumes when its owner is deleted, also when the deletion was asked for first', async () => {
    await atRest(await open());
    // Not opened since the start: the seal opens it, and the deletion waits for that.
    const book = await open();
    let whileSealed: string[] = [];
    const sealed = book.hold(owner(), async () => {
      await setImmediate();
      whileSealed = await names();
      return { result: 'sealed', isSealed: true };
    });
    const removed = book.remove(MACHINE);
    expect(await sealed).toBe('sealed');
    await removed;
    expect(whileSealed).toEqual([`1.${OLD}.data`, `1.${OLD}.map`]);
    expect(await names()).toEqual([`1.${OLD}.data`]);
  });

  it('goes with its owner when nothing came of the seal', async () => {
    const book = await open();
    await atRest(book);
    const sealed = book.hold(owner(), async () => {
      await setImmediate();
      throw new Error('broken');
    });
    const removed = book.remove(MACHINE);
    await expect(sealed).rejects.toThrow('broken');
    await removed;
    expect(await names()).toEqual([]);
  });

  it('is the one that was meant: one that has replaced it meanwhile is left alone', async () => {
    const book = await open();
    await atRest(book);
    const renewed = book.renew(owner(NEW));
    const sealed = book.hold(owner(), async () => ({ result: 'sealed', isSealed: true }));
    await renewed;
    await expect(sealed).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await names()).toEqual([`2.${NEW}.data`, `2.${NEW}.map`]);
    expect(book.standsOn(MACHINE)).toBe(NEW);
  });

  it('is not one that has replaced it on the same layer', async () => {
    const book = await open();
    await atRest(book);
    const number = book.facts(MACHINE)?.number ?? 0;
    const renewed = book.renew(owner());
    const work = async () => ({ result: 'sealed', isSealed: true });
    const sealed = book.hold({ ...owner(), number }, work);
    await renewed;
    await expect(sealed).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await names()).toEqual([`2.${OLD}.data`, `2.${OLD}.map`]);
  });

  it('is a layer also when its map cannot be deleted yet', async () => {
    const book = await open();
    await atRest(book);
    deleting = async () => {
      throw new Error('the disk is away');
    };
    expect(await book.hold(owner(), async () => ({ result: 1, isSealed: true }))).toBe(1);
    expect(book.facts(MACHINE)).toBeUndefined();
    deleting = async () => undefined;
    await open([`overlay.${MACHINE}.1.${OLD}.data`]);
    expect(await names()).toEqual([`1.${OLD}.data`]);
  });
});

describe('the name of an overlay', () => {
  it('is not given again while one that was removed is still open', async () => {
    const book = await open();
    const old = await book.use(owner());
    await book.remove(MACHINE);
    const fresh = await book.use(owner());
    expect(fresh.key).not.toBe(old.key);
    await book.released(old.key);
    expect(await names()).toEqual([`${fresh.number}.${OLD}.data`, `${fresh.number}.${OLD}.map`]);
    await expect(book.hold(owner(), async () => ({ result: 1, isSealed: false }))).rejects.toThrow(
      'open',
    );
  });
});

describe('a layer that is merged between decision and use', () => {
  it('is found under its new name', async () => {
    const book = await open();
    layers.merge(OLD, NEW);
    const overlay = await book.use(owner());
    expect(overlay).toMatchObject({ layerId: NEW, readsFrom: NEW });
  });

  it('is found when it happens while the overlay is being made', async () => {
    const book = await open();
    const used = book.use(owner());
    while ((await names()).length === 0) await setImmediate();
    layers.merge(OLD, NEW);
    expect((await used).readsFrom).toBe(NEW);
  });
});

describe('the overlays that are loaded at the start', () => {
  it('are those that stand on a layer of the machine’s vDisk', async () => {
    await atRest(await open());
    const book = await open();
    await book.load({ ...owner(''), layerIds: new Set([NEW]) });
    expect(await names()).toEqual([`1.${OLD}.data`, `1.${OLD}.map`]);
    expect(book.gauges(MACHINE)).toBeUndefined();
  });
});
