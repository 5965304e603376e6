/**
 * The files of a layer beside its volume, and how a layer comes to be and goes in one step.
 *
 *     manifest   what the disk holds as it is seen from this layer
 *     boot/      kernel and initrd of that disk
 *     map        of a difference: which blocks it has (layer-map.ts)
 *     volume     which volume goes when the folder goes; without it, the one of the layer's own name
 *
 * A layer is there when its folder has its final name. Its folder is made first, under another name, and
 * renamed last; it goes the other way round. So whatever is found at start under another name is
 * half made or half removed:
 *
 *     <id>.partial   its volume goes with it
 *     <id>.sealing   an overlay was being sealed: its data volume is still the overlay's, and stays
 *
 * A sealed layer says in `volume` that none goes with it, because a crash may come before the catalog
 * has given it the overlay's volume. Whoever removes it later knows better and says so: removeLayer.
 */
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { syncPath } from '../../base/index.ts';
import { Fault } from '../../errors/index.ts';
import { deleteVolumes, type Volume, type VolumeControl } from '../../repositories/index.ts';

const ENDINGS = { own: '.partial', none: '.sealing' } as const;
const REMOVAL = ENDINGS.own;
const VOLUME_FILE = 'volume';

/** Whether a volume is made for the layer, or it is given one when it is there. */
export type LayerVolume = keyof typeof ENDINGS;

export interface LayerFiles {
  readonly folder: string;
  readonly manifest: string;
  /** Folder that holds `vmlinuz` and `initrd`. */
  readonly boot: string;
  /** Of a difference only. */
  readonly map: string;
}

/** A layer that is being made. */
export interface HalfLayer {
  readonly layersFolder: string;
  readonly layerId: string;
  readonly volume: LayerVolume;
  readonly files: LayerFiles;
}

/** Names of the files inside of the boot folder. */
export const KERNEL_FILE = 'vmlinuz';
export const INITRD_FILE = 'initrd';

export function layerFiles(layersFolder: string, layerId: string): LayerFiles {
  return filesIn(join(layersFolder, layerId));
}

function filesIn(folder: string): LayerFiles {
  return {
    folder,
    manifest: join(folder, 'manifest'),
    boot: join(folder, 'boot'),
    map: join(folder, 'map'),
  };
}

/**
 * Makes the folder of a layer that is not there yet.
 * @throws Fault ALREADY_EXISTS
 */
export async function beginLayer(
  layersFolder: string,
  layerId: string,
  volume: LayerVolume,
): Promise<HalfLayer> {
  const files = filesIn(join(layersFolder, `${layerId}${ENDINGS[volume]}`));
  await refuseTaken(join(layersFolder, layerId), layerId);
  try {
    await mkdir(files.folder, { mode: 0o700 });
  } catch (error) {
    if (errorCode(error) === 'EEXIST') throw taken(layerId);
    throw error;
  }
  const half = { layersFolder, layerId, volume, files };
  try {
    await mkdir(files.boot, { mode: 0o700 });
    if (volume === 'none') await nameVolume(files.folder, undefined);
    await syncPath(layersFolder);
  } catch (error) {
    await rm(files.folder, { recursive: true, force: true });
    throw error;
  }
  return half;
}

/**
 * Makes the volume of a layer that was begun, under the layer's name.
 * @throws Fault as createVolume; one that was there before is left alone, also by discardLayer
 */
export async function createLayerVolume(
  { files, layerId }: HalfLayer,
  size: number,
  volumes: Pick<VolumeControl, 'createVolume'>,
): Promise<Volume> {
  try {
    return await volumes.createVolume({ id: layerId, size });
  } catch (error) {
    if (error instanceof Fault && error.code === 'ALREADY_EXISTS') {
      await nameVolume(files.folder, undefined);
    }
    throw error;
  }
}

/** The layer is there when this settles, also after a crash of the host. */
export async function commitLayer(half: HalfLayer): Promise<void> {
  const { files, layersFolder, layerId } = half;
  await syncPath(files.boot);
  await syncPath(files.folder);
  await rename(files.folder, join(layersFolder, layerId));
  await syncPath(layersFolder);
}

/** Removes a layer that was begun; the folder goes last, since it is what names the volume. */
export function discardLayer(
  half: HalfLayer,
  volumes: Pick<VolumeControl, 'deleteVolume'>,
): Promise<void> {
  return discard(half.files.folder, half.layerId, half.volume, volumes);
}

/**
 * Removes a sealed layer: folder, volume, boot files.
 * @param volumeId the layer's volume, as the catalog has it; undefined: the one that was made for it, if
 *   any, which is right for a layer that the catalog never heard of
 * @throws Fault NOT_FOUND
 */
export async function removeLayer(
  layersFolder: string,
  layerId: string,
  volumes: Pick<VolumeControl, 'deleteVolume'>,
  volumeId?: string,
): Promise<void> {
  const folder = join(layersFolder, layerId);
  try {
    if (volumeId !== undefined) await nameVolume(folder, volumeId);
    await rename(folder, `${folder}${REMOVAL}`);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    const details = { field: 'layerId', value: layerId };
    throw new Fault('NOT_FOUND', `no layer ${layerId}`, details, { cause: error });
  }
  await syncPath(layersFolder);
  await discard(`${folder}${REMOVAL}`, layerId, 'own', volumes);
}

/**
 * Removes what was being made or removed when the process died. Call it at start, before the first
 * layer is made.
 * @returns the layer ids that were removed
 */
export async function removeLeftovers(
  layersFolder: string,
  volumes: Pick<VolumeControl, 'deleteVolume'>,
): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const name of await readdir(layersFolder)) {
    for (const volume of ['own', 'none'] as const) {
      if (!name.endsWith(ENDINGS[volume])) continue;
      const layerId = name.slice(0, -ENDINGS[volume].length);
      await discard(join(layersFolder, name), layerId, volume, volumes);
      removed.push(layerId);
    }
  }
  return removed;
}

async function discard(
  folder: string,
  layerId: string,
  volume: LayerVolume,
  volumes: Pick<VolumeControl, 'deleteVolume'>,
): Promise<void> {
  const named = volume === 'own' ? await namedVolume(folder, layerId) : undefined;
  if (named !== undefined) await deleteVolumes(volumes, [named]);
  await rm(folder, { recursive: true, force: true });
}

/** The volume that goes with a folder. */
async function namedVolume(folder: string, layerId: string): Promise<string | undefined> {
  let text: string;
  try {
    text = await readFile(join(folder, VOLUME_FILE), 'latin1');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return layerId;
    throw error;
  }
  // Without the end of its line the name may be cut off and be another's.
  return text.length > 1 && text.endsWith('\n') ? text.slice(0, -1) : undefined;
}

/** Durable when it settles. @param volumeId undefined: none goes with the folder */
async function nameVolume(folder: string, volumeId: string | undefined): Promise<void> {
  const handle = await open(join(folder, VOLUME_FILE), 'w', 0o600);
  try {
    await handle.writeFile(`${volumeId ?? ''}\n`, 'latin1');
    await handle.sync();
  } finally {
    await handle.close();
  }
  await syncPath(folder);
}

async function refuseTaken(folder: string, layerId: string): Promise<void> {
  try {
    await stat(folder);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw error;
  }
  throw taken(layerId);
}

function taken(layerId: string): Fault {
  const details = { field: 'layerId', value: layerId, expected: 'the name of no other layer' };
  return new Fault('ALREADY_EXISTS', `there is a layer ${layerId}`, details);
}

function errorCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
