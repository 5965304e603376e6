import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { Fault } from '../../errors/index.ts';
import { bitmapBytes, chunkCount, countChunks, presentChunks } from './chunk-layout.ts';
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
    for await (const batch of batchesOf(path, handle, header)) {
      for (const chunk of batch) await each(chunk);
    }
    return header;
  });
}

/**
 * The same, to be asked for: two manifests can be read side by side. What was given out stays as it is.
 * @throws Fault NOT_FOUND, IMAGE_INVALID, IMAGE_UNSUPPORTED
 */
export async function* chunkHashBatches(path: string): AsyncGenerator<readonly ChunkHash[]> {
  const { handle, header } = await openManifest(path);
  try {
    yield* batchesOf(path, handle, header);
  } finally {
    await handle.close();
  }
}

async function* batchesOf(
  path: string,
  handle: FileHandle,
  header: ManifestHeader,
): AsyncGenerator<readonly ChunkHash[]> {
  const chunks = presentChunks(await readBitmap(path, handle, header));
  const contentId = new ContentId(header.size);
  const start = hashesOffset(header.size);
  const bytes = header.presentChunks * HASH_BYTES;
  for (let done = 0; done < bytes; done += MANIFEST_BATCH_BYTES) {
    const hashes = Buffer.allocUnsafe(Math.min(MANIFEST_BATCH_BYTES, bytes - done));
    await readWhole(path, handle, hashes, start + done, 'hashes');
    const batch: ChunkHash[] = [];
    for (let at = 0; at < hashes.length; at += HASH_BYTES) {
      const chunk = chunks.next().value ?? Number.POSITIVE_INFINITY;
      if (chunk >= chunkCount(header.size)) {
        throw damaged(path, 'bitmap', chunk, `chunks of ${header.size} bytes`);
      }
      const hash = hashes.subarray(at, at + HASH_BYTES);
      contentId.add(chunk, hash);
      batch.push({ chunk, hash });
    }
    yield batch;
  }
  const found = contentId.finish();
  if (found !== header.contentId) throw damaged(path, 'content id', header.contentId, found);
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

async function openManifest(
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
