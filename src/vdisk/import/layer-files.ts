/**
 * The files of a layer beside its volume, and how a layer comes to be and goes in one step.
 *
 * A layer is there when its folder has its final name. Its folder is made first, with the ending
 * `.partial`, and renamed last; it goes the other way round. So whatever ends in `.partial` at start
 * is a half import or a half removal, and names the volume that goes with it.
 */
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../../errors/index.ts';
import { deleteVolumes, type VolumeControl } from '../../repositories/index.ts';

const PARTIAL = '.partial';

export interface LayerFiles {
  readonly folder: string;
  readonly manifest: string;
  /** Folder that holds `vmlinuz` and `initrd`. */
  readonly boot: string;
}

/** Names of the files inside of the boot folder. */
export const KERNEL_FILE = 'vmlinuz';
export const INITRD_FILE = 'initrd';

export function layerFiles(layersFolder: string, layerId: string): LayerFiles {
  return filesIn(join(layersFolder, layerId));
}

function filesIn(folder: string): LayerFiles {
  return { folder, manifest: join(folder, 'manifest'), boot: join(folder, 'boot') };
}

/** Makes the folder of a layer that is not there yet. */
export async function beginLayer(layersFolder: string, layerId: string): Promise<LayerFiles> {
  const files = filesIn(join(layersFolder, `${layerId}${PARTIAL}`));
  await mkdir(files.boot, { recursive: true, mode: 0o700 });
  await syncFolder(layersFolder);
  return files;
}

/** The layer is there when this settles, also after a crash of the host. */
export async function commitLayer(layersFolder: string, layerId: string): Promise<void> {
  const partial = filesIn(join(layersFolder, `${layerId}${PARTIAL}`));
  await syncFolder(partial.boot);
  await syncFolder(partial.folder);
  await rename(partial.folder, join(layersFolder, layerId));
  await syncFolder(layersFolder);
}

/** Removes a layer that was begun; the folder goes last, since it is what names the volume. */
export async function discardLayer(
  layersFolder: string,
  layerId: string,
  volumes: Pick<VolumeControl, 'deleteVolume'>,
): Promise<void> {
  await deleteVolumes(volumes, [layerId]);
  await rm(join(layersFolder, `${layerId}${PARTIAL}`), { recursive: true, force: true });
}

/** Removes a sealed layer: folder, volume, boot files. @throws Fault NOT_FOUND */
export async function removeLayer(
  layersFolder: string,
  layerId: string,
  volumes: Pick<VolumeControl, 'deleteVolume'>,
): Promise<void> {
  const folder = join(layersFolder, layerId);
  try {
    await rename(folder, `${folder}${PARTIAL}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const details = { field: 'layerId', value: layerId };
    throw new Fault('NOT_FOUND', `no layer ${layerId}`, details, { cause: error });
  }
  await syncFolder(layersFolder);
  await discardLayer(layersFolder, layerId, volumes);
}

/**
 * Removes what an import or a removal left behind when the process died. Call it at start, before
 * the first import.
 * @returns the layer ids that were removed
 */
export async function removeLeftovers(
  layersFolder: string,
  volumes: Pick<VolumeControl, 'deleteVolume'>,
): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const name of await readdir(layersFolder)) {
    if (!name.endsWith(PARTIAL)) continue;
    const layerId = name.slice(0, -PARTIAL.length);
    await discardLayer(layersFolder, layerId, volumes);
    removed.push(layerId);
  }
  return removed;
}

/** Makes names in a folder durable. */
async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
