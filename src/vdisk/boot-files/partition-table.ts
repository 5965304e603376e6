/**
 * Partitions of a disk: GPT (UEFI specification 2.10, section 5.3) or MBR with its chain of logical
 * partitions. Our own, since npm's partitioninfo numbers GPT entries by their order among the used
 * ones (Linux numbers them by their place in the table), checks no checksum, and follows a chain of
 * logical partitions that bites its own tail for ever.
 */
import { crc32 } from 'node:zlib';
import { GPT_ENTRIES_BYTES_MAX, PARTITIONS_MAX } from './limits.ts';

export interface Partition {
  /** As Linux numbers it; 0 for the whole disk. */
  readonly number: number;
  /** Bytes from the start of the disk. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

export interface Disk {
  /** Bytes. */
  readonly size: number;
  /** Fills `target`; the caller stays inside of the disk. */
  read(target: Buffer, offset: number): Promise<void>;
}

const MBR_BYTES = 512;
const MBR_SIGNATURE_AT = 510;
const MBR_SIGNATURE = 0xaa55;
const MBR_ENTRIES_AT = 446;
const MBR_ENTRY_BYTES = 16;
const MBR_ENTRIES = 4;
/** An MBR counts in sectors of 512 bytes on every disk that we serve. */
const MBR_SECTOR = 512;
const TYPE_EMPTY = 0;
const TYPE_PROTECTIVE = 0xee;
const TYPES_EXTENDED: ReadonlySet<number> = new Set([0x05, 0x0f, 0x85]);
const FIRST_LOGICAL = 5;

const GPT_SECTOR_SIZES = [512, 4096] as const;
const GPT_HEADER_BYTES_MIN = 92;
const GPT_ENTRY_BYTES_MIN = 128;

interface MbrEntry {
  readonly status: number;
  readonly type: number;
  readonly offset: number;
  readonly size: number;
}

/** Partitions in order of their number; none when there is no table that makes sense. */
export async function readPartitions(disk: Disk): Promise<readonly Partition[]> {
  const mbr = await readSector(disk, 0);
  if (mbr === undefined) return [];
  const entries = mbrEntries(mbr);
  if (entries === undefined) return [];
  if (entries.some((entry) => entry.type === TYPE_PROTECTIVE)) {
    const gpt = await readGpt(disk);
    if (gpt !== undefined) return gpt;
  }
  return readMbr(disk, entries);
}

/** A sector with its signature at the end. */
async function readSector(disk: Disk, offset: number): Promise<Buffer | undefined> {
  if (offset < 0 || offset + MBR_BYTES > disk.size) return undefined;
  const sector = Buffer.alloc(MBR_BYTES);
  await disk.read(sector, offset);
  return sector.readUInt16LE(MBR_SIGNATURE_AT) === MBR_SIGNATURE ? sector : undefined;
}

/** Undefined for a boot sector that is no table (a FAT or NTFS volume has the same signature). */
function mbrEntries(sector: Buffer): readonly MbrEntry[] | undefined {
  const entries: MbrEntry[] = [];
  for (let index = 0; index < MBR_ENTRIES; index += 1) {
    const at = MBR_ENTRIES_AT + index * MBR_ENTRY_BYTES;
    entries.push({
      status: sector.readUInt8(at),
      type: sector.readUInt8(at + 4),
      offset: sector.readUInt32LE(at + 8) * MBR_SECTOR,
      size: sector.readUInt32LE(at + 12) * MBR_SECTOR,
    });
  }
  return entries.every((entry) => (entry.status & 0x7f) === 0) ? entries : undefined;
}

async function readMbr(disk: Disk, entries: readonly MbrEntry[]): Promise<readonly Partition[]> {
  const found: Partition[] = [];
  for (const [index, entry] of entries.entries()) {
    if (entry.type === TYPE_EMPTY || entry.size === 0 || TYPES_EXTENDED.has(entry.type)) continue;
    add(found, disk, { number: index + 1, offset: entry.offset, size: entry.size });
  }
  const extended = entries.find((entry) => TYPES_EXTENDED.has(entry.type) && entry.size > 0);
  if (extended !== undefined) await addLogical(found, disk, extended.offset);
  return found;
}

/**
 * Each extended boot record names one partition (relative to itself) and the next record (relative
 * to the first). The count bounds a chain that loops.
 */
async function addLogical(found: Partition[], disk: Disk, first: number): Promise<void> {
  let record = first;
  for (let number = FIRST_LOGICAL; number < PARTITIONS_MAX; number += 1) {
    const sector = await readSector(disk, record);
    const [data, next] = (sector && mbrEntries(sector)) ?? [];
    if (data === undefined || data.type === TYPE_EMPTY) return;
    add(found, disk, { number, offset: record + data.offset, size: data.size });
    if (next === undefined || !TYPES_EXTENDED.has(next.type) || next.size === 0) return;
    record = first + next.offset;
  }
}

function add(found: Partition[], disk: Disk, partition: Partition): void {
  const { offset, size } = partition;
  const inside = offset > 0 && size > 0 && offset + size <= disk.size;
  if (inside && found.length < PARTITIONS_MAX) found.push(partition);
}

/** The primary table, or the backup at the end of the disk when the primary is damaged. */
async function readGpt(disk: Disk): Promise<readonly Partition[] | undefined> {
  for (const sector of GPT_SECTOR_SIZES) {
    const last = Math.floor(disk.size / sector) - 1;
    for (const lba of [1, last]) {
      const found = await readGptAt(disk, lba, sector);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

async function readGptAt(
  disk: Disk,
  lba: number,
  sector: number,
): Promise<readonly Partition[] | undefined> {
  if (lba < 1 || (lba + 1) * sector > disk.size) return undefined;
  const header = Buffer.alloc(sector);
  await disk.read(header, lba * sector);
  if (!isGptHeader(header)) return undefined;
  const at = Number(header.readBigUInt64LE(72)) * sector;
  const count = header.readUInt32LE(80);
  const entryBytes = header.readUInt32LE(84);
  const length = count * entryBytes;
  if (entryBytes < GPT_ENTRY_BYTES_MIN || length > GPT_ENTRIES_BYTES_MAX) return undefined;
  if (!(at + length <= disk.size)) return undefined;
  const entries = Buffer.alloc(length);
  await disk.read(entries, at);
  if (crc32(entries) !== header.readUInt32LE(88)) return undefined;
  const found: Partition[] = [];
  for (let index = 0; index < count; index += 1) {
    const entry = entries.subarray(index * entryBytes, (index + 1) * entryBytes);
    if (entry.subarray(0, 16).every((byte) => byte === 0)) continue; // unused: type GUID zero
    const first = Number(entry.readBigUInt64LE(32));
    const end = Number(entry.readBigUInt64LE(40)) + 1;
    add(found, disk, { number: index + 1, offset: first * sector, size: (end - first) * sector });
  }
  return found;
}

/** "EFI PART", and a checksum over the header with the checksum itself as zero. */
function isGptHeader(header: Buffer): boolean {
  if (header.toString('latin1', 0, 8) !== 'EFI PART') return false;
  const length = header.readUInt32LE(12);
  if (length < GPT_HEADER_BYTES_MIN || length > header.length) return false;
  const copy = Buffer.from(header.subarray(0, length));
  copy.writeUInt32LE(0, 16);
  return crc32(copy) === header.readUInt32LE(16);
}
