/**
 * A BUNDLE: a vDisk with its versions as a stream of bytes, for a file, a pipe or the body of an HTTP
 * message; it is written and read from front to back. docs/BUNDLE.md says the same for people without
 * this program. All numbers are big-endian.
 *
 *     magic "RCBUNDL\n" (8 bytes), format version (u32): 1
 *     records: kind (u8), length of the payload (u32), payload, CRC-32 (u32) of all three
 *
 *     1 head     JSON: the vDisk, its versions, oldest first, and the boot files (bundle-head.ts)
 *     2 changes  what a version changes in its parent's manifest (change-list.ts): one or more for each
 *                version that is sent, in the order of the head
 *     3 file     bytes of the boot files, one file after the other, in the order of the head
 *     4 chunk    a chunk with its SHA-256 (chunk-record.ts)
 *     5 end      what there was, and the SHA-256 of everything before this record (end-record.ts)
 *
 * The kinds come in this order and nothing follows the end, so that a bundle cut off anywhere is no bundle.
 *
 * - The manifest of a version is given as its changes: chunk numbers with new hashes, and runs of chunks
 *   that became holes. A version without a parent changes the empty disk. So there is one encoding, 200
 *   versions of a large disk take what they differ in, and 1 TiB of holes takes nothing.
 * - A version that the receiver has already is named and not sent (`sent: false` in the head): its own
 *   manifest is what the changes of its children apply to.
 * - Chunks come in the order of their first use: by version as in the head, then by chunk number. Each comes
 *   once, and those that the receiver has are left out. So a receiver walks through the changes once, and
 *   at each place has the chunk itself, or finds it next in the stream, or has written it already.
 * - Boot files are carried, each once: one that was given by hand is not in the disk, and to look for the
 *   others again would give another kernel whenever the rules of the search change.
 *
 * A stream of chunks that were asked for (write-chunks.ts) has the magic "RCCHUNK\n" and the kinds 4 and 5.
 */
import { crc32 } from 'node:zlib';
import {
  BUNDLE_CHANGES_BYTES_MAX,
  BUNDLE_FILE_PIECE_BYTES_MAX,
  BUNDLE_HEAD_BYTES_MAX,
} from './limits.ts';

export const BUNDLE_MAGIC = 'RCBUNDL\n';
export const CHUNKS_MAGIC = 'RCCHUNK\n';
export type StreamMagic = typeof BUNDLE_MAGIC | typeof CHUNKS_MAGIC;

export const FORMAT_VERSION = 1;
export const PREAMBLE_BYTES = 12;

const RECORD_HEADER_BYTES = 5;
const CRC_BYTES = 4;

/** SHA-256, raw length, encoding; then at most the chunk itself. */
const CHUNK_PAYLOAD_MAX = 32 + 4 + 1 + 64 * 1024;
const END_PAYLOAD_BYTES = 56;

interface KindLimits {
  readonly kind: RecordKind;
  readonly least: number;
  readonly most: number;
}

export type RecordKind = 'head' | 'changes' | 'file' | 'chunk' | 'end';

const KINDS: ReadonlyMap<number, KindLimits> = new Map([
  [1, { kind: 'head', least: 2, most: BUNDLE_HEAD_BYTES_MAX }],
  [2, { kind: 'changes', least: 5, most: BUNDLE_CHANGES_BYTES_MAX }],
  [3, { kind: 'file', least: 1, most: BUNDLE_FILE_PIECE_BYTES_MAX }],
  [4, { kind: 'chunk', least: 38, most: CHUNK_PAYLOAD_MAX }],
  [5, { kind: 'end', least: END_PAYLOAD_BYTES, most: END_PAYLOAD_BYTES }],
]);

const CODES: Readonly<Record<RecordKind, number>> = {
  head: 1,
  changes: 2,
  file: 3,
  chunk: 4,
  end: 5,
};

/** All of `bytes`, counted from where the decoding began, are needed before it is worth trying again. */
export interface NeedMore {
  readonly kind: 'need-more';
  readonly bytes: number;
}

/** What a decoder found wrong. */
export interface Violation {
  readonly kind: 'violation';
  readonly field: string;
  readonly value: string | number;
  readonly expected: string;
  /** Sound, as far as one can tell, but not for this program. */
  readonly unsupported?: true;
}

export interface BundleRecord {
  readonly kind: RecordKind;
  /** Part of the source. */
  readonly payload: Buffer;
  /** Bytes of the whole record. */
  readonly size: number;
}

export function violation(field: string, value: string | number, expected: string): Violation {
  return { kind: 'violation', field, value, expected };
}

export function isViolation<T extends { readonly kind: string }>(
  decoded: T | Violation,
): decoded is Violation {
  return decoded.kind === 'violation';
}

export function encodePreamble(magic: StreamMagic): Buffer {
  const bytes = Buffer.alloc(PREAMBLE_BYTES);
  bytes.write(magic, 0, 'latin1');
  bytes.writeUInt32BE(FORMAT_VERSION, magic.length);
  return bytes;
}

/** How a stream begins. @param source from its first byte on */
export function decodePreamble(
  source: Buffer,
  magic: StreamMagic,
): NeedMore | Violation | { readonly kind: 'preamble' } {
  if (source.length < PREAMBLE_BYTES) return { kind: 'need-more', bytes: PREAMBLE_BYTES };
  const found = source.toString('latin1', 0, magic.length);
  if (found !== magic) {
    return violation('magic', JSON.stringify(found), JSON.stringify(magic));
  }
  const version = source.readUInt32BE(magic.length);
  if (version !== FORMAT_VERSION) {
    return { ...violation('format version', version, String(FORMAT_VERSION)), unsupported: true };
  }
  return { kind: 'preamble' };
}

/** @param parts of the payload, in order; within the limit of the kind */
export function encodeRecord(kind: RecordKind, parts: readonly Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const record = Buffer.allocUnsafe(RECORD_HEADER_BYTES + length + CRC_BYTES);
  record.writeUInt8(CODES[kind], 0);
  record.writeUInt32BE(length, 1);
  let at = RECORD_HEADER_BYTES;
  for (const part of parts) at += part.copy(record, at);
  record.writeUInt32BE(crc32(record.subarray(0, at)), at);
  return record;
}

/** The record at the start of `source`. A length that is too large is refused before anything is waited for. */
export function decodeRecord(source: Buffer): BundleRecord | NeedMore | Violation {
  if (source.length < RECORD_HEADER_BYTES) return { kind: 'need-more', bytes: RECORD_HEADER_BYTES };
  const code = source.readUInt8(0);
  const limits = KINDS.get(code);
  if (limits === undefined) return violation('record kind', code, '1 to 5');
  const length = source.readUInt32BE(1);
  if (length < limits.least || length > limits.most) {
    return violation(`length of ${limits.kind}`, length, `${limits.least} to ${limits.most} bytes`);
  }
  const end = RECORD_HEADER_BYTES + length;
  if (source.length < end + CRC_BYTES) return { kind: 'need-more', bytes: end + CRC_BYTES };
  const crc = source.readUInt32BE(end);
  const right = crc32(source.subarray(0, end));
  if (crc !== right) return violation(`checksum of ${limits.kind}`, crc, String(right));
  return {
    kind: limits.kind,
    payload: source.subarray(RECORD_HEADER_BYTES, end),
    size: end + CRC_BYTES,
  };
}
