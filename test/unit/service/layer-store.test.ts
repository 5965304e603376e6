import { mkdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LocalVolumeControl, LocalVolumeData } from '../../../src/adapters/local/index.ts';
import { openCatalog } from '../../../src/control/index.ts';
import { openDataFolder } from '../../../src/service/data-folder.ts';
import { LayerShelf } from '../../../src/service/layer-shelf.ts';
import { LayerStore, sweepLayers } from '../../../src/service/layer-store.ts';
import { OverlayBook } from '../../../src/service/overlay-book.ts';
import { LayerRepositories } from '../../../src/service/storage/index.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

test('a removal that the sweep at the start has carried out is no failure', async () => {
  const temporary = await temporaryFolder('images');
  const folder = openDataFolder(temporary.path);
  const volumes = await LocalVolumeControl.attach(folder.repository);
  const data = new LocalVolumeData({ log: { warn: () => undefined } });
  const repository = { volumes, data };
  const catalog = openCatalog(':memory:');
  const layers = new LayerShelf(catalog, volumes, folder.layers);
  const bootId = 'boot';
  const none = new Set<string>();
  const book = { repository, bootId, workers: 1, layers, owners: none, sealed: none };
  const overlays = await OverlayBook.open(book);
  for (const layerId of ['kept', 'dropped']) {
    mkdirSync(join(folder.layers, layerId));
    await volumes.createVolume({ id: layerId, size: 4096 });
  }
  await sweepLayers(folder.layers, volumes, new Set(['kept']));
  expect(await readdir(folder.layers)).toEqual(['kept']);
  const every = new LayerRepositories(repository, catalog);
  const images = new LayerStore({ folder, catalog, repository: every, layers, overlays, bootId });
  await images.removeLayer('dropped', 'dropped');
  expect((await volumes.listVolumes()).map(({ id }) => id)).toEqual(['kept']);
  await images.removeLayer('kept', 'kept');
  expect(await volumes.listVolumes()).toEqual([]);
  catalog.close();
  folder.unlock();
  await temporary.remove();
});
