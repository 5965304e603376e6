/**
 * The import of one image: space, volume, copy, manifest, boot files, name. Read first.
 *
 * Nothing is left behind by an import that fails; one that the process did not survive is removed by
 * removeLeftovers at the next start (layer-files.ts says how it is recognised).
 */
import { join } from 'node:path';
import type { BlockDevice } from '../../block/index.ts';
import { Fault } from '../../errors/index.ts';
import type { VolumeControl, VolumeData } from '../../repositories/index.ts';
import { type BootFiles, copyBootFile, findBootFiles } from '../boot-files/index.ts';
import {
  IMAGE_FORMATS,
  type ImageFormat,
  type ImageReader,
  type OpenSource,
  openImage,
  type QemuImg,
} from '../formats/index.ts';
import { ManifestWriter } from '../manifest/index.ts';
import { copyDisk } from './copy-disk.ts';
import { ImageWindows } from './image-windows.ts';
import { cancelled, importFault, noSpace } from './import-fault.ts';
import {
  beginLayer,
  commitLayer,
  discardLayer,
  INITRD_FILE,
  KERNEL_FILE,
  type LayerFiles,
} from './layer-files.ts';
import { BOOT_FILES_TIME_MAX, DISK_SIZE_UNIT, SPACE_RESERVE_BYTES } from './limits.ts';

export interface ImportImageRequest {
  readonly path: string;
  /** One of IMAGE_FORMATS; undefined: found from the content. */
  readonly format: string | undefined;
  /** Kernel and initrd given by hand: paths. */
  readonly kernel: string | undefined;
  readonly initrd: string | undefined;
}

export interface ImportImageProgress {
  /** Bytes of the virtual disk looked at so far. */
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

export interface ImportDependencies {
  readonly volumes: Pick<VolumeControl, 'createVolume' | 'deleteVolume' | 'space'>;
  readonly volumeData: VolumeData;
  /** Exists; holds a folder per layer. */
  readonly layersFolder: string;
  /** A fresh name, good for a volume and a file. */
  readonly newId: () => string;
  readonly openSource?: OpenSource;
  readonly qemuImg?: QemuImg;
  /** Ends the search for boot files; AbortSignal.timeout(BOOT_FILES_TIME_MAX) unless given. */
  readonly bootFilesLimit?: () => AbortSignal;
}

export interface ImportedImage {
  /** Names the volume and the layer's folder. */
  readonly layerId: string;
  /** Hex SHA-256: the same content has the same value anywhere. */
  readonly contentId: string;
  /** Bytes of the disk: the image's, rounded up to 512. */
  readonly size: number;
  /** Bytes in chunks that are not all zeroes. */
  readonly dataBytes: number;
  readonly format: ImageFormat;
  readonly bootFiles: BootFiles;
}

interface Job {
  readonly request: ImportImageRequest;
  readonly dependencies: ImportDependencies;
  readonly progress: (progress: ImportImageProgress) => void;
  readonly signal: AbortSignal;
  readonly layerId: string;
}

/**
 * @throws Fault NOT_FOUND, INVALID_INPUT, PERMISSION_DENIED, IMAGE_INVALID, IMAGE_UNSUPPORTED,
 *   BACKING_FILE_MISSING, NO_SPACE, TOOL_MISSING, CANCELLED, UNAVAILABLE (the repository fails)
 */
export async function importImage(
  request: ImportImageRequest,
  dependencies: ImportDependencies,
  progress: (progress: ImportImageProgress) => void,
  signal: AbortSignal,
): Promise<ImportedImage> {
  const { layersFolder, volumes } = dependencies;
  const format = checkFormat(request.format);
  const job: Job = { request, dependencies, progress, signal, layerId: dependencies.newId() };
  let begun = false;
  try {
    checkCancelled(job);
    begun = true;
    const files = await beginLayer(layersFolder, job.layerId);
    const imported = await importInto(files, format, job);
    checkCancelled(job);
    await commitLayer(layersFolder, job.layerId);
    return imported;
  } catch (error) {
    const fault = signal.aborted ? cancelled(request.path) : importFault(error, request.path);
    // What cannot be removed now is a leftover, removed at the next start.
    if (begun) await discardLayer(layersFolder, job.layerId, volumes).catch(() => undefined);
    throw fault;
  }
}

function checkFormat(format: string | undefined): ImageFormat | undefined {
  if (format === undefined) return undefined;
  const known = IMAGE_FORMATS.find((name) => name === format);
  if (known !== undefined) return known;
  throw new Fault('INVALID_INPUT', `there is no image format "${format}"`, {
    field: 'format',
    value: format,
    expected: `one of ${IMAGE_FORMATS.join(', ')}`,
  });
}

function checkCancelled(job: Job): void {
  if (job.signal.aborted) throw cancelled(job.request.path);
}

async function importInto(
  files: LayerFiles,
  format: ImageFormat | undefined,
  job: Job,
): Promise<ImportedImage> {
  const { dependencies, request, signal } = job;
  const reader = await openImage(request.path, {
    format,
    temporaryFolder: files.folder,
    signal,
    ...(dependencies.openSource === undefined ? {} : { openSource: dependencies.openSource }),
    ...(dependencies.qemuImg === undefined ? {} : { qemuImg: dependencies.qemuImg }),
  });
  try {
    if (reader.size === 0) {
      const details = { field: 'size', value: 0, expected: '1 byte or more' };
      throw new Fault('IMAGE_INVALID', `${request.path}: the disk has no bytes`, details);
    }
    return await importDisk(reader, files, job);
  } finally {
    await reader.close();
  }
}

async function importDisk(
  reader: ImageReader,
  files: LayerFiles,
  job: Job,
): Promise<ImportedImage> {
  const { volumes, volumeData } = job.dependencies;
  const size = Math.ceil(reader.size / DISK_SIZE_UNIT) * DISK_SIZE_UNIT;
  const windows = new ImageWindows(reader, size, () => checkCancelled(job));
  await checkSpaceFirst(windows, job);
  const volume = await volumes.createVolume({ id: job.layerId, size });
  const device = await volumeData.open(volume.locator, { write: true });
  try {
    const copied = await copyWithManifest(windows, device, files, size, job);
    const bootFiles = await takeBootFiles(device, files, job);
    return { layerId: job.layerId, size, format: reader.format, ...copied, bootFiles };
  } finally {
    await device.close();
  }
}

/** Before anything is written: the most that the image can need, from its tables alone. */
async function checkSpaceFirst(windows: ImageWindows, job: Job): Promise<void> {
  const needed = (await windows.dataBytes()) + SPACE_RESERVE_BYTES;
  const { free } = await job.dependencies.volumes.space();
  if (needed > free) throw noSpace(job.request.path, needed, free);
}

async function copyWithManifest(
  windows: ImageWindows,
  device: BlockDevice,
  files: LayerFiles,
  size: number,
  job: Job,
): Promise<{ contentId: string; dataBytes: number }> {
  const manifest = await ManifestWriter.create(files.manifest, size);
  try {
    const dataBytes = await copyDisk(windows, device, manifest, {
      checkCancelled: () => checkCancelled(job),
      progress: (bytesDone) => job.progress({ bytesDone, bytesTotal: size }),
      checkSpace: async () => {
        const { free } = await job.dependencies.volumes.space();
        if (free < SPACE_RESERVE_BYTES) throw noSpace(job.request.path, SPACE_RESERVE_BYTES, free);
      },
    });
    const contentId = await manifest.finish();
    job.progress({ bytesDone: size, bytesTotal: size });
    return { contentId, dataBytes };
  } finally {
    await manifest.close();
  }
}

/** Given by hand, or out of the image. A disk without them imports as well. */
async function takeBootFiles(device: BlockDevice, files: LayerFiles, job: Job): Promise<BootFiles> {
  const { kernel, initrd } = job.request;
  const byHand = kernel !== undefined || initrd !== undefined;
  const targets = { kernel: join(files.boot, KERNEL_FILE), initrd: join(files.boot, INITRD_FILE) };
  const limit = job.dependencies.bootFilesLimit?.() ?? AbortSignal.timeout(BOOT_FILES_TIME_MAX);
  const found = await findBootFiles(device, {
    extract: byHand ? undefined : targets,
    signal: AbortSignal.any([job.signal, limit]),
  });
  if (!byHand) {
    return {
      ...found,
      kernel: found.kernel === undefined ? undefined : KERNEL_FILE,
      initrd: found.initrd === undefined ? undefined : INITRD_FILE,
    };
  }
  if (kernel !== undefined) await copyBootFile(kernel, targets.kernel, 'kernel');
  if (initrd !== undefined) await copyBootFile(initrd, targets.initrd, 'initrd');
  return {
    ...found,
    kernel: kernel === undefined ? undefined : KERNEL_FILE,
    initrd: initrd === undefined ? undefined : INITRD_FILE,
    reason: kernel === undefined ? 'an initrd was given without a kernel' : undefined,
  };
}
