/** Replicas of a vDisk's layers between two arrays in memory: what is recorded, what is read, and what goes. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LocalVolumeControl, LocalVolumeData } from '../../../src/adapters/local/index.ts';
import { FaultyDevice } from '../../../src/block/index.ts';
import {
  type Control,
  cancelTask,
  createControl,
  deleteRepository,
  deleteVdisk,
  importVdisk,
  listVdiskReplicas,
  replicateVdisk,
  showTask,
  type TaskView,
  unreplicateVdisk,
  VdiskReplicaObserver,
} from '../../../src/control/index.ts';
import { LayerReplicaStore } from '../../../src/service/layer-replicas.ts';
import { LayerShelf } from '../../../src/service/layer-shelf.ts';
import { LayerStore } from '../../../src/service/layer-store.ts';
import { OverlayBook } from '../../../src/service/overlay-book.ts';
import { LayerRepositories } from '../../../src/service/storage/index.ts';
import { openLayerChain } from '../../../src/vdisk/index.ts';
import { randomContent } from '../../support/content.ts';
import { MemoryArray } from '../../support/memory-array.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { VolumeRig } from '../../support/volume-rig.ts';
import { fakeService } from '../control/support/fake-service.ts';

const SIZE = 512 * 1024 + 512;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let rig: VolumeRig;
let array: { readonly home: MemoryArray; readonly away: MemoryArray };
let control: Control;
let shelf: LayerShelf;
let repository: LayerRepositories;
let layersFolder: string;
let content: Buffer;
/** Called for every write of a copy. */
let spoil: (bytes: Buffer) => void;
/** Tops of chains that somebody has open. */
let open: Set<string>;
/** Kinds of what was told. */
let events: string[];

beforeEach(async () => {
  folder = await temporaryFolder('vdisk-replicas');
  array = { home: new MemoryArray({ kind: 'one' }), away: new MemoryArray({ kind: 'two' }) };
  spoil = () => {};
  open = new Set();
  events = [];
  content = randomContent(SIZE);
  writeFileSync(join(folder.path, 'disk.raw'), content);
  await start();
});
afterEach(async () => {
  await control.tasks.close();
  await rig.close();
  await folder.remove();
});

/** As after a restart: the catalog and the arrays are what they were. */
async function start(): Promise<void> {
  rig = await VolumeRig.open({ arrays: { ...array }, path: join(folder.path, 'catalog') });
  const { catalog, storage } = rig;
  const paths = { layers: join(folder.path, 'layers'), volumes: join(folder.path, 'volumes') };
  for (const path of Object.values(paths)) mkdirSync(path, { recursive: true });
  layersFolder = paths.layers;
  const own = {
    volumes: await LocalVolumeControl.attach(paths.volumes),
    data: new LocalVolumeData({ log: { warn: () => {} } }),
  };
  repository = new LayerRepositories(own, catalog);
  repository.reach(storage);
  shelf = new LayerShelf(catalog, repository.volumes, paths.layers, (id) =>
    repository.isAttached(id),
  );
  const bootId = 'boot-1';
  const none = new Set<string>();
  const book = { repository, bootId, workers: 1, layers: shelf, owners: none, sealed: none };
  const overlays = await OverlayBook.open(book);
  const fake = fakeService().control;
  const dataPlane = Object.assign(Object.create(fake.dataPlane), {
    layersInUse: () => ({ open: new Set([...open, ...shelf.inUse()]), stoodOn: new Set() }),
  });
  const newId = (): string => rig.newId('id');
  control = createControl({
    ...{ catalog, dataPlane, transfers: fake.transfers, newId, serverName: 'test', version: '0' },
    images: new LayerStore({
      ...{ folder: paths, catalog, repository, layers: shelf, overlays, bootId },
    }),
    clock: { now: () => 1_000 },
    onEvent: ({ kind }) => events.push(kind),
    storage: storage.storage,
    replicas: new LayerReplicaStore({
      ...{ folder: paths, dataPlane, layers: shelf, newId },
      repository: {
        volumes: repository.volumes,
        volumesIn: (id) => repository.volumesIn(id),
        data: { open: async (locator, options) => spoiling(locator, options) },
      },
    }),
  });
}

async function spoiling(...[locator, options]: Parameters<LayerRepositories['data']['open']>) {
  const device = await repository.data.open(locator, options);
  if (!options.write) return device;
  const write = device.write.bind(device);
  return Object.assign(new FaultyDevice(device, () => undefined), {
    write: (source: Buffer, ...rest: [number, Parameters<typeof write>[2]]) => {
      const bytes = Buffer.from(source);
      spoil(bytes);
      return write(bytes, ...rest);
    },
  });
}

async function ended(task: TaskView): Promise<TaskView> {
  await control.tasks.settled(task.id);
  return showTask(control, task.id);
}

async function imported(): Promise<string> {
  const path = join(folder.path, 'disk.raw');
  const input = { name: 'debian', path, format: 'raw' as const, repository: nameOf('home') };
  expect(await ended(importVdisk(control, input))).toMatchObject({ state: 'succeeded' });
  const [layer] = control.catalog.layers.all();
  return layer?.id ?? '';
}

const nameOf = (id: string): string => control.catalog.repositories.byId(id)?.name ?? '';
const replicate = (): TaskView => replicateVdisk(control, 'debian', { repository: nameOf('away') });
const replicas = () => listVdiskReplicas(control, 'debian');

async function read(layerId: string): Promise<Buffer> {
  const parts = { layersFolder, volumeData: repository.data };
  const disk = await openLayerChain(await shelf.chain(layerId), parts);
  const bytes = Buffer.alloc(SIZE);
  await disk.device.read(bytes, 0);
  await disk.close();
  return bytes;
}

const detach = (id: string): Promise<boolean> => rig.storage.storage.detach(id, { force: true });

describe('a copy', () => {
  test('is what the layer is, and is made once', async () => {
    const layerId = await imported();
    expect(await ended(replicate())).toMatchObject({ state: 'succeeded', result: { layers: 1 } });
    expect(array.away.names()).toHaveLength(1);
    expect(replicas()).toMatchObject([{ state: 'complete', layersMissing: 0, serves: false }]);
    expect(await ended(replicate())).toMatchObject({ state: 'succeeded', result: { layers: 0 } });
    expect(array.away.names()).toHaveLength(1);
    await detach('home');
    expect(replicas()).toMatchObject([{ serves: true }]);
    expect((await read(layerId)).equals(content)).toBe(true);
  });

  test('that is not what was copied is not recorded, and goes', async () => {
    await imported();
    spoil = (bytes) => void bytes.writeUInt8(bytes.readUInt8(0) ^ 1, 0);
    expect(await ended(replicate())).toMatchObject({
      state: 'failed',
      error: { code: 'IMAGE_INVALID' },
    });
    expect(control.catalog.replicas.all()).toEqual([]);
    expect(array.away.names()).toEqual([]);
    expect(replicas()).toMatchObject([{ state: 'incomplete', layersMissing: 1 }]);
    spoil = () => {};
    expect(await ended(replicate())).toMatchObject({ state: 'succeeded', result: { layers: 1 } });
  });

  test('that was cancelled leaves nothing, and is not begun again by itself', async () => {
    await imported();
    spoil = () => void cancelTask(control, task.id);
    const task = replicate();
    expect(() => replicate()).toThrow('is being copied');
    expect(await ended(task)).toMatchObject({ state: 'cancelled' });
    spoil = () => {};
    expect(array.away.names()).toEqual([]);
    expect(replicas()).toMatchObject([{ state: 'paused' }]);
    new VdiskReplicaObserver(control, () => {}).observe(10_000);
    expect(control.replicaRuns.size).toBe(0);
    expect(await ended(replicate())).toMatchObject({ state: 'succeeded' });
    expect(replicas()).toMatchObject([{ state: 'complete' }]);
  });

  test('that cannot be deleted goes when its repository is attached again', async () => {
    await imported();
    spoil = (bytes) => void bytes.fill(7);
    array.away.before = (call) => {
      if (call === 'deleteVolume') throw new Error('no answer');
    };
    expect(await ended(replicate())).toMatchObject({ state: 'failed' });
    expect(array.away.names()).toHaveLength(1);
    array.away.before = () => {};
    await control.tasks.close();
    await rig.close();
    await start();
    expect(array.away.names()).toEqual([]);
  });
});

describe('a layer is read', () => {
  test('from home while it can be, and then from home again', async () => {
    const layerId = await imported();
    await ended(replicate());
    const volumeOf = async () => (await shelf.plan(layerId)).layers[0]?.volume;
    expect(await volumeOf()).toMatchObject({ repository: 'home' });
    const home = control.catalog.repositories.byId('home');
    if (home === undefined) throw new Error('no repository');
    control.catalog.repositories.update({ ...home, state: 'unreachable' });
    expect(await volumeOf()).toMatchObject({ repository: 'away' });
    control.catalog.repositories.update({ ...home, state: 'attached' });
    expect(await volumeOf()).toMatchObject({ repository: 'home' });
    // Nobody has noticed yet that it does not answer.
    array.home.before = () => {
      throw new Error('no answer');
    };
    expect((await shelf.chain(layerId))[0].volume).toMatchObject({ repository: 'away' });
    await expect(shelf.chainFromHome(layerId)).rejects.toThrow('no answer');
    array.home.before = () => {};
    await detach('home');
    await detach('away');
    await expect(shelf.plan(layerId)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  test('by an observer that tells who serves', async () => {
    await imported();
    await ended(replicate());
    const observer = new VdiskReplicaObserver(control, () => {});
    const told = () => events.filter((kind) => kind.startsWith('vdisk.served'));
    observer.observe(10_000);
    expect(told()).toEqual([]);
    await detach('home');
    observer.observe(20_000);
    observer.observe(30_000);
    expect(told()).toEqual(['vdisk.served-from-replica']);
    await observer.close();
  });

  test('by an observer that forgets nobody who is wanted no more while it serves', async () => {
    await imported();
    await ended(replicate());
    const observer = new VdiskReplicaObserver(control, () => {});
    const told = () => events.filter((kind) => kind.startsWith('vdisk.served'));
    await detach('home');
    observer.observe(10_000);
    await unreplicateVdisk(control, 'debian', nameOf('away'));
    observer.observe(20_000);
    const [served, home] = ['vdisk.served-from-replica', 'vdisk.served-from-home'];
    expect(told()).toEqual([served, home]);
    // Wanted again: what was told before it was not is no reason to keep quiet.
    const { settings, kind } = {
      settings: { settings: {}, secrets: {} },
      kind: array.home.adapter.kind,
    };
    const attach = { repositoryId: 'home', kind, ...settings, create: false, takeOver: false };
    await rig.storage.storage.attach(attach, new AbortController().signal);
    await ended(replicate());
    await detach('home');
    observer.observe(30_000);
    expect(told()).toEqual([served, home, served]);
    await observer.close();
  });
});

describe('copies go', () => {
  test('when they are not wanted any more, but not below those who read them', async () => {
    const layerId = await imported();
    await ended(replicate());
    await detach('home');
    open.add(layerId);
    await shelf.plan(layerId);
    await unreplicateVdisk(control, 'debian', nameOf('away'));
    expect(replicas()).toEqual([]);
    expect(array.away.names()).toHaveLength(1);
    open.clear();
    const observer = new VdiskReplicaObserver(control, () => {});
    observer.observe(10_000);
    await observer.close();
    expect(array.away.names()).toEqual([]);
    expect(control.catalog.arrayLeftovers.ofRepository('away')).toEqual([]);
  });

  test('with their layers, and later where nobody reaches them', async () => {
    await imported();
    await ended(replicate());
    await detach('away');
    await deleteVdisk(control, 'debian');
    expect(array.home.names()).toEqual([]);
    expect(control.catalog.replicas.all()).toEqual([]);
    expect(control.catalog.arrayLeftovers.ofRepository('away')).toHaveLength(1);
    await control.tasks.close();
    await rig.close();
    await start();
    expect(array.away.names()).toEqual([]);
  });

  test('before their repository does', async () => {
    await imported();
    await ended(replicate());
    const refused = deleteRepository(control, nameOf('away'));
    await expect(refused).rejects.toMatchObject({ code: 'IN_USE', message: /debian/ });
    const home = deleteRepository(control, nameOf('home'));
    await expect(home).rejects.toMatchObject({ code: 'IN_USE', message: /debian/ });
    expect(control.catalog.replicas.all()).toHaveLength(1);
  });
});
