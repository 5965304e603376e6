/** Partition tables for tests, after the UEFI specification and the PC's old ways. */
import { crc32 } from 'node:zlib';
import type { Disk } from '../../../../src/vdisk/boot-files/partition-table.ts';

export const SECTOR = 512;

export class MemoryDisk implements Disk {
  readonly bytes: Buffer;
  reads = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get size(): number {
    return this.bytes.length;
  }

  async read(target: Buffer, offset: number): Promise<void> {
    this.reads += 1;
    if (offset < 0 || offset + target.length > this.size) {
      throw new RangeError(`read of ${target.length} bytes at ${offset}`);
    }
    this.bytes.copy(target, 0, offset, offset + target.length);
  }
}

/** In sectors, relative to the record. */
export interface Entry {
  readonly slot: number;
  readonly type: number;
  readonly first: number;
  readonly count: number;
}

export function writeMbr(disk: Buffer, sector: number, entries: readonly Entry[]): void {
  const at = sector * SECTOR;
  for (const { slot, type, first, count } of entries) {
    const entry = at + 446 + slot * 16;
    disk.writeUInt8(type, entry + 4);
    disk.writeUInt32LE(first, entry + 8);
    disk.writeUInt32LE(count, entry + 12);
  }
  disk.writeUInt16LE(0xaa55, at + 510);
}

export interface GptEntry {
  readonly slot: number;
  readonly first: number;
  readonly last: number;
}

export function writeGpt(
  disk: Buffer,
  headerLba: number,
  entriesLba: number,
  entries: readonly GptEntry[],
  sector = SECTOR,
): void {
  const table = Buffer.alloc(128 * 128);
  for (const { slot, first, last } of entries) {
    table.fill(0x11, slot * 128, slot * 128 + 32);
    table.writeBigUInt64LE(BigInt(first), slot * 128 + 32);
    table.writeBigUInt64LE(BigInt(last), slot * 128 + 40);
  }
  table.copy(disk, entriesLba * sector);
  const header = Buffer.alloc(92);
  header.write('EFI PART', 0, 'latin1');
  header.writeUInt32LE(0x10000, 8);
  header.writeUInt32LE(92, 12);
  header.writeBigUInt64LE(BigInt(headerLba), 24);
  header.writeBigUInt64LE(BigInt(entriesLba), 72);
  header.writeUInt32LE(128, 80);
  header.writeUInt32LE(128, 84);
  header.writeUInt32LE(crc32(table), 88);
  header.writeUInt32LE(crc32(header), 16);
  header.copy(disk, headerLba * sector);
  writeMbr(disk, 0, [{ slot: 0, type: 0xee, first: 1, count: 0xffff_ffff }]);
}

/** The few bytes of a superblock that say "ext4". */
export function writeExtSuperblock(disk: Buffer, offset: number, uuid: string): void {
  disk.writeUInt16LE(0xef53, offset + 1024 + 56);
  disk.writeUInt32LE(0x4, offset + 1024 + 92);
  disk.writeUInt32LE(0x2c2, offset + 1024 + 96);
  disk.write(uuid.replaceAll('-', ''), offset + 1024 + 104, 'hex');
}
