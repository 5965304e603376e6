/**
 * The manifest file of a layer, all numbers big-endian:
 *
 *     0  magic "RCMANIF\n"          32  content id (SHA-256, 32 bytes)
 *     8  version (u32): 1           64  CRC-32 of the bitmap (u32)
 *    12  chunk size (u32): 65536    68  zero
 *    16  disk size (u64)           124  CRC-32 of bytes 0…123 (u32)
 *    24  present chunks (u64)      128  bitmap, then zeroes up to a multiple of 32
 *                                  then the SHA-256 of every present chunk, in order
 *
 * The bitmap has a checksum of its own, so that whoever needs only that reads only that. A chunk that
 * is not present reads as zeroes; a chunk of zeroes is never present, hence one manifest per content.
 */
import { crc32 } from 'node:zlib';
import { Fault } from '../../errors/index.ts';
import { bitmapBytes, CHUNK_BYTES, chunkCount } from './chunk-layout.ts';
import { MANIFEST_DISK_BYTES_MAX } from './limits.ts';

export const MANIFEST_HEADER_BYTES = 128;
export const HASH_BYTES = 32;

const MAGIC = 'RCMANIF\n';
const VERSION = 1;

const FIELD = {
  magic: 0,
  version: 8,
  chunkBytes: 12,
  size: 16,
  present: 24,
  contentId: 32,
  bitmapCrc: 64,
  headerCrc: 124,
} as const;

export interface ManifestHeader {
  /** Size of the disk in bytes. */
  readonly size: number;
  readonly presentChunks: number;
  /** Hex SHA-256. */
  readonly contentId: string;
  readonly bitmapCrc: number;
}

/** Where the hashes start. */
export function hashesOffset(size: number): number {
  return MANIFEST_HEADER_BYTES + Math.ceil(bitmapBytes(size) / HASH_BYTES) * HASH_BYTES;
}

export function encodeManifestHeader(header: ManifestHeader): Buffer {
  const bytes = Buffer.alloc(MANIFEST_HEADER_BYTES);
  bytes.write(MAGIC, FIELD.magic, 'latin1');
  bytes.writeUInt32BE(VERSION, FIELD.version);
  bytes.writeUInt32BE(CHUNK_BYTES, FIELD.chunkBytes);
  bytes.writeBigUInt64BE(BigInt(header.size), FIELD.size);
  bytes.writeBigUInt64BE(BigInt(header.presentChunks), FIELD.present);
  bytes.write(header.contentId, FIELD.contentId, 'hex');
  bytes.writeUInt32BE(header.bitmapCrc, FIELD.bitmapCrc);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, FIELD.headerCrc)), FIELD.headerCrc);
  return bytes;
}

/** @throws Fault IMAGE_INVALID, IMAGE_UNSUPPORTED (a version that we do not know) */
export function decodeManifestHeader(path: string, bytes: Buffer): ManifestHeader {
  if (bytes.length < MANIFEST_HEADER_BYTES) {
    throw damaged(path, 'length', bytes.length, `${MANIFEST_HEADER_BYTES} bytes or more`);
  }
  const magic = bytes.toString('latin1', FIELD.magic, FIELD.magic + MAGIC.length);
  if (magic !== MAGIC) throw damaged(path, 'magic', magic, JSON.stringify(MAGIC));
  const crc = bytes.readUInt32BE(FIELD.headerCrc);
  const right = crc32(bytes.subarray(0, FIELD.headerCrc));
  if (crc !== right) throw damaged(path, 'header checksum', crc, String(right));
  const version = bytes.readUInt32BE(FIELD.version);
  const chunkBytes = bytes.readUInt32BE(FIELD.chunkBytes);
  if (version !== VERSION || chunkBytes !== CHUNK_BYTES) {
    throw new Fault(
      'IMAGE_UNSUPPORTED',
      `${path}: manifest version ${version} with chunks of ${chunkBytes} bytes`,
      { field: 'version', value: version, expected: `${VERSION} with chunks of ${CHUNK_BYTES}` },
    );
  }
  const size = bytes.readBigUInt64BE(FIELD.size);
  if (size > BigInt(MANIFEST_DISK_BYTES_MAX)) {
    throw damaged(path, 'size', String(size), `at most ${MANIFEST_DISK_BYTES_MAX}`);
  }
  const present = bytes.readBigUInt64BE(FIELD.present);
  if (present > BigInt(chunkCount(Number(size)))) {
    const expected = `at most ${chunkCount(Number(size))}, the chunks of ${size} bytes`;
    throw damaged(path, 'present chunks', String(present), expected);
  }
  return {
    size: Number(size),
    presentChunks: Number(present),
    contentId: bytes.toString('hex', FIELD.contentId, FIELD.contentId + HASH_BYTES),
    bitmapCrc: bytes.readUInt32BE(FIELD.bitmapCrc),
  };
}

export function damaged(
  path: string,
  field: string,
  value: number | string,
  expected: string,
): Fault {
  const message = `${path}: the manifest is damaged: ${field} is ${value}; expected ${expected}`;
  return new Fault('IMAGE_INVALID', message, { field, value, expected });
}
