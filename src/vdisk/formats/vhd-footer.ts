/**
 * The two structures of a VHD image. Source: Microsoft "Virtual Hard Disk Image Format
 * Specification", version 1.0 (October 2006): "Hard Disk Footer Format", "Dynamic Disk Header
 * Format". All numbers are big-endian.
 */
import { type ByteSource, readField } from './byte-source.ts';
import { invalidImage, unsupportedImage } from './image-fault.ts';
import {
  IMAGE_SIZE_MAX,
  VHD_BLOCK_BYTES_MAX,
  VHD_BLOCK_BYTES_MIN,
  VHD_TABLE_BYTES_MAX,
} from './limits.ts';

export const VHD_FOOTER_BYTES = 512;
export const VHD_HEADER_BYTES = 1024;
export const VHD_COOKIE = 'conectix';
export const VHD_SECTOR_BYTES = 512;

const HEADER_COOKIE = 'cxsparse';
/** Major 1, minor 0; a greater minor version is said to be compatible. */
const VERSION_MAJOR = 1;

const FOOTER = {
  cookie: 0,
  version: 12,
  dataOffset: 16,
  currentSize: 48,
  diskType: 60,
  checksum: 64,
  uniqueId: 68,
} as const;

const HEADER = {
  cookie: 0,
  tableOffset: 16,
  version: 24,
  tableEntries: 28,
  blockSize: 32,
  checksum: 36,
  parentId: 40,
  parentName: 64,
  locators: 576,
} as const;

const PARENT_NAME_BYTES = 512;
const LOCATORS = 8;
const LOCATOR_BYTES = 24;

export type VhdKind = 'fixed' | 'dynamic' | 'differencing';

/** Values of the footer's "Disk Type"; the others are reserved or deprecated. */
const KINDS: ReadonlyMap<number, VhdKind> = new Map([
  [2, 'fixed'],
  [3, 'dynamic'],
  [4, 'differencing'],
]);

export interface VhdFooter {
  readonly kind: VhdKind;
  /** "Current Size": the virtual size in bytes. */
  readonly size: number;
  /** Where the dynamic header is; no meaning for a fixed disk. */
  readonly dataOffset: bigint;
  /** Hex. */
  readonly uniqueId: string;
}

export interface VhdLocator {
  /** Four characters, e.g. `W2ru`. */
  readonly platform: string;
  readonly length: number;
  readonly offset: bigint;
}

export interface VhdHeader {
  readonly tableOffset: number;
  readonly tableEntries: number;
  readonly blockBytes: number;
  /** Hex; of the parent's footer. */
  readonly parentId: string;
  readonly parentName: string;
  readonly locators: readonly VhdLocator[];
}

/** "One's complement of the sum of all the bytes … without the checksum field." */
export function vhdChecksum(structure: Buffer, checksumAt: number): number {
  let sum = 0;
  for (const [at, byte] of structure.entries()) {
    if (at < checksumAt || at >= checksumAt + 4) sum += byte;
  }
  return ~sum >>> 0;
}

/** Whether the bytes are a whole footer: cookie and checksum. */
export function isVhdFooter(footer: Buffer): boolean {
  return (
    footer.length === VHD_FOOTER_BYTES &&
    footer.toString('latin1', FOOTER.cookie, FOOTER.cookie + 8) === VHD_COOKIE &&
    footer.readUInt32BE(FOOTER.checksum) === vhdChecksum(footer, FOOTER.checksum)
  );
}

/**
 * The footer at the end of the file; if that is damaged, the copy that dynamic and differencing disks
 * keep at the start.
 */
export async function readVhdFooter(source: ByteSource): Promise<VhdFooter> {
  const footer = Buffer.alloc(VHD_FOOTER_BYTES);
  const copy = Buffer.alloc(VHD_FOOTER_BYTES);
  await readField(source, copy, 0, 'footer copy');
  await readField(source, footer, Math.max(0, source.size - VHD_FOOTER_BYTES), 'footer');
  if (isVhdFooter(footer)) return parseVhdFooter(source.name, footer);
  if (isVhdFooter(copy)) {
    const parsed = parseVhdFooter(source.name, copy);
    if (parsed.kind !== 'fixed') return parsed;
  }
  const cookie = footer.toString('latin1', 0, 8) === VHD_COOKIE;
  const given = cookie ? `0x${footer.readUInt32BE(FOOTER.checksum).toString(16)}` : 'not there';
  const expected = `0x${vhdChecksum(footer, FOOTER.checksum).toString(16)}`;
  throw cookie
    ? invalidImage(source.name, 'footer checksum', given, expected)
    : invalidImage(source.name, 'footer', given, `"${VHD_COOKIE}" 512 bytes before the end`);
}

/** Of the sector bitmap in front of each block: a bit for each sector, padded to a whole sector. */
export function vhdBitmapBytes(blockBytes: number): number {
  const bits = blockBytes / VHD_SECTOR_BYTES;
  return Math.ceil(bits / 8 / VHD_SECTOR_BYTES) * VHD_SECTOR_BYTES;
}

/**
 * @param name of the image, for messages
 * @param footer whole and right: isVhdFooter
 * @throws Fault IMAGE_UNSUPPORTED
 */
export function parseVhdFooter(name: string, footer: Buffer): VhdFooter {
  checkVersion(name, 'footer version', footer.readUInt32BE(FOOTER.version));
  const type = footer.readUInt32BE(FOOTER.diskType);
  const kind = KINDS.get(type);
  if (kind === undefined) {
    const detail = 'we know 2 (fixed), 3 (dynamic) and 4 (differencing)';
    throw unsupportedImage(name, 'disk type', type, detail);
  }
  const size = footer.readBigUInt64BE(FOOTER.currentSize);
  if (size > BigInt(IMAGE_SIZE_MAX)) {
    const detail = `the largest disk is ${IMAGE_SIZE_MAX} bytes (IMAGE_SIZE_MAX)`;
    throw unsupportedImage(name, 'current size', size, detail);
  }
  return {
    kind,
    size: Number(size),
    dataOffset: footer.readBigUInt64BE(FOOTER.dataOffset),
    uniqueId: footer.toString('hex', FOOTER.uniqueId, FOOTER.uniqueId + 16),
  };
}

function checkVersion(name: string, field: string, version: number): void {
  if (version >>> 16 !== VERSION_MAJOR) {
    const detail = 'we know version 1.x (0x0001xxxx)';
    throw unsupportedImage(name, field, `0x${version.toString(16)}`, detail);
  }
}

export async function readVhdHeader(source: ByteSource, footer: VhdFooter): Promise<VhdHeader> {
  const header = Buffer.alloc(VHD_HEADER_BYTES);
  if (footer.dataOffset > BigInt(source.size)) {
    const expected = `inside of the file, which has ${source.size} bytes`;
    throw invalidImage(source.name, 'data offset', footer.dataOffset, expected);
  }
  await readField(source, header, Number(footer.dataOffset), 'dynamic header');
  return parseVhdHeader(source.name, header, footer.size, source.size);
}

/**
 * @param name of the image, for messages
 * @param size of the disk
 * @param fileBytes what the file has; infinite while nobody knows
 * @throws Fault IMAGE_INVALID, IMAGE_UNSUPPORTED
 */
export function parseVhdHeader(
  name: string,
  header: Buffer,
  size: number,
  fileBytes: number,
): VhdHeader {
  const cookie = header.toString('latin1', HEADER.cookie, HEADER.cookie + 8);
  if (cookie !== HEADER_COOKIE) {
    throw invalidImage(name, 'dynamic header cookie', cookie, HEADER_COOKIE);
  }
  const checksum = header.readUInt32BE(HEADER.checksum);
  const right = vhdChecksum(header, HEADER.checksum);
  if (checksum !== right) {
    const given = `0x${checksum.toString(16)}`;
    throw invalidImage(name, 'dynamic header checksum', given, `0x${right.toString(16)}`);
  }
  checkVersion(name, 'dynamic header version', header.readUInt32BE(HEADER.version));
  const blockBytes = header.readUInt32BE(HEADER.blockSize);
  const powerOfTwo = (blockBytes & (blockBytes - 1)) === 0;
  if (!powerOfTwo || blockBytes < VHD_BLOCK_BYTES_MIN || blockBytes > VHD_BLOCK_BYTES_MAX) {
    const expected = `a power of two, ${VHD_BLOCK_BYTES_MIN} to ${VHD_BLOCK_BYTES_MAX}`;
    throw invalidImage(name, 'block size', blockBytes, expected);
  }
  return {
    ...table(name, header, { size, blockBytes, fileBytes }),
    blockBytes,
    parentId: header.toString('hex', HEADER.parentId, HEADER.parentId + 16),
    parentName: utf16be(header.subarray(HEADER.parentName, HEADER.parentName + PARENT_NAME_BYTES)),
    locators: locators(header),
  };
}

function table(
  name: string,
  header: Buffer,
  disk: { readonly size: number; readonly blockBytes: number; readonly fileBytes: number },
): { tableOffset: number; tableEntries: number } {
  const { size, blockBytes, fileBytes } = disk;
  const given = header.readUInt32BE(HEADER.tableEntries);
  const needed = Math.ceil(size / blockBytes);
  if (given < needed) {
    const expected = `${needed} or more for ${size} bytes in blocks of ${blockBytes}`;
    throw invalidImage(name, 'max table entries', given, expected);
  }
  if (needed * 4 > VHD_TABLE_BYTES_MAX) {
    const detail = `at most ${VHD_TABLE_BYTES_MAX / 4} blocks (VHD_TABLE_BYTES_MAX)`;
    throw unsupportedImage(name, 'max table entries', needed, detail);
  }
  const offset = header.readBigUInt64BE(HEADER.tableOffset);
  // As a number it is exact as far as any file goes.
  if (Number(offset) + needed * 4 > Math.min(fileBytes, Number.MAX_SAFE_INTEGER)) {
    const expected = `${needed * 4} bytes before the end of the file (${fileBytes})`;
    throw invalidImage(name, 'table offset', offset, expected);
  }
  return { tableOffset: Number(offset), tableEntries: needed };
}

function locators(header: Buffer): VhdLocator[] {
  const found: VhdLocator[] = [];
  for (let index = 0; index < LOCATORS; index += 1) {
    const at = HEADER.locators + index * LOCATOR_BYTES;
    const platform = header.toString('latin1', at, at + 4);
    if (platform === '\0\0\0\0') continue;
    found.push({
      platform,
      length: header.readUInt32BE(at + 8),
      offset: header.readBigUInt64BE(at + 16),
    });
  }
  return found;
}

/** Node decodes little-endian UTF-16 only. */
function utf16be(bytes: Buffer): string {
  const text = Buffer.from(bytes).swap16().toString('utf16le');
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}
