/**
 * The map volume of an overlay.
 *
 *     0              header: what this is and how large; written once
 *     4096           boot record: the boot of the host in which the live map was written
 *     4608           summary: which pages of the maps were touched in that boot (touched-summary.ts)
 *     8192           live map: owned bits, then zeroed bits, each filled up to whole pages
 *     8192 + maps    durable map: the same, as of the last flush
 *
 * owned: one bit for each 4 KiB block, set = the data volume has it.
 * zeroed: one bit for each 64 KiB unit, set = its blocks that are not owned read as zeroes.
 * summary: one bit for each group of map pages, clear = they hold nothing but zeroes in both maps.
 * Lowest bit of the first byte first; numbers little-endian.
 */
import { crc32 } from 'node:zlib';
import { BlockError } from '../../errors/index.ts';
import {
  BLOCK_BYTES,
  BOOT_ID_BYTES,
  MAP_PAGE_BYTES,
  MAXIMUM_OVERLAY_BYTES,
  SUMMARY_BYTES,
  UNIT_BYTES,
} from './limits.ts';

const MAGIC = Buffer.from('RCASTMAP', 'latin1');
const VERSION = 1;

export const HEADER_OFFSET = 0;
export const HEADER_BYTES = 512;
export const BOOT_RECORD_OFFSET = MAP_PAGE_BYTES;
export const BOOT_RECORD_BYTES = 512;
export const SUMMARY_OFFSET = BOOT_RECORD_OFFSET + BOOT_RECORD_BYTES;

/**
 * In the boot record, beside the length of the boot's name: whoever writes to the live map keeps the
 * summary. A program that knows of no summary takes such a record for damaged and goes back to the
 * durable map, rather than change pages behind the summary's back.
 */
const SUMMARY_KEPT = 0x8000;

/** Where everything lies, for a disk of one size. All bytes, unless the name says otherwise. */
export interface MapGeometry {
  readonly blocks: number;
  readonly units: number;
  readonly ownedPages: number;
  readonly zeroedPages: number;
  /** Both bitmaps, whole pages. */
  readonly mapBytes: number;
  /** Neighbouring map pages that share a bit of the summary: the fewest for which it has room. */
  readonly groupPages: number;
  readonly groups: number;
  readonly liveOffset: number;
  readonly durableOffset: number;
  /** Of the map volume. */
  readonly totalBytes: number;
}

/** @throws RangeError for a size that an overlay cannot have. */
export function mapGeometry(size: number): MapGeometry {
  if (!Number.isSafeInteger(size) || size < 1 || size > MAXIMUM_OVERLAY_BYTES) {
    throw new RangeError(`an overlay cannot have ${size} bytes: 1 to ${MAXIMUM_OVERLAY_BYTES}`);
  }
  const blocks = Math.ceil(size / BLOCK_BYTES);
  const units = Math.ceil(size / UNIT_BYTES);
  const ownedPages = Math.ceil(blocks / 8 / MAP_PAGE_BYTES);
  const zeroedPages = Math.ceil(units / 8 / MAP_PAGE_BYTES);
  const pages = ownedPages + zeroedPages;
  const mapBytes = pages * MAP_PAGE_BYTES;
  let groupPages = 1;
  while (Math.ceil(pages / groupPages) > SUMMARY_BYTES * 8) groupPages *= 2;
  const liveOffset = 2 * MAP_PAGE_BYTES;
  return {
    blocks,
    units,
    ownedPages,
    zeroedPages,
    mapBytes,
    groupPages,
    groups: Math.ceil(pages / groupPages),
    liveOffset,
    durableOffset: liveOffset + mapBytes,
    totalBytes: liveOffset + 2 * mapBytes,
  };
}

/** Bytes of the map volume of an overlay of `size` bytes. */
export function overlayMapBytes(size: number): number {
  return mapGeometry(size).totalBytes;
}

export function encodeHeader(size: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(bytes, 0);
  bytes.writeUInt32LE(VERSION, 8);
  bytes.writeUInt32LE(BLOCK_BYTES, 12);
  bytes.writeUInt32LE(UNIT_BYTES, 16);
  bytes.writeBigUInt64LE(BigInt(size), 24);
  return sealed(bytes);
}

/** @throws BlockError EINVAL: no map, another version or another size; EIO: damaged. */
export function checkHeader(bytes: Buffer, size: number): void {
  const mapped = mappedSize(bytes);
  if (mapped !== size) {
    throw refusal('EINVAL', `overlay map of a disk of ${mapped} bytes, not ${size}`);
  }
}

/**
 * Bytes of the disk that a map is of.
 * @throws BlockError EINVAL: no map, or of another version; EIO: damaged.
 */
export function mappedSize(bytes: Buffer): number {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw refusal('EINVAL', 'not an overlay map');
  if (!isIntact(bytes)) throw refusal('EIO', 'the header of the overlay map is damaged');
  const version = bytes.readUInt32LE(8);
  if (version !== VERSION) {
    throw refusal('EINVAL', `overlay map of version ${version}, this program reads ${VERSION}`);
  }
  const [block, unit] = [bytes.readUInt32LE(12), bytes.readUInt32LE(16)];
  if (block !== BLOCK_BYTES || unit !== UNIT_BYTES) {
    throw refusal('EINVAL', `overlay map in blocks of ${block} and units of ${unit} bytes`);
  }
  return Number(bytes.readBigUInt64LE(24));
}

export interface BootRecord {
  readonly bootId: string;
  /** False: written by a program that knew of no summary. */
  readonly summaryKept: boolean;
}

/** @throws RangeError when the name of the boot is empty or too long. */
export function encodeBootRecord(bootId: string): Buffer {
  const name = Buffer.from(bootId, 'utf8');
  if (name.length < 1 || name.length > BOOT_ID_BYTES) {
    throw new RangeError(`a boot id of ${name.length} bytes: 1 to ${BOOT_ID_BYTES}`);
  }
  const bytes = Buffer.alloc(BOOT_RECORD_BYTES);
  bytes.writeUInt32LE(name.length | SUMMARY_KEPT, 0);
  name.copy(bytes, 4);
  return sealed(bytes);
}

/** The recorded boot; undefined when the record is damaged: then the live map is not trusted. */
export function decodeBootRecord(bytes: Buffer): BootRecord | undefined {
  const word = bytes.readUInt32LE(0);
  const summaryKept = (word & SUMMARY_KEPT) !== 0;
  const length = summaryKept ? word - SUMMARY_KEPT : word;
  if (!isIntact(bytes) || length < 1 || length > BOOT_ID_BYTES) return undefined;
  return { bootId: bytes.toString('utf8', 4, 4 + length), summaryKept };
}

/** Writes the checksum of everything before them into the last four bytes. */
function sealed(bytes: Buffer): Buffer {
  const end = bytes.length - 4;
  bytes.writeUInt32LE(crc32(bytes.subarray(0, end)), end);
  return bytes;
}

function isIntact(bytes: Buffer): boolean {
  const end = bytes.length - 4;
  return bytes.readUInt32LE(end) === crc32(bytes.subarray(0, end));
}

function refusal(errno: 'EINVAL' | 'EIO', detail: string): BlockError {
  return new BlockError(errno, 'open', 0, 0, detail);
}
