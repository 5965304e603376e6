/**
 * The structures of a VHD image, written. Pure. Source: Microsoft "Virtual Hard Disk Image Format
 * Specification", version 1.0 (October 2006). All numbers are big-endian.
 */
export const VHD_SECTOR_BYTES = 512;
export const VHD_FOOTER_BYTES = 512;
export const VHD_HEADER_BYTES = 1024;

/** Kinds that have a block allocation table; values of the footer's "Disk Type". */
export const VHD_DISK_TYPE = { dynamic: 3, differencing: 4 } as const;

/**
 * "Creator Application": what Hyper-V writes. Virtual PC took a disk's size from its geometry, which cannot
 * express every size; QEMU (block/vpc.c) does the same unless it knows the creator as one that means
 * "Current Size", and versions before the list was turned round know only a few, this one among them: with
 * it QEMU's size is ours to the byte.
 */
const CREATOR = 'win ';
/** Windows 10, and the host system that Windows itself writes. */
const CREATOR_VERSION = 0x000a_0000;
const CREATOR_SYSTEM = 'Wi2k';

const FORMAT_VERSION = 0x0001_0000;
/** "Features": the one bit that is reserved and always set. */
const FEATURES = 2;
const FOOTER_CHECKSUM_AT = 64;
const HEADER_CHECKSUM_AT = 36;
const PARENT_NAME_AT = 64;
const LOCATORS_AT = 576;
const LOCATOR_BYTES = 24;

export interface VhdFooterFields {
  /** Of the disk, in bytes. */
  readonly size: number;
  readonly diskType: (typeof VHD_DISK_TYPE)[keyof typeof VHD_DISK_TYPE];
  /** Seconds since 2000. */
  readonly timestamp: number;
  readonly uniqueId: Buffer;
}

/** "Hard Disk Footer Format". The dynamic header follows its copy. */
export function vhdFooter(fields: VhdFooterFields): Buffer {
  const footer = Buffer.alloc(VHD_FOOTER_BYTES);
  footer.write('conectix', 0, 'latin1');
  footer.writeUInt32BE(FEATURES, 8);
  footer.writeUInt32BE(FORMAT_VERSION, 12);
  footer.writeBigUInt64BE(BigInt(VHD_FOOTER_BYTES), 16); // data offset
  footer.writeUInt32BE(fields.timestamp, 24);
  footer.write(CREATOR, 28, 'latin1');
  footer.writeUInt32BE(CREATOR_VERSION, 32);
  footer.write(CREATOR_SYSTEM, 36, 'latin1');
  footer.writeBigUInt64BE(BigInt(fields.size), 40); // original size
  footer.writeBigUInt64BE(BigInt(fields.size), 48); // current size
  const { cylinders, heads, sectors } = vhdGeometry(fields.size);
  footer.writeUInt16BE(cylinders, 56);
  footer.writeUInt8(heads, 58);
  footer.writeUInt8(sectors, 59);
  footer.writeUInt32BE(fields.diskType, 60);
  fields.uniqueId.copy(footer, 68);
  footer.writeUInt32BE(checksum(footer), FOOTER_CHECKSUM_AT);
  return footer;
}

export interface VhdGeometry {
  readonly cylinders: number;
  readonly heads: number;
  readonly sectors: number;
}

/** Appendix "CHS Calculation". @param size bytes */
export function vhdGeometry(size: number): VhdGeometry {
  const total = Math.min(Math.floor(size / VHD_SECTOR_BYTES), 65_535 * 16 * 255);
  let sectors = 17;
  let heads = 16;
  let tracks = Math.floor(total / sectors);
  if (total >= 65_535 * 16 * 63) {
    sectors = 255;
    tracks = Math.floor(total / sectors);
  } else {
    heads = Math.max(4, Math.floor((tracks + 1023) / 1024));
    if (tracks >= heads * 1024 || heads > 16) {
      sectors = 31;
      heads = 16;
      tracks = Math.floor(total / sectors);
    }
    if (tracks >= heads * 1024) {
      sectors = 63;
      heads = 16;
      tracks = Math.floor(total / sectors);
    }
  }
  return { cylinders: Math.floor(tracks / heads), heads, sectors };
}

export interface VhdParentFields {
  readonly uniqueId: Buffer;
  /** Seconds since 2000. */
  readonly timestamp: number;
  readonly name: string;
  readonly locators: readonly VhdLocator[];
}

/** "Parent Locator": where the parent may be, for one kind of system. */
export interface VhdLocator {
  /** `W2ru`: relative Windows path. `W2ku`: absolute Windows path. */
  readonly platform: 'W2ru' | 'W2ku';
  readonly path: string;
}

export interface VhdHeaderFields {
  readonly tableOffset: number;
  readonly tableEntries: number;
  readonly blockBytes: number;
  readonly parent: VhdParentFields | undefined;
  /** Where the data of the parent's first locator lies; that of the others follows. */
  readonly locatorOffset: number;
}

/** "Dynamic Disk Header Format". */
export function vhdHeader(fields: VhdHeaderFields): Buffer {
  const header = Buffer.alloc(VHD_HEADER_BYTES);
  header.write('cxsparse', 0, 'latin1');
  header.fill(0xff, 8, 16); // data offset: unused
  header.writeBigUInt64BE(BigInt(fields.tableOffset), 16);
  header.writeUInt32BE(FORMAT_VERSION, 24);
  header.writeUInt32BE(fields.tableEntries, 28);
  header.writeUInt32BE(fields.blockBytes, 32);
  if (fields.parent !== undefined) writeParent(header, fields.parent, fields.locatorOffset);
  header.writeUInt32BE(checksum(header), HEADER_CHECKSUM_AT);
  return header;
}

function writeParent(header: Buffer, parent: VhdParentFields, locatorOffset: number): void {
  parent.uniqueId.copy(header, 40);
  header.writeUInt32BE(parent.timestamp, 56);
  const name = Buffer.from(parent.name, 'utf16le').swap16();
  name.copy(header, PARENT_NAME_AT);
  let offset = locatorOffset;
  for (const [index, locator] of parent.locators.entries()) {
    const at = LOCATORS_AT + index * LOCATOR_BYTES;
    const data = locatorData(locator);
    header.write(locator.platform, at, 'latin1');
    header.writeUInt32BE(data.space.length / VHD_SECTOR_BYTES, at + 4); // in sectors
    header.writeUInt32BE(data.length, at + 8);
    header.writeBigUInt64BE(BigInt(offset), at + 16);
    offset += data.space.length;
  }
}

/** The locators' data, one after the other. */
export function vhdLocatorSpace(locators: readonly VhdLocator[]): Buffer {
  return Buffer.concat(locators.map((locator) => locatorData(locator).space));
}

/** Both platform codes: UTF-16, little-endian; padded to sectors. */
function locatorData(locator: VhdLocator): { readonly space: Buffer; readonly length: number } {
  const path = Buffer.from(locator.path, 'utf16le');
  const sectors = Math.ceil(path.length / VHD_SECTOR_BYTES);
  const space = Buffer.alloc(sectors * VHD_SECTOR_BYTES);
  path.copy(space);
  return { space, length: path.length };
}

/**
 * "Unique ID" of the image of a content: the first half of the content's id, marked as a UUID of
 * one's own making (RFC 9562, version 8). A child can name its parent before the parent was exported.
 */
export function vhdUniqueId(contentId: string): Buffer {
  const id = Buffer.from(contentId.slice(0, 32), 'hex');
  id.writeUInt8((id.readUInt8(6) & 0x0f) | 0x80, 6);
  id.writeUInt8((id.readUInt8(8) & 0x3f) | 0x80, 8);
  return id;
}

/** "One's complement of the sum of all the bytes"; the field of the checksum itself is still 0. */
function checksum(structure: Buffer): number {
  let sum = 0;
  for (const byte of structure) sum += byte;
  return ~sum >>> 0;
}
