import { randomUUID } from 'node:crypto';
import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LocalVolumeControl, LocalVolumeData } from '../../../src/adapters/local/index.ts';
import { type BlockDevice, PLAIN, ZeroDevice } from '../../../src/block/index.ts';
import {
  type Generation,
  type LayerNames,
  OverlayBook,
  type OverlayOwner,
} from '../../../src/service/overlay-book.ts';
import type { Repository } from '../../../src/service/repository.ts';
import { openOverlay } from '../../../src/vdisk/index.ts';
import { OverlayState } from '../../../src/vdisk/overlay/overlay-state.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const BOOT = '00000000-0000-4000-8000-000000000001';
const MACHINE = '11111111-2222-4333-8444-555555555555';

const LAYER = '99999999-aaaa-4bbb-8ccc-dddddddddddd';
const NEXT_LAYER = '00000000-1111-4222-8333-444444444444';

const owner = (over: Partial<OverlayOwner> = {}): OverlayOwner => ({
  ownerId: MACHINE,
  layerId: LAYER,
  layerIds: new Set([LAYER, NEXT_LAYER]),
  quotaBytes: undefined,
  ...over,
});

const SIZE = 2 ** 20;
const LAYERS: LayerNames = { resolve: (layerId) => layerId, sizeOf: () => SIZE };

describe('overlay book', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let repository: Repository;

  beforeEach(async () => {
    folder = await temporaryFolder('overlays');
    repository = {
      volumes: await LocalVolumeControl.attach(folder.path),
      data: new LocalVolumeData({ log: { warn: () => undefined } }),
    };
  });

  afterEach(() => folder.remove());

  const open = (
    owners: readonly string[] = [MACHINE],
    over: Partial<Parameters<typeof OverlayBook.open>[0]> = {},
  ): Promise<OverlayBook> =>
    OverlayBook.open({
      ...{ repository, bootId: BOOT, workers: 2, layers: LAYERS },
      owners: new Set(owners),
      sealed: new Set(),
      ...over,
    });

  const names = async (): Promise<string[]> =>
    (await repository.volumes.listVolumes())
      .map(({ id }) => id.replace(`overlay.${MACHINE}.`, ''))
      .sort();

  test('a machine has no overlay until somebody opens it, and then one that workers share', async () => {
    const book = await open();
    expect(await names()).toEqual([]);
    const [first, second] = await Promise.all([book.use(owner()), book.use(owner())]);
    expect(second.state).toBe(first.state);
    expect(await names()).toHaveLength(2);
    expect(book.facts(MACHINE)).toMatchObject({ layerId: LAYER, usedBytes: 0, isOpen: true });
  });

  test('a renewed overlay is a new one; the old one goes when its last reader leaves', async () => {
    const book = await open();
    const old = await book.use(owner());
    await book.use(owner());
    await book.renew(owner());
    const fresh = await book.use(owner());
    expect(fresh.key).not.toBe(old.key);
    expect(await names()).toHaveLength(4);
    await book.released(old.key);
    expect(await names()).toHaveLength(4);
    await book.released(old.key);
    expect(await names()).toHaveLength(2);
    expect(book.layersInUse()).toEqual({ open: [LAYER], stoodOn: [] });
  });

  test('a renewed overlay that nobody has open leaves nothing of the old one', async () => {
    const book = await open();
    const old = await book.use(owner());
    await book.released(old.key);
    await book.renew(owner());
    await book.renew(owner());
    expect(await names()).toHaveLength(2);
  });

  test('a restart finds the newest generation and its layer, and sweeps what a crash left', async () => {
    const before = await open();
    const first = await before.use(owner());
    await before.renew(owner({ layerId: NEXT_LAYER }));
    // A half-made third generation: the process died between its two volumes.
    await repository.volumes.createVolume({
      id: `overlay.${MACHINE}.3.${owner().layerId}.map`,
      size: 4096,
    });
    expect(await names()).toHaveLength(5);
    const after = await open();
    expect(await names()).toHaveLength(2);
    expect(after.standsOn(MACHINE)).toBe(NEXT_LAYER);
    const again = await after.use(owner());
    expect(again.number).toBe(2);
    expect(again.key).not.toBe(first.key);
  });

  test('a disk that is too large for an overlay is refused by its size', async () => {
    const layers = { ...LAYERS, sizeOf: () => 5 * 2 ** 40 };
    const book = await open([MACHINE], { layers });
    await expect(book.use(owner())).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      details: { field: 'vdisk.size' },
    });
    expect(await names()).toEqual([]);
  });

  test('an overlay whose data volume got its name but not its size is none', async () => {
    const book = await open();
    await book.use(owner());
    await truncate(join(folder.path, `overlay.${MACHINE}.1.${LAYER}.data.volume`), 0);
    const after = await open();
    expect(await names()).toEqual([]);
    await (await openDisk(await after.use(owner()))).close();
  });

  test('overlays of machines that no longer exist are swept', async () => {
    const book = await open();
    await book.use(owner());
    await open([randomUUID()]);
    expect(await names()).toEqual([]);
  });

  test('removing a machine deletes its overlay at once, or with its last reader', async () => {
    const book = await open();
    const used = await book.use(owner());
    await book.remove(MACHINE);
    expect(await names()).toHaveLength(2);
    await book.released(used.key);
    expect(await names()).toEqual([]);
  });

  test('a volume that cannot be made leaves nothing', async () => {
    const book = await open();
    const { volumes } = repository;
    let made = 0;
    const failing = new Proxy(volumes, {
      get: (target, name) =>
        name === 'createVolume'
          ? async (volume: { id: string; size: number }) => {
              made += 1;
              if (made === 2) throw new Error('no space');
              return target.createVolume(volume);
            }
          : Reflect.get(target, name).bind(target),
    });
    const broken = await open([MACHINE], { repository: { ...repository, volumes: failing } });
    await expect(broken.use(owner())).rejects.toThrow('no space');
    expect(await names()).toEqual([]);
    await book.use(owner());
  });

  /** Opens an overlay as a worker does. */
  async function openDisk(generation: Generation): Promise<BlockDevice> {
    return openOverlay({
      state: generation.state,
      base: new ZeroDevice(SIZE),
      data: await repository.data.open(generation.data, { write: true }),
      map: await repository.data.open(generation.map, { write: true }),
      worker: 0,
      onFull: () => undefined,
    });
  }

  test('an orderly stop keeps what was never flushed, also when the host restarts', async () => {
    const book = await open();
    const disk = await openDisk(await book.use(owner()));
    await disk.write(Buffer.alloc(4096, 7), 8192, PLAIN);
    await disk.close();
    expect(await book.settle()).toEqual([]);
    const later = await open([MACHINE], { bootId: randomUUID() });
    const again = await openDisk(await later.use(owner()));
    const got = Buffer.alloc(4096);
    await again.read(got, 8192);
    expect(got).toEqual(Buffer.alloc(4096, 7));
    await again.close();
  });

  test('a stop settles nothing after a flush has failed', async () => {
    const book = await open();
    const generation = await book.use(owner());
    const disk = await openDisk(generation);
    await disk.write(Buffer.alloc(4096, 7), 8192, PLAIN);
    await disk.close();
    new OverlayState(generation.state).flushFailure = 'EIO';
    await book.settle();
    const later = await open([MACHINE], { bootId: randomUUID() });
    expect(later.gauges(MACHINE)).toBeUndefined();
    await later.load(owner());
    expect(later.gauges(MACHINE)?.ownedBytes).toBe(0);
  });

  test('an overlay of another vDisk is replaced, on disk as in memory', async () => {
    const before = await open();
    const old = await before.use(owner());
    const elsewhere = owner({
      layerId: NEXT_LAYER,
      layerIds: new Set([NEXT_LAYER]),
    });
    const fresh = await before.use(elsewhere);
    expect([fresh.layerId, fresh.number]).toEqual([NEXT_LAYER, 2]);
    await before.released(old.key);
    expect(await names()).toHaveLength(2);
    const after = await open();
    const back = await after.use(owner({ layerIds: new Set([LAYER]) }));
    expect([back.layerId, back.number]).toEqual([LAYER, 3]);
    expect(await names()).toHaveLength(2);
  });
});
