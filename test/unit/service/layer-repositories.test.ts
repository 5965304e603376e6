/** Layers of a vDisk on a repository that is attached: made there, read there, deleted there. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LocalVolumeControl, LocalVolumeData } from '../../../src/adapters/local/index.ts';
import { LayerShelf } from '../../../src/service/layer-shelf.ts';
import { LayerStore } from '../../../src/service/layer-store.ts';
import { OverlayBook } from '../../../src/service/overlay-book.ts';
import { LayerRepositories } from '../../../src/service/storage/index.ts';
import { openLayerChain } from '../../../src/vdisk/index.ts';
import { randomContent } from '../../support/content.ts';
import { MemoryArray } from '../../support/memory-array.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { NEVER, VolumeRig } from '../../support/volume-rig.ts';

const SIZE = 512 * 1024;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeEach(async () => {
  folder = await temporaryFolder('layer-repositories');
});
afterEach(() => folder.remove());

async function start(array: MemoryArray) {
  const rig = await VolumeRig.open({ arrays: { one: array }, path: join(folder.path, 'catalog') });
  const { catalog, storage } = rig;
  const paths = { layers: join(folder.path, 'layers'), volumes: join(folder.path, 'volumes') };
  for (const path of Object.values(paths)) mkdirSync(path, { recursive: true });
  const own = {
    volumes: await LocalVolumeControl.attach(paths.volumes),
    data: new LocalVolumeData({ log: { warn: () => {} } }),
  };
  const repository = new LayerRepositories(own, catalog);
  repository.reach(storage);
  const layers = new LayerShelf(catalog, repository.volumes, paths.layers);
  const overlays = await OverlayBook.open({
    ...{ repository, bootId: 'boot-1', workers: 1, layers },
    ...{ owners: new Set<string>(), sealed: new Set<string>() },
  });
  const parts = { folder: paths, catalog, repository, layers, overlays, bootId: 'boot-1' };
  const images = new LayerStore(parts);
  const path = join(folder.path, 'disk.raw');
  const content = randomContent(SIZE);
  writeFileSync(path, content);
  const request = { path, format: 'raw', kernel: undefined, initrd: undefined };
  const importTo = (repositoryId: string | undefined) =>
    images.importImage({ ...request, repositoryId }, () => {}, NEVER);
  return { rig, catalog, repository, layers, images, own, content, importTo, paths };
}

test('an image becomes a layer there, which is read from there and deleted there', async () => {
  const array = new MemoryArray();
  const it = await start(array);
  const layer = await it.importTo('one');
  expect(layer.volumeId).toBe(`one/${layer.layerId}`);
  expect(array.names()).toEqual([`volume ${layer.layerId}`]);
  expect(await it.own.volumes.listVolumes()).toEqual([]);
  const { layerId: id, volumeId, contentId, size, dataBytes, ownBytes } = layer;
  it.catalog.layers.insert({
    ...{ id, parentId: undefined, volumeId, contentId, size, dataBytes, ownBytes },
    ...{ verifiedAt: undefined, damagedChunks: 0, createdAt: 1 },
  });
  const plan = await it.layers.plan(id);
  expect(plan.layers[0]?.volume).toMatchObject({ repository: 'one' });
  const parts = { layersFolder: it.paths.layers, volumeData: it.repository.data };
  const disk = await openLayerChain(await it.layers.chain(id), parts);
  const read = Buffer.alloc(SIZE);
  await disk.device.read(read, 0);
  await disk.close();
  expect(read.equals(it.content)).toBe(true);
  await it.images.removeLayer(id, volumeId);
  expect(array.names()).toEqual([]);
  await it.rig.close();
});

test('what a crash left, or was deleted while the repository was away, goes when it is attached', async () => {
  const array = new MemoryArray();
  const first = await start(array);
  const lost = await first.importTo('one');
  const kept = await first.importTo('one');
  const { storage } = first.rig.storage;
  // The one is never recorded; the other is recorded, and deleted while nobody reaches the array.
  first.catalog.arrayLeftovers.remove(kept.layerId);
  await storage.detach('one', { force: false });
  await first.images.removeLayer(kept.layerId, kept.volumeId);
  expect(array.names().sort()).toEqual([`volume ${lost.layerId}`, `volume ${kept.layerId}`].sort());
  await first.rig.close();
  const second = await start(array);
  expect(array.names()).toEqual([]);
  await second.rig.close();
});

test('what was deleted while the repository was away goes when it is attached again, also without a restart', async () => {
  const array = new MemoryArray();
  const it = await start(array);
  const layer = await it.importTo('one');
  it.catalog.arrayLeftovers.remove(layer.layerId); // as whoever records it does
  const { storage } = it.rig.storage;
  await storage.detach('one', { force: false });
  await it.images.removeLayer(layer.layerId, layer.volumeId);
  expect(array.names()).toEqual([`volume ${layer.layerId}`]);
  const given = { settings: {}, secrets: {}, create: false, takeOver: false };
  await storage.attach({ repositoryId: 'one', kind: array.adapter.kind, ...given }, NEVER);
  expect(array.names()).toEqual([]);
  expect(it.catalog.arrayLeftovers.ofRepository('one')).toEqual([]);
  await it.rig.close();
});

test('the service keeps its own layers where it did', async () => {
  const array = new MemoryArray();
  const it = await start(array);
  const layer = await it.importTo(undefined);
  expect(layer.volumeId).toBe(layer.layerId);
  expect(array.names()).toEqual([]);
  await expect(it.importTo('nowhere')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await it.rig.close();
});
