import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { Fault } from '../../errors/index.ts';
import { bitmapBytes, chunkCount, countChunks, hasChunk } from './chunk-layout.ts';
import { ContentId } from './content-id.ts';
import { MANIFEST_BATCH_BYTES } from './limits.ts';
import {
  damaged,
  decodeManifestHeader,
  HASH_BYTES,
  hashesOffset,
  MANIFEST_HEADER_BYTES,
  type ManifestHeader,
} from './manifest-header.ts';

export interface ChunkHash {
  readonly chunk: number;
  /** SHA-256 of the chunk's bytes. */
  readonly hash: Buffer;
}

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

/**
 * Every present chunk with its hash, in order, a batch at a time; checks the content id at the end.
 * @throws Fault NOT_FOUND, IMAGE_INVALID, IMAGE_UNSUPPORTED
 */
export function readChunkHashes(
  path: string,
  each: (chunk: ChunkHash) => void | Promise<void>,
): Promise<ManifestHeader> {
  return withManifest(path, async (handle, header) => {
    const bitmap = await readBitmap(path, handle, header);
    const contentId = new ContentId(header.size);
    const batch = Buffer.alloc(MANIFEST_BATCH_BYTES);
    let position = hashesOffset(header.size);
    let inBatch = batch.length;
    let left = header.presentChunks * HASH_BYTES;
    for (let chunk = 0; chunk < chunkCount(header.size); chunk += 1) {
      if (!hasChunk(bitmap, chunk)) continue;
      if (inBatch === batch.length) {
        const part = batch.subarray(0, Math.min(batch.length, left));
        await readWhole(path, handle, part, position, 'hashes');
        position += part.length;
        inBatch = 0;
      }
      const hash = Buffer.from(batch.subarray(inBatch, inBatch + HASH_BYTES));
      inBatch += HASH_BYTES;
      left -= HASH_BYTES;
      contentId.add(chunk, hash);
      await each({ chunk, hash });
    }
    const found = contentId.finish();
    if (found !== header.contentId) throw damaged(path, 'content id', header.contentId, found);
    return header;
  });
}

async function withManifest<T>(
  path: string,
  body: (handle: FileHandle, header: ManifestHeader) => Promise<T>,
): Promise<T> {
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
    return await body(handle, header);
  } finally {
    await handle.close();
  }
}

async function readBitmap(
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

async function readWhole(
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
