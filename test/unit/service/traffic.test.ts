/** What the threads count of volumes and vDisks, as the control thread reads it. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PLAIN } from '../../../src/block/index.ts';
import type { Catalog } from '../../../src/control/index.ts';
import { TRAFFIC, trafficSlot } from '../../../src/exports/traffic.ts';
import { LayerPlans } from '../../../src/service/layer-plans.ts';
import { TrafficBook } from '../../../src/service/storage/traffic-book.ts';
import { MemoryArray } from '../../support/memory-array.ts';
import { VolumeRig } from '../../support/volume-rig.ts';

const SIZE = 256 * 1024;
const rigs: VolumeRig[] = [];

async function rig(isNative: boolean): Promise<VolumeRig> {
  const arrays = { one: new MemoryArray({ isNative }), two: new MemoryArray({ isNative }) };
  const opened = await VolumeRig.open({ arrays });
  rigs.push(opened);
  await opened.createVolume('one', 'v', SIZE);
  await opened.createVolume('two', 'w', SIZE);
  return opened;
}

afterEach(async () => {
  for (const one of rigs.splice(0)) {
    expect(one.troubles).toEqual([]);
    await one.close();
  }
});

test.each([
  { by: 'the array', isNative: true },
  { by: 'layers', isNative: false },
])('connections of all workers count, over a snapshot by $by, and those to it', async (how) => {
  const it = await rig(how.isNative);
  const of = (id: string) => it.storage.traffic.ofRepositories().get(id);
  const nothing = { bytesRead: 0, bytesWritten: 0, readRequests: 0, writeRequests: 0 };
  expect(of('one')).toEqual(nothing);
  const connections = [await it.connect('volume/one/v', 0), await it.connect('volume/one/v', 1)];
  for (const { device } of connections) await device.write(Buffer.alloc(4096, 1), 0, PLAIN);
  expect(of('one')).toMatchObject({ writeRequests: 2, bytesWritten: 8192 });
  await it.snapshot({ v: 's' });
  for (const { device } of connections) await device.write(Buffer.alloc(512, 2), 0, PLAIN);
  expect(of('one')).toMatchObject({ writeRequests: 4, bytesWritten: 9216, readRequests: 0 });
  await it.withExport('volume/one/v@s', async (device) => device.read(Buffer.alloc(4096), 0));
  for (const opened of connections) await opened.close();
  // It is not less when nobody has it open any more.
  expect(of('one')).toEqual({
    ...{ writeRequests: 4, bytesWritten: 9216, readRequests: 1, bytesRead: 4096 },
  });
  expect(of('two')).toEqual(nothing);
});

test('what XenAPI reads and writes itself counts too', async () => {
  const it = await rig(false);
  const written = await it.disks.open(it.volume('w'), { write: true });
  await written.device.write(Buffer.alloc(4096, 1), 0, PLAIN);
  await written.close();
  const read = await it.disks.open(it.volume('w'), { write: false });
  await read.device.read(Buffer.alloc(512), 0);
  await read.close();
  expect(it.storage.traffic.ofRepositories().get('two')).toEqual({
    ...{ writeRequests: 1, bytesWritten: 4096, readRequests: 1, bytesRead: 512 },
  });
});

test('a repository that is not attached is not told of, and goes on where it was when it is', async () => {
  const it = await rig(false);
  const { storage, traffic } = it.storage;
  await it.withExport('volume/two/w', async (device) => device.read(Buffer.alloc(512), 0));
  await storage.detach('two', { force: false });
  expect([...traffic.ofRepositories().keys()]).toEqual(['one']);
  const kind = it.catalog.repositories.byId('two')?.kind ?? '';
  const settings = { settings: {}, secrets: {}, create: false, takeOver: false };
  const request = { repositoryId: 'two', kind, ...settings };
  await storage.attach(request, new AbortController().signal);
  expect(traffic.ofRepositories().get('two')).toMatchObject({ readRequests: 1, bytesRead: 512 });
});

test('a layer is counted as one disk, under whatever names it is read', async () => {
  const { traffic } = (await rig(false)).storage;
  let uses = 0;
  const shelf = {
    use: () => {
      uses += 1;
      return () => {
        uses -= 1;
      };
    },
    plan: async () => ({ layerId: 'l', size: SIZE, index: new SharedArrayBuffer(8), layers: [] }),
  };
  const plans = new LayerPlans(shelf, traffic);
  const [one, two] = [await plans.plan('vdisk/x', 'l', ''), await plans.plan('disk', 'l', '')];
  expect(one.traffic).toBeInstanceOf(SharedArrayBuffer);
  expect(two.traffic).toBe(one.traffic);
  read(two.traffic, 512);
  expect(traffic.ofLayers()).toMatchObject({ readRequests: 1, bytesRead: 512 });
  expect(traffic.ofDisks().get('l')).toEqual(traffic.ofLayers());
  for (const { key } of [one, two]) expect(plans.release(key)).toBe(true);
  expect(uses).toBe(0);
  expect(traffic.ofLayers()).toMatchObject({ readRequests: 1, bytesRead: 512 });
});

test('disks of a repository are told of each by itself, and those alone that were read or written', async () => {
  const it = await rig(false);
  const { traffic } = it.storage;
  await it.createVolume('one', 'idle', SIZE);
  await it.snapshot({ v: 's' });
  const idle = await it.connect('volume/one/idle', 0);
  await it.withExport('volume/one/v', async (device) => device.write(Buffer.alloc(4096), 0, PLAIN));
  await it.withExport('volume/one/v@s', async (device) => device.read(Buffer.alloc(512), 0));
  await idle.close();
  const { volumeId } = it.volume('v');
  const snapshot = it.catalog.snapshots.byName(volumeId, 's');
  const nothing = { bytesRead: 0, bytesWritten: 0, readRequests: 0, writeRequests: 0 };
  const [written, looked] = [
    { ...nothing, writeRequests: 1, bytesWritten: 4096 },
    { ...nothing, readRequests: 1, bytesRead: 512 },
  ];
  expect(traffic.ofDisks()).toEqual(
    new Map([
      [volumeId, written],
      [snapshot?.id, looked],
    ]),
  );
  const sum = { writeRequests: 1, bytesWritten: 4096, readRequests: 1, bytesRead: 512 };
  expect(traffic.ofRepositories().get('one')).toEqual(sum);
});

describe('a book with room for two disks', () => {
  let attached: readonly { id: string }[];
  let book: TrafficBook;
  beforeEach(() => {
    attached = [{ id: 'r' }, { id: 'q' }];
    const repositories = { all: () => attached as ReturnType<Catalog['repositories']['all']> };
    book = new TrafficBook({
      ...{ catalog: { repositories }, isAttached: () => true, workers: 2, disksMax: 2 },
    });
  });
  const disk = (key: string, repositoryId = 'r') => ({
    ...{ key, id: key, repositoryId },
  });
  const bytes = (id = 'r') => book.ofRepositories().get(id)?.bytesRead;
  const disks = () => [...book.ofDisks()].map(([id, { bytesRead }]) => [id, bytesRead]);

  test('frees the one that was closed first, and its repository has no less', () => {
    for (const [index, key] of ['a', 'b'].entries()) read(book.use(disk(key)), 2 ** index);
    for (const key of ['b', 'a']) book.release(key);
    expect(disks()).toEqual([
      ['a', 1],
      ['b', 2],
    ]);
    read(book.use(disk('c')), 4);
    expect(disks()).toEqual([
      ['a', 1],
      ['c', 4],
    ]);
    expect(bytes()).toBe(7);
    book.release('c');
    read(book.use(disk('b')), 8);
    expect(disks()).toEqual([
      ['c', 4],
      ['b', 8],
    ]);
    expect(bytes()).toBe(15);
  });

  test('counts further disks together while all others are open, each for its repository', () => {
    for (const key of ['a', 'b']) read(book.use(disk(key)), 1);
    const shared = [book.use(disk('c')), book.use(disk('d'))];
    expect(shared[0]).toBe(shared[1]);
    for (const memory of shared) read(memory, 10);
    read(book.use(disk('e', 'q')), 100);
    read(book.use({ ...disk('layer'), repositoryId: undefined }), 1000);
    expect(disks()).toEqual([
      ['a', 1],
      ['b', 1],
    ]);
    expect([bytes(), bytes('q'), book.ofLayers().bytesRead]).toEqual([22, 100, 1000]);
    // As long as it is open it goes on where it counts, whatever room there is.
    book.release('a');
    expect(book.use(disk('c'))).toBe(shared[0]);
    for (let use = 0; use < 2; use++) book.release('c');
    const own = book.use(disk('c'));
    expect(own).not.toBe(shared[0]);
    read(own, 10_000);
    expect(disks()).toEqual([
      ['b', 1],
      ['c', 10_000],
    ]);
    expect(bytes()).toBe(10_022);
  });

  test('lets go of a repository that is deleted, and of what is given back after it', () => {
    read(book.use(disk('a')), 1);
    read(book.use(disk('b', 'q')), 1);
    attached = [{ id: 'q' }];
    expect([...book.ofRepositories().keys()]).toEqual(['q']);
    expect(disks()).toEqual([['b', 1]]);
    book.release('a');
    const own = book.use(disk('c', 'q'));
    read(own, 1);
    expect(disks()).toHaveLength(2);
  });
});

/** As a thread that serves it counts. */
function read(memory: SharedArrayBuffer | undefined, bytesRead: number): void {
  if (memory === undefined) throw new Error('it is not counted');
  const cells = trafficSlot(memory, 1);
  cells[TRAFFIC.readRequests] = (cells[TRAFFIC.readRequests] ?? 0) + 1;
  cells[TRAFFIC.bytesRead] = (cells[TRAFFIC.bytesRead] ?? 0) + bytesRead;
}
