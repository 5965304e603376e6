/**
 * The import of one image: space, volume, copy, manifest, boot files, name. Read first.
 *
 * Nothing is left behind by an import that fails; one that the process did not survive is removed by
 * removeLeftovers at the next start (layers/layer-files.ts says how it is recognised).
 */
import { join } from 'node:path';
import type { BlockDevice } from '../../block/index.ts';
import { Fault } from '../../errors/index.ts';
import { freeBytesOf, type VolumeControl, type VolumeData } from '../../repositories/index.ts';
import { type BootFiles, copyBootFile, findBootFiles } from '../boot-files/index.ts';
import {
  IMAGE_FORMATS,
  type ImageFormat,
  type ImageReader,
  type OpenSource,
  openImage,
  type QemuImg,
} from '../formats/index.ts';
import {
  asLayerWork,
  BOOT_FILES_TIME_MAX,
  checkCancelled as checkSignal,
  createLayerVolume,
  type HalfLayer,
  INITRD_FILE,
  KERNEL_FILE,
  type LayerFiles,
  type LayerProgress,
  makeLayer,
  noSpace,
  SPACE_RESERVE_BYTES,
  takeBootFiles,
} from '../layers/index.ts';
import { ManifestWriter } from '../manifest/index.ts';
import { copyDisk } from './copy-disk.ts';
import { ImageWindows } from './image-windows.ts';
import { DISK_SIZE_UNIT } from './limits.ts';
import { refuseEmpty } from './refusals.ts';

export interface ImportImageRequest {
  readonly path: string;
  /** One of IMAGE_FORMATS; undefined: found from the content. */
  readonly format: string | undefined;
  /** Kernel and initrd given by hand: paths. */
  readonly kernel: string | undefined;
  readonly initrd: string | undefined;
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
  readonly progress: (progress: LayerProgress) => void;
  readonly signal: AbortSignal;
  readonly layerId: string;
}

/**
 * @param progress bytes of the virtual disk looked at so far
 * @throws Fault NOT_FOUND, INVALID_INPUT, PERMISSION_DENIED, IMAGE_INVALID, IMAGE_UNSUPPORTED,
 *   BACKING_FILE_MISSING, NO_SPACE, TOOL_MISSING, CANCELLED, UNAVAILABLE (the repository fails)
 */
export async function importImage(
  request: ImportImageRequest,
  dependencies: ImportDependencies,
  progress: (progress: LayerProgress) => void,
  signal: AbortSignal,
): Promise<ImportedImage> {
  const format = checkFormat(request.format);
  const { layersFolder, volumes, newId } = dependencies;
  return asLayerWork(nameOf(request), signal, () => {
    const job: Job = { request, dependencies, progress, signal, layerId: newId() };
    const layer = { layersFolder, layerId: job.layerId, volume: 'own', volumes } as const;
    return makeLayer(layer, async (half) => {
      const imported = await importInto(half, format, job);
      checkCancelled(job);
      return imported;
    });
  });
}

/** @throws Fault INVALID_INPUT */
export function checkFormat(format: string | undefined): ImageFormat | undefined {
  if (format === undefined) return undefined;
  const known = IMAGE_FORMATS.find((name) => name === format);
  if (known !== undefined) return known;
  throw new Fault('INVALID_INPUT', `there is no image format "${format}"`, {
    field: 'format',
    value: format,
    expected: `one of ${IMAGE_FORMATS.join(', ')}`,
  });
}

const nameOf = ({ path }: ImportImageRequest): string => `${path}: the import`;

function checkCancelled(job: Job): void {
  checkSignal(nameOf(job.request), job.signal);
}

async function importInto(
  half: HalfLayer,
  format: ImageFormat | undefined,
  job: Job,
): Promise<ImportedImage> {
  const { dependencies, request, signal } = job;
  const reader = await openImage(request.path, {
    format,
    temporaryFolder: half.files.folder,
    signal,
    ...(dependencies.openSource === undefined ? {} : { openSource: dependencies.openSource }),
    ...(dependencies.qemuImg === undefined ? {} : { qemuImg: dependencies.qemuImg }),
  });
  try {
    refuseEmpty(reader, request.path);
    return await importDisk(reader, half, job);
  } finally {
    await reader.close();
  }
}

async function importDisk(reader: ImageReader, half: HalfLayer, job: Job): Promise<ImportedImage> {
  const { volumes, volumeData } = job.dependencies;
  const { files } = half;
  const size = Math.ceil(reader.size / DISK_SIZE_UNIT) * DISK_SIZE_UNIT;
  const windows = new ImageWindows(reader, size, () => checkCancelled(job));
  await checkSpaceFirst(windows, job);
  const volume = await createLayerVolume(half, size, volumes);
  const device = await volumeData.open(volume.locator, { write: true });
  try {
    const copied = await copyWithManifest(windows, device, files, size, job);
    const bootFiles = await importBootFiles(device, files, job);
    return { layerId: job.layerId, size, format: reader.format, ...copied, bootFiles };
  } finally {
    await device.close();
  }
}

/** Before anything is written: the most that the image can need, from its tables alone. */
async function checkSpaceFirst(windows: ImageWindows, job: Job): Promise<void> {
  const needed = (await windows.dataBytes()) + SPACE_RESERVE_BYTES;
  const free = freeBytesOf(await job.dependencies.volumes.space());
  if (needed > free) throw noSpace(nameOf(job.request), needed, free);
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
        const free = freeBytesOf(await job.dependencies.volumes.space());
        if (free < SPACE_RESERVE_BYTES)
          throw noSpace(nameOf(job.request), SPACE_RESERVE_BYTES, free);
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
async function importBootFiles(
  device: BlockDevice,
  files: LayerFiles,
  job: Job,
): Promise<BootFiles> {
  const { kernel, initrd } = job.request;
  const limit = job.dependencies.bootFilesLimit?.() ?? AbortSignal.timeout(BOOT_FILES_TIME_MAX);
  if (kernel === undefined && initrd === undefined) {
    return takeBootFiles(device, files, job.signal, limit);
  }
  const signal = AbortSignal.any([job.signal, limit]);
  const found = await findBootFiles(device, { extract: undefined, signal });
  if (kernel !== undefined) await copyBootFile(kernel, join(files.boot, KERNEL_FILE), 'kernel');
  if (initrd !== undefined) await copyBootFile(initrd, join(files.boot, INITRD_FILE), 'initrd');
  return {
    ...found,
    kernel: kernel === undefined ? undefined : KERNEL_FILE,
    initrd: initrd === undefined ? undefined : INITRD_FILE,
    reason: kernel === undefined ? 'an initrd was given without a kernel' : undefined,
  };
}
