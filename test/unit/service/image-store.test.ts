import { mkdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LocalVolumeControl, LocalVolumeData } from '../../../src/adapters/local/index.ts';
import { openDataFolder } from '../../../src/service/data-folder.ts';
import { createImageStore, sweepLayers } from '../../../src/service/image-store.ts';
import { LayerShelf } from '../../../src/service/layer-shelf.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

test('a removal that the sweep at the start has carried out is no failure', async () => {
  const temporary = await temporaryFolder('images');
  const folder = openDataFolder(temporary.path);
  const volumes = await LocalVolumeControl.attach(folder.repository);
  const data = new LocalVolumeData({ log: { warn: () => undefined } });
  const repository = { volumes, data };
  const layers = new LayerShelf(volumes, folder.layers);
  for (const layerId of ['kept', 'dropped']) {
    mkdirSync(join(folder.layers, layerId));
    await volumes.createVolume({ id: layerId, size: 4096 });
  }
  await sweepLayers(folder.layers, volumes, new Set(['kept']));
  expect(await readdir(folder.layers)).toEqual(['kept']);
  const images = createImageStore({ folder, repository, layers });
  await images.removeLayer('dropped');
  expect((await volumes.listVolumes()).map(({ id }) => id)).toEqual(['kept']);
  await images.removeLayer('kept');
  expect(await volumes.listVolumes()).toEqual([]);
  folder.unlock();
  await temporary.remove();
});
