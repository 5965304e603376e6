/** Chunks are hashed, packed and unpacked in the thread pool: this is the control thread. */
import { subtle } from 'node:crypto';
import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompress } from 'node:zlib';
import { CHUNK_BYTES } from '../manifest/index.ts';
import type { StoredChunk } from './chunk-record.ts';

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** Level 3 makes 7 percent less of the programs of a Debian and takes half as long again. */
const LEVEL = 1;

/** What comes out in one piece: zlib gathers pieces of 16 KiB otherwise, each with a call on this thread. */
const PIECE_BYTES = CHUNK_BYTES + 1024;

export async function sha256(bytes: Buffer): Promise<Buffer> {
  return Buffer.from(
    await subtle.digest('SHA-256', isUnshared(bytes) ? bytes : Buffer.from(bytes)),
  );
}

function isUnshared(bytes: Buffer): bytes is Buffer<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer;
}

/** @returns the chunk as it is to be carried; undefined: these are not the bytes of that hash */
export async function packChunk(
  hash: Buffer,
  bytes: Buffer,
  compression: 'zstd' | 'none',
): Promise<StoredChunk | undefined> {
  const [found, packed] = await Promise.all([
    sha256(bytes),
    compression === 'zstd' ? pack(bytes) : bytes,
  ]);
  if (!found.equals(hash)) return undefined;
  const smaller = packed.length < bytes.length;
  return {
    kind: 'chunk',
    hash,
    length: bytes.length,
    packed: smaller,
    stored: smaller ? packed : bytes,
  };
}

function pack(bytes: Buffer): Promise<Buffer> {
  return compress(bytes, {
    params: { [constants.ZSTD_c_compressionLevel]: LEVEL },
    pledgedSrcSize: bytes.length,
    chunkSize: PIECE_BYTES,
  });
}

/** @returns the bytes, if they are those of the hash; undefined: the chunk is damaged */
export async function unpackChunk(chunk: StoredChunk): Promise<Buffer | undefined> {
  const bytes = chunk.packed ? await unpack(chunk) : chunk.stored;
  if (bytes?.length !== chunk.length) return undefined;
  return (await sha256(bytes)).equals(chunk.hash) ? bytes : undefined;
}

async function unpack({ stored, length }: StoredChunk): Promise<Buffer | undefined> {
  try {
    return await decompress(stored, { maxOutputLength: length, chunkSize: PIECE_BYTES });
  } catch {
    return undefined;
  }
}
