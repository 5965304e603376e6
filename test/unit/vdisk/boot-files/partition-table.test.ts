import { describe, expect, it } from 'vitest';
import { readPartitions } from '../../../../src/vdisk/boot-files/partition-table.ts';
import { SEED, seededRandom } from '../../../support/seed.ts';
import { MemoryDisk, SECTOR, writeGpt, writeMbr } from './disks.ts';

const SECTORS = 4096;

function blank(): Buffer {
  return Buffer.alloc(SECTORS * SECTOR);
}

async function numbers(disk: Buffer): Promise<number[]> {
  return (await readPartitions(new MemoryDisk(disk))).map((partition) => partition.number);
}

describe('MBR', () => {
  it('numbers partitions by their slot, not by their order', async () => {
    const disk = blank();
    writeMbr(disk, 0, [
      { slot: 1, type: 0x83, first: 100, count: 50 },
      { slot: 3, type: 0x82, first: 200, count: 60 },
    ]);
    expect(await readPartitions(new MemoryDisk(disk))).toEqual([
      { number: 2, offset: 100 * SECTOR, size: 50 * SECTOR },
      { number: 4, offset: 200 * SECTOR, size: 60 * SECTOR },
    ]);
  });

  it('follows logical partitions, each relative to its own record', async () => {
    const disk = blank();
    writeMbr(disk, 0, [
      { slot: 0, type: 0x83, first: 8, count: 8 },
      { slot: 1, type: 0x05, first: 1000, count: 2000 },
    ]);
    writeMbr(disk, 1000, [
      { slot: 0, type: 0x83, first: 2, count: 100 },
      { slot: 1, type: 0x05, first: 500, count: 200 },
    ]);
    writeMbr(disk, 1500, [{ slot: 0, type: 0x83, first: 4, count: 50 }]);
    expect(await readPartitions(new MemoryDisk(disk))).toEqual([
      { number: 1, offset: 8 * SECTOR, size: 8 * SECTOR },
      { number: 5, offset: 1002 * SECTOR, size: 100 * SECTOR },
      { number: 6, offset: 1504 * SECTOR, size: 50 * SECTOR },
    ]);
  });

  it('ends a chain that bites its own tail', async () => {
    const disk = blank();
    writeMbr(disk, 0, [{ slot: 0, type: 0x0f, first: 1000, count: 2000 }]);
    writeMbr(disk, 1000, [
      { slot: 0, type: 0x83, first: 2, count: 100 },
      { slot: 1, type: 0x05, first: 0, count: 200 },
    ]);
    const memory = new MemoryDisk(disk);
    expect((await readPartitions(memory)).length).toBeLessThanOrEqual(128);
    expect(memory.reads).toBeLessThan(200);
  });

  it('leaves out what lies beyond the disk', async () => {
    const disk = blank();
    writeMbr(disk, 0, [
      { slot: 0, type: 0x83, first: 4000, count: 97 },
      { slot: 1, type: 0x83, first: 4000, count: 96 },
    ]);
    expect(await numbers(disk)).toEqual([2]);
  });

  it('takes a boot sector that is no table for none', async () => {
    const disk = blank();
    disk.fill(0x6a, 0, 510);
    disk.writeUInt16LE(0xaa55, 510);
    expect(await numbers(disk)).toEqual([]);
    expect(await numbers(blank())).toEqual([]);
    expect(await numbers(Buffer.alloc(100))).toEqual([]);
  });
});

describe('GPT', () => {
  const ENTRIES = [
    { slot: 0, first: 64, last: 127 },
    { slot: 13, first: 128, last: 128 },
    { slot: 127, first: 1000, last: 1999 },
  ];

  it('numbers partitions by their slot, up to the last', async () => {
    const disk = blank();
    writeGpt(disk, 1, 2, ENTRIES);
    expect(await readPartitions(new MemoryDisk(disk))).toEqual([
      { number: 1, offset: 64 * SECTOR, size: 64 * SECTOR },
      { number: 14, offset: 128 * SECTOR, size: SECTOR },
      { number: 128, offset: 1000 * SECTOR, size: 1000 * SECTOR },
    ]);
  });

  it('reads sectors of 4096 bytes', async () => {
    const disk = blank();
    writeGpt(disk, 1, 2, [{ slot: 0, first: 10, last: 19 }], 4096);
    expect(await readPartitions(new MemoryDisk(disk))).toEqual([
      { number: 1, offset: 10 * 4096, size: 10 * 4096 },
    ]);
  });

  it.each([
    ['header', SECTOR + 60],
    ['entries', 2 * SECTOR + 40],
  ])('uses the backup when the primary %s is damaged', async (_name, at) => {
    const disk = blank();
    writeGpt(disk, SECTORS - 1, SECTORS - 33, ENTRIES);
    writeGpt(disk, 1, 2, [{ slot: 5, first: 64, last: 127 }]);
    expect(await numbers(disk)).toEqual([6]);
    disk.writeUInt8(disk.readUInt8(at) ^ 1, at);
    expect(await numbers(disk)).toEqual([1, 14, 128]);
  });
});

it(`survives any damage (seed ${SEED})`, async () => {
  const random = seededRandom();
  for (let round = 0; round < 400; round += 1) {
    const disk = blank();
    if (round % 2 === 0) writeGpt(disk, 1, 2, [{ slot: 0, first: 64, last: 127 }]);
    else writeMbr(disk, 0, [{ slot: 0, type: 0x05, first: 100, count: 1000 }]);
    for (let flips = 0; flips < 8; flips += 1) {
      disk.writeUInt8(Math.floor(random() * 256), Math.floor(random() * 2000));
    }
    for (const { offset, size } of await readPartitions(new MemoryDisk(disk))) {
      expect(offset + size).toBeLessThanOrEqual(disk.length);
    }
  }
});
