/**
 * The payload of a chunk record.
 *
 *     0  SHA-256 of the chunk (32 bytes)
 *    32  length of the chunk (u32): 65536; the last one of a disk may be shorter
 *    36  encoding (u8): 0 the chunk as it is, 1 a zstd frame (RFC 8878) that is shorter than the chunk
 *    37  the bytes
 */
import { CHUNK_BYTES } from '../manifest/index.ts';
import { type Violation, violation } from './bundle-record.ts';

const FIXED_BYTES = 37;

/** A chunk as it is carried. */
export interface StoredChunk {
  readonly kind: 'chunk';
  /** SHA-256 of the unpacked chunk. */
  readonly hash: Buffer;
  /** Bytes of the unpacked chunk. */
  readonly length: number;
  readonly packed: boolean;
  readonly stored: Buffer;
}

/** In pieces, so that the chunk itself is copied once. */
export function encodeChunk(chunk: Omit<StoredChunk, 'kind'>): readonly Buffer[] {
  const fixed = Buffer.allocUnsafe(FIXED_BYTES);
  chunk.hash.copy(fixed, 0);
  fixed.writeUInt32BE(chunk.length, 32);
  fixed.writeUInt8(chunk.packed ? 1 : 0, 36);
  return [fixed, chunk.stored];
}

export function decodeChunk(payload: Buffer): StoredChunk | Violation {
  const storedBytes = payload.length - FIXED_BYTES;
  if (storedBytes < 1) return violation('chunk', `${payload.length} bytes`, 'a chunk');
  const length = payload.readUInt32BE(32);
  if (length < 1 || length > CHUNK_BYTES) {
    return violation('chunk length', length, `1 to ${CHUNK_BYTES}`);
  }
  const encoding = payload.readUInt8(36);
  if (encoding > 1) return violation('chunk encoding', encoding, '0 or 1');
  const packed = encoding === 1;
  if (packed ? storedBytes >= length : storedBytes !== length) {
    const expected = packed ? `less than ${length}` : String(length);
    return violation('stored bytes of a chunk', storedBytes, expected);
  }
  const hash = payload.subarray(0, 32);
  return { kind: 'chunk', hash, length, packed, stored: payload.subarray(FIXED_BYTES) };
}
