/**
 * A dynamic or differencing VHD that is written from front to back. Pure.
 *
 *   footer copy · dynamic header · block allocation table · parent locators │ bitmap, block · … │ footer
 *
 * The first part is the head: all of it but the table is known at once.
 */
import { vhdTimestamp } from './export-request.ts';
import { EXPORT_WINDOW_BYTES } from './limits.ts';
import {
  VHD_DISK_TYPE,
  VHD_FOOTER_BYTES,
  VHD_HEADER_BYTES,
  VHD_SECTOR_BYTES,
  type VhdLocator,
  type VhdParentFields,
  vhdFooter,
  vhdHeader,
  vhdLocatorSpace,
  vhdUniqueId,
} from './vhd-structures.ts';

/** "Block Size": the specification's default. One window of the disk. */
export const VHD_BLOCK_BYTES = EXPORT_WINDOW_BYTES;

/** A bit for every sector of a block. */
export const VHD_BITMAP_BYTES = VHD_BLOCK_BYTES / VHD_SECTOR_BYTES / 8;

const TABLE_OFFSET = VHD_FOOTER_BYTES + VHD_HEADER_BYTES;
const ENTRY_BYTES = 4;
/** "0xFFFFFFFF": the block is not in the file. */
const UNUSED = 0xff;

/** What a child says of the image that it stands on. */
export interface VhdParentIdentity {
  readonly source: { readonly contentId: string };
  readonly fileName: string;
  readonly windowsPath?: string | undefined;
  readonly timestamp?: Date | undefined;
}

export interface VhdIdentity {
  /** Bytes of the disk. */
  readonly size: number;
  /** 32 digits of hex at least, of which the image's own id is made. */
  readonly contentId: string;
  readonly timestamp: Date | undefined;
  readonly parent: VhdParentIdentity | undefined;
}

export class VhdLayout {
  readonly headBytes: number;
  readonly #footer: Buffer;
  readonly #header: Buffer;
  readonly #table: Buffer;
  readonly #locators: Buffer;
  #position: number;

  constructor(identity: VhdIdentity) {
    const { size, contentId, timestamp } = identity;
    const parent = parentFields(identity.parent);
    this.#footer = vhdFooter({
      size,
      diskType: parent === undefined ? VHD_DISK_TYPE.dynamic : VHD_DISK_TYPE.differencing,
      timestamp: vhdTimestamp('timestamp', timestamp),
      uniqueId: vhdUniqueId(contentId),
    });
    const tableEntries = Math.ceil(size / VHD_BLOCK_BYTES);
    const sectors = Math.ceil((tableEntries * ENTRY_BYTES) / VHD_SECTOR_BYTES);
    this.#table = Buffer.alloc(sectors * VHD_SECTOR_BYTES, UNUSED);
    this.#locators = vhdLocatorSpace(parent?.locators ?? []);
    this.#header = vhdHeader({
      tableOffset: TABLE_OFFSET,
      tableEntries,
      blockBytes: VHD_BLOCK_BYTES,
      parent,
      locatorOffset: TABLE_OFFSET + this.#table.length,
    });
    this.headBytes = TABLE_OFFSET + this.#table.length + this.#locators.length;
    this.#position = this.headBytes;
  }

  /** Bytes of the file, the footer included. */
  get length(): number {
    return this.#position + VHD_FOOTER_BYTES;
  }

  /** The file goes on with this block: its bitmap, then its bytes. @param offset on the disk */
  place(offset: number): void {
    const sector = this.#position / VHD_SECTOR_BYTES;
    this.#table.writeUInt32BE(sector, (offset / VHD_BLOCK_BYTES) * ENTRY_BYTES);
    this.#position += VHD_BITMAP_BYTES + VHD_BLOCK_BYTES;
  }

  /** What the file ends with. */
  footer(): Buffer {
    return this.#footer;
  }

  /** The first `headBytes` of the file; changes with every block that is placed. */
  head(): Buffer {
    return Buffer.concat([this.#footer, this.#header, this.#table, this.#locators]);
  }
}

function parentFields(parent: VhdParentIdentity | undefined): VhdParentFields | undefined {
  if (parent === undefined) return undefined;
  const { fileName, windowsPath } = parent;
  const locators: VhdLocator[] = [{ platform: 'W2ru', path: `.\\${fileName}` }];
  if (windowsPath !== undefined) locators.push({ platform: 'W2ku', path: windowsPath });
  return {
    uniqueId: vhdUniqueId(parent.source.contentId),
    timestamp: vhdTimestamp('parent.timestamp', parent.timestamp),
    name: fileName,
    locators,
  };
}
