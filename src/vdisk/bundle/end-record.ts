/**
 * The payload of the end record.
 *
 *     0  versions whose changes were sent (u32)    8  chunk records (u64)
 *     4  boot files (u32)                         16  bytes before this record (u64)
 *                                                 24  SHA-256 of these bytes
 */
import { type Violation, violation } from './bundle-record.ts';

const BYTES = 56;

export interface StreamCounts {
  readonly versions: number;
  readonly files: number;
  readonly chunks: number;
}

export interface StreamEnd extends StreamCounts {
  readonly kind: 'end';
  readonly bytes: number;
  readonly hash: Buffer;
}

export function encodeEnd(end: Omit<StreamEnd, 'kind'>): Buffer {
  const bytes = Buffer.alloc(BYTES);
  bytes.writeUInt32BE(end.versions, 0);
  bytes.writeUInt32BE(end.files, 4);
  bytes.writeBigUInt64BE(BigInt(end.chunks), 8);
  bytes.writeBigUInt64BE(BigInt(end.bytes), 16);
  end.hash.copy(bytes, 24);
  return bytes;
}

export function decodeEnd(payload: Buffer): StreamEnd | Violation {
  if (payload.length !== BYTES) return violation('end record', payload.length, `${BYTES} bytes`);
  return {
    kind: 'end',
    versions: payload.readUInt32BE(0),
    files: payload.readUInt32BE(4),
    // Compared with what was counted: beyond 2^53 they are wrong in any case.
    chunks: Number(payload.readBigUInt64BE(8)),
    bytes: Number(payload.readBigUInt64BE(16)),
    hash: payload.subarray(24),
  };
}
