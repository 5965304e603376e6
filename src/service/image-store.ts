import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import type { BootFileNames, ImageStore } from '../control/index.ts';
import { Fault } from '../errors/index.ts';
import type { VolumeControl } from '../repositories/index.ts';
import { type BootFiles, importImage, removeLayer, removeLeftovers } from '../vdisk/index.ts';
import type { DataFolder } from './data-folder.ts';
import type { LayerShelf } from './layer-shelf.ts';
import type { Repository } from './overlay-book.ts';

/** Imports into and removes from the service's repository. */
export function createImageStore(parts: {
  readonly folder: DataFolder;
  readonly repository: Repository;
  readonly layers: LayerShelf;
}): ImageStore {
  const { folder, repository, layers } = parts;
  return {
    async importImage(request, progress, signal) {
      const imported = await importImage(
        request,
        {
          volumes: repository.volumes,
          volumeData: repository.data,
          layersFolder: folder.layers,
          newId: randomUUID,
        },
        progress,
        signal,
      );
      return {
        ...imported,
        bootFiles: bootFileNames(imported.bootFiles),
        noKernelReason: imported.bootFiles.reason,
      };
    },

    async removeLayer(layerId) {
      layers.forget(layerId);
      try {
        await removeLayer(folder.layers, layerId, repository.volumes);
      } catch (error) {
        // Gone: a removal that a crash cut short was finished by sweepLayers.
        if (!(error instanceof Fault && error.code === 'NOT_FOUND')) throw error;
      }
    },

    async space() {
      const { total, free } = await repository.volumes.space();
      return { totalBytes: total, freeBytes: free };
    },
  };
}

function bootFileNames(files: BootFiles): BootFileNames {
  return {
    kernel: files.kernel,
    initrd: files.initrd,
    rootPartition: files.rootPartition,
    rootFilesystem: files.rootFilesystem,
    initramfs: files.initramfs,
  };
}

/**
 * Removes what a crash left: half imports, and layers that were finished but never reached the
 * catalog. Call it before the first import.
 */
export async function sweepLayers(
  layersFolder: string,
  volumes: VolumeControl,
  inUse: ReadonlySet<string>,
): Promise<void> {
  await removeLeftovers(layersFolder, volumes);
  for (const layerId of await readdir(layersFolder)) {
    if (!inUse.has(layerId)) await removeLayer(layersFolder, layerId, volumes);
  }
}
