/** Chunks are hashed, packed and unpacked in the thread pool: this is the control thread. */
import { subtle } from 'node:crypto';
import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompress } from 'node:zlib';
import type { StoredChunk } from './chunk-record.ts';

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** Fast; a higher one gains a few percent and takes several times as long. */
const LEVEL = 3;

export async function sha256(bytes: Buffer<ArrayBuffer>): Promise<Buffer> {
  return Buffer.from(await subtle.digest('SHA-256', bytes));
}

/** @returns the chunk as it is to be carried; undefined: these are not the bytes of that hash */
export async function packChunk(
  hash: Buffer,
  bytes: Buffer<ArrayBuffer>,
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
  });
}

/** @returns the bytes, if they are those of the hash; undefined: the chunk is damaged */
export async function unpackChunk(chunk: StoredChunk): Promise<Buffer | undefined> {
  let bytes: Buffer<ArrayBuffer>;
  if (chunk.packed) {
    try {
      bytes = Buffer.from(await decompress(chunk.stored, { maxOutputLength: chunk.length }));
    } catch {
      return undefined;
    }
  } else bytes = Buffer.from(chunk.stored);
  return bytes.length === chunk.length && (await sha256(bytes)).equals(chunk.hash)
    ? bytes
    : undefined;
}
