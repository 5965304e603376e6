/**
 * The map file of a difference, all numbers big-endian:
 *
 *      0  magic "RCLAYER\n"          32  bytes of the packed bits (u64)
 *      8  version (u32): 1           40  CRC-32 of the packed bits (u32)
 *     12  block size (u32): 4096     44  zero
 *     16  unit size (u32): 65536     60  CRC-32 of bytes 0…59 (u32)
 *     20  zero                       64  packed bits
 *     24  disk size (u64)
 *
 * Packed bits are one zstd frame (RFC 8878) of the owned bits and then the zeroed bits, each as in the map
 * of an overlay (overlay/map-layout.ts): lowest bit of the first byte first, whole bytes, bits beyond the
 * disk's end clear. The frame has a checksum of its own.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { crc32, constants as zstd, zstdCompress, zstdDecompress } from 'node:zlib';
import { Fault } from '../../errors/index.ts';
import type { ChainDifference } from '../chain/index.ts';
import { BLOCK_BYTES, MAXIMUM_OVERLAY_BYTES, UNIT_BYTES } from '../overlay/index.ts';
import { CHECKSUM_PIECE_BYTES, LAYER_MAP_HEADER_BYTES, LAYER_MAP_SLACK_BYTES } from './limits.ts';

const pack = promisify(zstdCompress);
const unpack = promisify(zstdDecompress);

const MAGIC = 'RCLAYER\n';
const VERSION = 1;

const FIELD = {
  magic: 0,
  version: 8,
  blockBytes: 12,
  unitBytes: 16,
  size: 24,
  packedBytes: 32,
  packedCrc: 40,
  headerCrc: 60,
} as const;

interface Header {
  readonly size: number;
  readonly packedBytes: number;
  readonly packedCrc: number;
}

/**
 * Writes a map; durable when it settles.
 * @param path must not exist yet
 * @throws RangeError for a size that an overlay cannot have or bits that are too few
 */
export async function writeLayerMap(path: string, map: ChainDifference): Promise<void> {
  const packed = await pack(plainBits(map), { params: { [zstd.ZSTD_c_checksumFlag]: 1 } });
  const header = encodeHeader({
    size: map.size,
    packedBytes: packed.length,
    packedCrc: await checksum(packed),
  });
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(Buffer.concat([header, packed]));
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** @throws Fault NOT_FOUND, IMAGE_INVALID, IMAGE_UNSUPPORTED (a version that we do not know) */
export async function readLayerMap(path: string): Promise<ChainDifference> {
  const handle = await openMap(path);
  try {
    const head = await readPart(path, handle, LAYER_MAP_HEADER_BYTES, 0);
    const header = decodeHeader(path, head);
    const { size: fileBytes } = await handle.stat();
    const expected = LAYER_MAP_HEADER_BYTES + header.packedBytes;
    if (fileBytes !== expected) throw damaged(path, 'file size', fileBytes, String(expected));
    const packed = await readPart(path, handle, header.packedBytes, LAYER_MAP_HEADER_BYTES);
    const crc = await checksum(packed);
    if (crc !== header.packedCrc) throw damaged(path, 'checksum', crc, String(header.packedCrc));
    return await unpackBits(path, packed, header.size);
  } finally {
    await handle.close();
  }
}

/** Bytes of either bitmap, for a disk of one size. */
function bitmapLengths(size: number): { readonly owned: number; readonly zeroed: number } {
  return {
    owned: Math.ceil(Math.ceil(size / BLOCK_BYTES) / 8),
    zeroed: Math.ceil(Math.ceil(size / UNIT_BYTES) / 8),
  };
}

const isPossible = (size: number): boolean => size >= 1 && size <= MAXIMUM_OVERLAY_BYTES;

/** Both bitmaps, with nothing beyond the disk's end. */
function plainBits({ size, owned, zeroed }: ChainDifference): Buffer {
  if (!Number.isSafeInteger(size) || !isPossible(size)) {
    throw new RangeError(`a layer's map of ${size} bytes: 1 to ${MAXIMUM_OVERLAY_BYTES}`);
  }
  const lengths = bitmapLengths(size);
  if (owned.length < lengths.owned || zeroed.length < lengths.zeroed) {
    throw new RangeError(`a layer's map with ${owned.length} and ${zeroed.length} bytes of bits`);
  }
  const bits = Buffer.alloc(lengths.owned + lengths.zeroed);
  bits.set(owned.subarray(0, lengths.owned));
  bits.set(zeroed.subarray(0, lengths.zeroed), lengths.owned);
  for (const [last, beyond] of lastBytes(size)) bits[last] = (bits[last] ?? 0) & ~beyond;
  return bits;
}

/** Where the last byte of either bitmap is, and which of its bits lie beyond the disk's end. */
function lastBytes(size: number): readonly (readonly [at: number, beyond: number])[] {
  const { owned, zeroed } = bitmapLengths(size);
  const beyond = (bits: number): number => (bits % 8 === 0 ? 0 : 0xff & ~(2 ** (bits % 8) - 1));
  return [
    [owned - 1, beyond(Math.ceil(size / BLOCK_BYTES))],
    [owned + zeroed - 1, beyond(Math.ceil(size / UNIT_BYTES))],
  ];
}

async function unpackBits(path: string, packed: Buffer, size: number): Promise<ChainDifference> {
  const { owned, zeroed } = bitmapLengths(size);
  let bits: Buffer;
  try {
    bits = await unpack(packed, { maxOutputLength: owned + zeroed });
  } catch (error) {
    throw damaged(path, 'packed bits', (error as Error).message, 'a zstd frame');
  }
  if (bits.length !== owned + zeroed) {
    throw damaged(path, 'bits', bits.length, `${owned + zeroed} bytes`);
  }
  for (const [last, beyond] of lastBytes(size)) {
    if (((bits[last] ?? 0) & beyond) === 0) continue;
    throw damaged(path, 'bits', `set beyond the disk's end`, 'none there');
  }
  return { size, owned: bits.subarray(0, owned), zeroed: bits.subarray(owned) };
}

function encodeHeader(header: Header): Buffer {
  const bytes = Buffer.alloc(LAYER_MAP_HEADER_BYTES);
  bytes.write(MAGIC, FIELD.magic, 'latin1');
  bytes.writeUInt32BE(VERSION, FIELD.version);
  bytes.writeUInt32BE(BLOCK_BYTES, FIELD.blockBytes);
  bytes.writeUInt32BE(UNIT_BYTES, FIELD.unitBytes);
  bytes.writeBigUInt64BE(BigInt(header.size), FIELD.size);
  bytes.writeBigUInt64BE(BigInt(header.packedBytes), FIELD.packedBytes);
  bytes.writeUInt32BE(header.packedCrc, FIELD.packedCrc);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, FIELD.headerCrc)), FIELD.headerCrc);
  return bytes;
}

function decodeHeader(path: string, bytes: Buffer): Header {
  const magic = bytes.toString('latin1', FIELD.magic, FIELD.magic + MAGIC.length);
  if (magic !== MAGIC) throw damaged(path, 'magic', magic, JSON.stringify(MAGIC));
  const crc = bytes.readUInt32BE(FIELD.headerCrc);
  const right = crc32(bytes.subarray(0, FIELD.headerCrc));
  if (crc !== right) throw damaged(path, 'header checksum', crc, String(right));
  const version = bytes.readUInt32BE(FIELD.version);
  const units = [bytes.readUInt32BE(FIELD.blockBytes), bytes.readUInt32BE(FIELD.unitBytes)];
  if (version !== VERSION || units[0] !== BLOCK_BYTES || units[1] !== UNIT_BYTES) {
    throw new Fault(
      'IMAGE_UNSUPPORTED',
      `${path}: layer map version ${version} in blocks and units of ${units.join(' and ')} bytes`,
      {
        field: 'version',
        value: version,
        expected: `${VERSION} with ${BLOCK_BYTES} and ${UNIT_BYTES}`,
      },
    );
  }
  const size = Number(bytes.readBigUInt64BE(FIELD.size));
  if (!isPossible(size)) throw damaged(path, 'size', size, `1 to ${MAXIMUM_OVERLAY_BYTES}`);
  const { owned, zeroed } = bitmapLengths(size);
  const packedBytes = Number(bytes.readBigUInt64BE(FIELD.packedBytes));
  const most = owned + zeroed + LAYER_MAP_SLACK_BYTES;
  if (packedBytes > most) throw damaged(path, 'packed bits', packedBytes, `at most ${most} bytes`);
  return { size, packedBytes, packedCrc: bytes.readUInt32BE(FIELD.packedCrc) };
}

/** CRC-32, in pieces: the map of a disk of 4 TiB has 136 MiB. */
async function checksum(bytes: Buffer): Promise<number> {
  let crc = 0;
  for (let at = 0; at < bytes.length; at += CHECKSUM_PIECE_BYTES) {
    if (at > 0) await setImmediate();
    crc = crc32(bytes.subarray(at, at + CHECKSUM_PIECE_BYTES), crc);
  }
  return crc;
}

async function openMap(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY);
  } catch (error) {
    throw new Fault(
      'NOT_FOUND',
      `${path}: the layer's map cannot be opened: ${(error as Error).message}`,
      { field: 'map', value: path },
      { cause: error },
    );
  }
}

async function readPart(
  path: string,
  handle: FileHandle,
  length: number,
  position: number,
): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) {
      throw damaged(path, 'length', position + done, `${position + length} bytes or more`);
    }
    done += bytesRead;
  }
  return bytes;
}

function damaged(path: string, field: string, value: number | string, expected: string): Fault {
  const message = `${path}: the layer's map is damaged: ${field} is ${value}; expected ${expected}`;
  return new Fault('IMAGE_INVALID', message, { field, value, expected });
}
