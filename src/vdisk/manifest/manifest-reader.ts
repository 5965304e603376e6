import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { Fault } from '../../errors/index.ts';
import { bitmapBytes, countChunks } from './chunk-layout.ts';
import {
  damaged,
  decodeManifestHeader,
  HASH_BYTES,
  hashesOffset,
  MANIFEST_HEADER_BYTES,
  type ManifestHeader,
} from './manifest-header.ts';

/**
 * Which chunks hold data: bit i mod 8 of byte i div 8 for chunk i. Reads header and bitmap only.
 * @throws Fault NOT_FOUND, IMAGE_INVALID, IMAGE_UNSUPPORTED
 */
export function readPresentChunks(path: string): Promise<Uint8Array> {
  return withManifest(path, async (handle, header) => readBitmap(path, handle, header));
}

/** @throws Fault NOT_FOUND, IMAGE_INVALID, IMAGE_UNSUPPORTED */
export function readManifestHeader(path: string): Promise<ManifestHeader> {
  return withManifest(path, async (_handle, header) => header);
}

async function withManifest<T>(
  path: string,
  body: (handle: FileHandle, header: ManifestHeader) => Promise<T>,
): Promise<T> {
  const { handle, header } = await openManifest(path);
  try {
    return await body(handle, header);
  } finally {
    await handle.close();
  }
}

/** Whoever opens it closes it. @throws Fault NOT_FOUND, IMAGE_INVALID, IMAGE_UNSUPPORTED */
export async function openManifest(
  path: string,
): Promise<{ readonly handle: FileHandle; readonly header: ManifestHeader }> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY);
  } catch (error) {
    throw new Fault(
      'NOT_FOUND',
      `${path}: the manifest cannot be opened: ${(error as Error).message}`,
      { field: 'manifest', value: path },
      { cause: error },
    );
  }
  try {
    const head = Buffer.alloc(MANIFEST_HEADER_BYTES);
    await readWhole(path, handle, head, 0, 'header');
    const header = decodeManifestHeader(path, head);
    const { size } = await handle.stat();
    const expected = hashesOffset(header.size) + header.presentChunks * HASH_BYTES;
    if (size !== expected) throw damaged(path, 'file size', size, String(expected));
    return { handle, header };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

export async function readBitmap(
  path: string,
  handle: FileHandle,
  header: ManifestHeader,
): Promise<Uint8Array> {
  const bitmap = Buffer.alloc(bitmapBytes(header.size));
  await readWhole(path, handle, bitmap, MANIFEST_HEADER_BYTES, 'bitmap');
  const crc = crc32(bitmap);
  if (crc !== header.bitmapCrc) {
    throw damaged(path, 'bitmap checksum', crc, String(header.bitmapCrc));
  }
  const count = countChunks(bitmap);
  if (count !== header.presentChunks) {
    throw damaged(path, 'present chunks', header.presentChunks, `${count}, as in the bitmap`);
  }
  return bitmap;
}

export async function readWhole(
  path: string,
  handle: FileHandle,
  target: Buffer,
  position: number,
  field: string,
): Promise<void> {
  let done = 0;
  while (done < target.length) {
    const { bytesRead } = await handle.read(target, done, target.length - done, position + done);
    if (bytesRead === 0) {
      throw damaged(path, field, `cut off at ${position + done}`, `${target.length} bytes`);
    }
    done += bytesRead;
  }
}
