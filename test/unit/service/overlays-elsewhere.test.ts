/** Overlays on an array that may be away, be detached, lose answers, or outlive a service that was killed. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LocalVolumeControl, LocalVolumeData } from '../../../src/adapters/local/index.ts';
import { type BlockDevice, PLAIN, ZeroDevice } from '../../../src/block/index.ts';
import { type Catalog, openCatalog } from '../../../src/control/index.ts';
import { ArrayError } from '../../../src/errors/index.ts';
import {
  type Generation,
  OverlayBook,
  type OverlayOwner,
} from '../../../src/service/overlay-book.ts';
import { OverlayPlaces } from '../../../src/service/overlay-places.ts';
import { LayerRepositories, type OpenStorage } from '../../../src/service/storage/index.ts';
import { openOverlay } from '../../../src/vdisk/index.ts';
import { MemoryArray } from '../../support/memory-array.ts';
import {
  attachElsewhere,
  ELSEWHERE,
  knownElsewhere,
  storageOf,
} from '../../support/repository-elsewhere.ts';
import { SEED } from '../../support/seed.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const MACHINE = '11111111-2222-4333-8444-555555555555';
const OTHER = '22222222-2222-4333-8444-555555555555';
const LAYER = '99999999-aaaa-4bbb-8ccc-dddddddddddd';
const SIZE = 2 ** 20;
const BLOCK = 4096;

const owner = (over: Partial<OverlayOwner> = {}): OverlayOwner => ({
  ...{ ownerId: MACHINE, layerId: LAYER, layerIds: new Set([LAYER]), quotaBytes: undefined },
  repositoryId: ELSEWHERE,
  ...over,
});

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let array: MemoryArray;
let catalog: Catalog;
let repository: LayerRepositories;
let storage: OpenStorage;
let book: OverlayBook;
let lastId: number;
/** Keys of overlays of which something was told. */
let troubles: string[];

beforeEach(async () => {
  folder = await temporaryFolder('overlays-elsewhere');
  mkdirSync(join(folder.path, 'own'));
  array = new MemoryArray();
  lastId = 0;
  await start();
  await attach();
});
afterEach(async () => {
  catalog.close();
  await folder.remove();
});

interface StartOptions {
  readonly bootId?: string;
  readonly size?: number;
  readonly owners?: readonly string[];
}

/** As the service starts: the array is not attached yet. */
async function start({ bootId = 'boot-1', size = SIZE, owners }: StartOptions = {}): Promise<void> {
  troubles = [];
  catalog = openCatalog(join(folder.path, 'catalog.sqlite'));
  const own = {
    volumes: await LocalVolumeControl.attach(join(folder.path, 'own')),
    data: new LocalVolumeData({ log: { warn: () => undefined } }),
  };
  repository = new LayerRepositories(own, catalog);
  const newId = (): string => `tag-${++lastId}`;
  book = await OverlayBook.open({
    ...{ repository, bootId, workers: 2 },
    layers: { resolve: (layerId) => layerId, sizeOf: () => size },
    elsewhere: new OverlayPlaces({ catalog, repository, newId }),
    troubled: (key) => troubles.push(key),
    owners: new Set(owners ?? [MACHINE, OTHER]),
    sealed: new Set(),
  });
  storage = storageOf(array, { catalog, bootId, clock: { now: () => 1 } });
  repository.reach(storage);
}

const attach = (): Promise<void> => attachElsewhere(storage, array);
const detach = (): Promise<boolean> => storage.storage.detach(ELSEWHERE, { force: true });

/** The process is gone. */
async function restart(options: StartOptions = {}): Promise<void> {
  array.kill();
  catalog.close();
  await start(options);
}

/** What the catalog knows is on the array, and nothing else. */
function expectTidy(): void {
  expect(array.names()).toEqual(knownElsewhere(catalog));
  expect(catalog.arrayLeftovers.ofRepository(ELSEWHERE)).toEqual([]);
}

const ownVolumes = async (): Promise<readonly string[]> =>
  (await repository.volumes.listVolumes()).map(({ id }) => id);

/** As a worker opens it. */
async function openDisk(generation: Generation): Promise<BlockDevice> {
  return openOverlay({
    ...{ state: generation.state, base: new ZeroDevice(SIZE), worker: 0, onFull: () => undefined },
    data: await repository.data.open(generation.data, { write: true }),
    map: await repository.data.open(generation.map, { write: true }),
  });
}

async function write(fill: number, { flush = false, of = owner() } = {}): Promise<Generation> {
  const generation = await book.use(of);
  const disk = await openDisk(generation);
  await disk.write(Buffer.alloc(BLOCK, fill), BLOCK, PLAIN);
  if (flush) await disk.flush();
  await disk.close();
  return generation;
}

async function read(of = owner()): Promise<number> {
  const generation = await book.use(of);
  const disk = await openDisk(generation);
  const bytes = Buffer.alloc(BLOCK);
  await disk.read(bytes, BLOCK);
  await disk.close();
  await book.released(generation.key);
  expect(bytes.equals(Buffer.alloc(BLOCK, bytes[0]))).toBe(true);
  return bytes[0] ?? -1;
}

describe('an overlay elsewhere', () => {
  test('is made there, and goes without leaving anything', async () => {
    const generation = await book.use(owner());
    expect(await ownVolumes()).toEqual([]);
    expect(array.names()).toHaveLength(2);
    expect(book.facts(MACHINE)).toMatchObject({ repositoryId: ELSEWHERE, isOpen: true });
    expect([...book.openIn(ELSEWHERE)]).toEqual([MACHINE]);
    expectTidy();
    await book.remove(MACHINE);
    expect(array.names()).toHaveLength(2);
    await book.released(generation.key);
    expect(array.names()).toEqual([]);
    expectTidy();
    expect([...book.openIn(ELSEWHERE)]).toEqual([]);
  });

  test('is replaced by one where its vDisk says by then, whichever way that is', async () => {
    await book.released((await book.use(owner({ repositoryId: undefined }))).key);
    await book.renew(owner());
    expect([await ownVolumes(), array.names()]).toMatchObject([[], { length: 2 }]);
    await restart();
    await attach();
    expect(book.facts(MACHINE)).toMatchObject({ number: 2, repositoryId: ELSEWHERE });
    await book.renew(owner({ repositoryId: undefined }));
    await book.settle();
    expect([await ownVolumes(), array.names()]).toMatchObject([{ length: 2 }, []]);
    expectTidy();
    await restart();
    expect(book.facts(MACHINE)).toMatchObject({ number: 3, repositoryId: undefined });
  });

  test('of a disk that cannot be written in sectors is refused, and nothing is left', async () => {
    await restart({ size: SIZE + 1 });
    await attach();
    await expect(book.use(owner())).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      details: { field: 'vdisk.overlayRepository', value: 512 },
    });
    expectTidy();
  });

  test('keeps what was acknowledged when the process dies, and what was flushed when the host dies', async () => {
    await write(3, { flush: true });
    await write(4);
    await restart();
    await attach();
    expect(await read()).toBe(4);
    await write(5, { of: owner({ ownerId: OTHER }) });
    await restart({ bootId: 'boot-2' });
    await attach();
    // The first was flushed by whoever left last; the second had nobody leave.
    expect(await read()).toBe(4);
    expect(await read(owner({ ownerId: OTHER }))).toBe(0);
  });

  test('that nobody has open any more is durable', async () => {
    const { key } = await write(6);
    await book.released(key);
    await restart({ bootId: 'boot-2' });
    await attach();
    expect(await read()).toBe(6);
  });
});

describe('while its repository is away', () => {
  test('it is known after a start, and nothing takes its place', async () => {
    await book.released((await write(7)).key);
    await restart();
    expect(book.facts(MACHINE)).toMatchObject({ number: 1, layerId: LAYER, isOpen: false });
    expect(book.layersInUse().stoodOn).toEqual([LAYER]);
    await book.load(owner());
    const away = { code: 'UNAVAILABLE', message: expect.stringContaining('repository elsewhere') };
    for (const repositoryId of [ELSEWHERE, undefined]) {
      await expect(book.use(owner({ repositoryId }))).rejects.toMatchObject(away);
    }
    await expect(book.hold(owner(), async () => ({ result: 1, isSealed: false }))).rejects.toThrow(
      /away/,
    );
    // A fresh one cannot be made there either; what is there stays.
    await expect(book.renew(owner())).rejects.toMatchObject(away);
    // Others have what they had.
    await book.use(owner({ ownerId: OTHER, repositoryId: undefined }));
    await attach();
    expect(await read()).toBe(7);
    expectTidy();
  });

  test('a fresh one at home replaces it when that is wanted, and it goes later', async () => {
    await book.released((await book.use(owner())).key);
    await restart();
    await book.renew(owner({ repositoryId: undefined }));
    expect(array.names()).toHaveLength(2);
    expect(book.facts(MACHINE)).toMatchObject({ number: 2, repositoryId: undefined });
    await attach();
    expect(array.names()).toEqual([]);
    expectTidy();
  });

  test('its machine is deleted: it goes when the repository is attached, also in the same process', async () => {
    await book.released((await book.use(owner())).key);
    await detach();
    await book.remove(MACHINE);
    expect(array.names()).toHaveLength(2);
    await attach();
    expect(array.names()).toEqual([]);
    await book.released((await book.use(owner({ ownerId: OTHER }))).key);
    await restart({ owners: [] });
    await attach();
    expect(array.names()).toEqual([]);
    expectTidy();
  });

  test('and comes back, it is read anew; who had it open has to leave first', async () => {
    const { key, state } = await write(8);
    await detach();
    await expect(book.use(owner())).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await attach();
    await expect(book.use(owner())).rejects.toThrow(/have not ended/);
    await book.released(key);
    expect(await read()).toBe(8);
    expect((await book.use(owner())).state).not.toBe(state);
    expect(troubles).toEqual([]);
  });
});

describe('the array', () => {
  const unknown = (): never => {
    throw new ArrayError('UNKNOWN_OUTCOME', 'no answer');
  };

  test('loses answers: what was made is found, what was not deleted goes at the next attach', async () => {
    array.after = unknown;
    const { key } = await book.use(owner());
    await book.released(key);
    expect(array.names()).toHaveLength(2);
    array.after = () => {};
    array.before = (call) => {
      if (call === 'deleteVolume') unknown();
    };
    await book.renew(owner());
    await book.settle();
    expect(troubles).toEqual([key]);
    expect(array.names()).toHaveLength(4);
    array.before = () => {};
    await detach();
    await attach();
    expect(array.names()).toHaveLength(2);
    expectTidy();
  });

  test('is full: nothing is left of an attempt, not even a note', async () => {
    array.before = (call) => {
      if (call === 'createVolume' && array.held.size === 1)
        throw new ArrayError('NO_SPACE', 'full');
    };
    await expect(book.use(owner())).rejects.toMatchObject({ code: 'NO_SPACE' });
    array.before = () => {};
    expect(array.names()).toEqual([]);
    expectTidy();
  });

  test('is there when the service is killed anywhere: nothing is lost and nothing is left', async () => {
    // Made, renewed, removed; killed before every single thing that reaches the array.
    const lives: readonly (() => Promise<unknown>)[] = [
      () => book.use(owner()),
      () => book.renew(owner()),
      async () => {
        await book.renew(owner({ repositoryId: undefined }));
        await book.settle();
      },
      () => book.renew(owner()),
      () => book.remove(MACHINE),
    ];
    // One of five in each run, all of them in a longer look.
    const stride = process.env['ROOTCAST_LIVES'] === undefined ? 5 : 1;
    for (let at = 1 + (SEED % stride); ; at += stride) {
      let steps = 0;
      array.step = () => {
        steps += 1;
        if (steps !== at) return;
        array.kill();
        // What the process would still do does not happen.
        catalog.close();
      };
      for (const act of lives) await act().catch(() => undefined);
      await book.settle().catch(() => undefined);
      array.step = () => {};
      await restart();
      await attach();
      expectTidy();
      expect(troubles).toEqual([]);
      // Whatever is current can be used, and what is at home is one at most.
      await book.released((await book.use(owner())).key);
      expect((await ownVolumes()).length + array.names().length).toBe(2);
      await book.remove(MACHINE);
      expectTidy();
      expect(array.names()).toEqual([]);
      if (steps < at) return;
    }
  });
});
