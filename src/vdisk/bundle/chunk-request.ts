/**
 * What a receiver asks a sender for: the number of chunks (u32, big-endian), then the SHA-256 of each. The
 * answer is a stream of these chunks in this order (write-chunks.ts).
 */
import { Fault } from '../../errors/index.ts';
import { type NeedMore, type Violation, violation } from './bundle-record.ts';
import { BUNDLE_REQUEST_CHUNKS_MAX } from './limits.ts';

const HASH_BYTES = 32;
const COUNT_BYTES = 4;

export interface ChunkRequest {
  readonly kind: 'request';
  readonly hashes: readonly Buffer[];
}

/** Bytes of the longest request. */
export const CHUNK_REQUEST_BYTES_MAX = COUNT_BYTES + BUNDLE_REQUEST_CHUNKS_MAX * HASH_BYTES;

/** @param hashes 1 to BUNDLE_REQUEST_CHUNKS_MAX. @throws RangeError */
export function encodeChunkRequest(hashes: readonly Buffer[]): Buffer {
  if (hashes.length < 1 || hashes.length > BUNDLE_REQUEST_CHUNKS_MAX) {
    throw new RangeError(`a request for ${hashes.length} chunks`);
  }
  const count = Buffer.alloc(COUNT_BYTES);
  count.writeUInt32BE(hashes.length);
  return Buffer.concat([count, ...hashes]);
}

/**
 * The chunks that somebody asks for.
 * @param body all of it
 * @throws Fault INVALID_INPUT
 */
export function readChunkRequest(body: Buffer): readonly Buffer[] {
  const decoded = decodeChunkRequest(body);
  switch (decoded.kind) {
    case 'request':
      return decoded.hashes;
    case 'need-more':
      throw invalid('length', body.length, `${decoded.bytes} bytes`);
    case 'violation':
      throw invalid(decoded.field, decoded.value, decoded.expected);
  }
}

function invalid(field: string, value: string | number, expected: string): Fault {
  const message = `a request for chunks: ${field} is ${value}; expected ${expected}`;
  return new Fault('INVALID_INPUT', message, { field, value, expected });
}

/** @param body all that has come; nothing may follow the request */
export function decodeChunkRequest(body: Buffer): ChunkRequest | NeedMore | Violation {
  if (body.length < COUNT_BYTES) return { kind: 'need-more', bytes: COUNT_BYTES };
  const count = body.readUInt32BE(0);
  if (count < 1 || count > BUNDLE_REQUEST_CHUNKS_MAX) {
    return violation('chunks', count, `1 to ${BUNDLE_REQUEST_CHUNKS_MAX}`);
  }
  const bytes = COUNT_BYTES + count * HASH_BYTES;
  if (body.length < bytes) return { kind: 'need-more', bytes };
  if (body.length > bytes) return violation('request', body.length, `${bytes} bytes`);
  const hashes: Buffer[] = [];
  for (let at = COUNT_BYTES; at < bytes; at += HASH_BYTES) {
    hashes.push(body.subarray(at, at + HASH_BYTES));
  }
  return { kind: 'request', hashes };
}
