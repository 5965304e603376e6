/** An image of any format as a raw file with holes: for what works on files, before the import. */
import { open, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeAt } from '../../base/index.ts';
import { type ImageReader, openImage } from '../formats/index.ts';
import { asLayerWork, checkCancelled, type LayerProgress } from '../layers/index.ts';
import { presentStretches } from './copy-disk.ts';
import { ImageWindows } from './image-windows.ts';
import { checkFormat } from './import-image.ts';
import { DISK_SIZE_UNIT } from './limits.ts';
import { noRoom, refuseEmpty } from './refusals.ts';

export interface ImageToRawRequest {
  readonly path: string;
  /** One of IMAGE_FORMATS; undefined: found from the content. */
  readonly format: string | undefined;
  /** The file; it is not there yet. Whoever asked removes it when this fails. */
  readonly target: string;
  /** Bytes that must be left in its file system. */
  readonly reserveBytes: number;
  /** For formats that qemu-img reads for us. */
  readonly temporaryFolder: string;
}

/**
 * @param progress bytes of the virtual disk looked at so far
 * @throws Fault as importImage
 */
export async function imageToRaw(
  request: ImageToRawRequest,
  progress: (progress: LayerProgress) => void,
  signal: AbortSignal,
): Promise<void> {
  const { path, temporaryFolder } = request;
  const format = checkFormat(request.format);
  const what = `${path}: the copy`;
  return asLayerWork(what, signal, async () => {
    const reader = await openImage(path, { format, temporaryFolder, signal });
    try {
      await copyDisk(reader, request, progress, () => checkCancelled(what, signal));
    } finally {
      await reader.close();
    }
  });
}

async function copyDisk(
  reader: ImageReader,
  { path, target, reserveBytes }: ImageToRawRequest,
  progress: (progress: LayerProgress) => void,
  check: () => void,
): Promise<void> {
  refuseEmpty(reader, path);
  const size = Math.ceil(reader.size / DISK_SIZE_UNIT) * DISK_SIZE_UNIT;
  const windows = new ImageWindows(reader, size, check);
  const folder = dirname(target);
  const needed = (await windows.dataBytes()) + reserveBytes;
  const { bavail, bsize } = await statfs(folder);
  if (needed > bavail * bsize) throw noRoom(path, folder, needed, bavail * bsize);
  await using file = await open(target, 'wx', 0o600);
  await file.truncate(size);
  await windows.forEach(async (window) => {
    check();
    for (const { start, end } of presentStretches(window)) {
      await writeAt(file, window.bytes.subarray(start, end), window.offset + start);
    }
    progress({ bytesDone: window.end, bytesTotal: size });
  });
  await file.sync();
  // Zeroes at the end are stepped over, and all of a disk of zeroes.
  progress({ bytesDone: size, bytesTotal: size });
}
