/** What SCSI commands answer, and the one parameter list that we send (SBC-3, SPC-4). undefined: too short to mean anything. */
import { LBA_STATUS_DESCRIPTORS, REPORTED_LUNS } from './limits.ts';
import type { Lun } from './lun.ts';

const TWO_32 = 2 ** 32;

export interface Capacity {
  /** Logical blocks. */
  readonly blocks: number;
  /** Bytes of one. */
  readonly blockSize: number;
  /** Logical blocks of a physical one. */
  readonly blocksPerPhysical: number;
  /** LBPME: thin. */
  readonly thin: boolean;
  /** LBPRZ: unmapped blocks read as zeroes. */
  readonly readsZeroes: boolean;
}

/** `overflow`: more than 32 bits can say, ask READ CAPACITY(16). */
export function decodeCapacity10(data: Buffer): Capacity | 'overflow' | undefined {
  if (data.length < 8) return undefined;
  const last = data.readUInt32BE(0);
  if (last === 0xffffffff) return 'overflow';
  const blockSize = data.readUInt32BE(4);
  return { blocks: last + 1, blockSize, blocksPerPhysical: 1, thin: false, readsZeroes: false };
}

/** undefined also for a size that is no safe integer of bytes. */
export function decodeCapacity16(data: Buffer): Capacity | undefined {
  if (data.length < 12) return undefined;
  const blocks = data.readUInt32BE(0) * TWO_32 + data.readUInt32BE(4) + 1;
  const blockSize = data.readUInt32BE(8);
  if (!Number.isSafeInteger(blocks * blockSize)) return undefined;
  const flags = data[14] ?? 0;
  return {
    blocks,
    blockSize,
    blocksPerPhysical: 1 << ((data[13] ?? 0) & 0xf),
    thin: (flags & 0x80) !== 0,
    readsZeroes: (flags & 0x40) !== 0,
  };
}

/** `complete`: the allocation length was enough for all that there are. */
export function decodeLuns(
  data: Buffer,
): { readonly luns: readonly Lun[]; readonly complete: boolean } | undefined {
  if (data.length < 8) return undefined;
  const length = data.readUInt32BE(0);
  const there = Math.min(length, data.length - 8, REPORTED_LUNS * 8);
  const luns: Lun[] = [];
  for (let at = 8; at + 8 <= 8 + there; at += 8) {
    luns.push({ high: data.readUInt32BE(at), low: data.readUInt32BE(at + 4) });
  }
  return { luns, complete: there >= length };
}

export interface ModeFacts {
  readonly writeProtected: boolean;
  readonly fua: boolean;
  /** WCE of the caching page; undefined: the page is not there. */
  readonly writeCache: boolean | undefined;
}

const CACHING_PAGE = 0x08;

/** @param ten of MODE SENSE(10), whose header is longer */
export function decodeModeSense(data: Buffer, ten: boolean): ModeFacts | undefined {
  const header = ten ? 8 : 4;
  if (data.length < header) return undefined;
  const parameter = data[ten ? 3 : 2] ?? 0;
  const descriptors = ten ? data.readUInt16BE(6) : (data[3] ?? 0);
  let writeCache: boolean | undefined;
  for (let at = header + descriptors; at + 2 <= data.length; ) {
    const code = data[at] ?? 0;
    const subpage = (code & 0x40) !== 0;
    if (subpage && at + 4 > data.length) break;
    const flags = data[at + 2];
    if ((code & 0x3f) === CACHING_PAGE && !subpage && flags !== undefined) {
      writeCache = (flags & 0x04) !== 0;
    }
    at += subpage ? 4 + data.readUInt16BE(at + 2) : 2 + (data[at + 1] ?? 0);
  }
  return { writeProtected: (parameter & 0x80) !== 0, fua: (parameter & 0x10) !== 0, writeCache };
}

export interface LbaStatus {
  readonly lba: number;
  readonly blocks: number;
  /** 0: mapped or unknown, 1: deallocated, 2: anchored. */
  readonly status: number;
}

export function decodeLbaStatus(data: Buffer): readonly LbaStatus[] {
  const found: LbaStatus[] = [];
  if (data.length < 8) return found;
  const end = Math.min(data.length, 4 + data.readUInt32BE(0));
  for (let at = 8; at + 16 <= end && found.length < LBA_STATUS_DESCRIPTORS; at += 16) {
    found.push({
      lba: data.readUInt32BE(at) * TWO_32 + data.readUInt32BE(at + 4),
      blocks: data.readUInt32BE(at + 8),
      status: (data[at + 12] ?? 0) & 0xf,
    });
  }
  return found;
}

/** The parameter list of UNMAP (SBC-3, 5.28.2). */
export function encodeUnmapList(
  ranges: readonly { readonly lba: number; readonly blocks: number }[],
): Buffer {
  const list = Buffer.alloc(8 + 16 * ranges.length);
  list.writeUInt16BE(list.length - 2, 0);
  list.writeUInt16BE(16 * ranges.length, 2);
  ranges.forEach(({ lba, blocks }, index) => {
    const at = 8 + 16 * index;
    list.writeUInt32BE(Math.floor(lba / TWO_32), at);
    list.writeUInt32BE(lba % TWO_32, at + 4);
    list.writeUInt32BE(blocks, at + 8);
  });
  return list;
}
