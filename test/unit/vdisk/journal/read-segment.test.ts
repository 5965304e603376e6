/** What is read from a segment: every record that a flush was told is there, and nothing of earlier uses. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type BlockDevice, MemoryDevice, PLAIN } from '../../../../src/block/index.ts';
import {
  encodeRecord,
  encodeSegmentHeader,
  type JournalRecord,
  pageAligned,
  recordBytes,
} from '../../../../src/vdisk/journal/journal-format.ts';
import { readRecords, readSegmentHeader } from '../../../../src/vdisk/journal/read-segment.ts';
import { SEED } from '../../../support/seed.ts';
import { record } from './records.ts';

const MIB = 1024 * 1024;
const PAGE = 4096;
const EPOCH = 42;

/** Bytes of data that make the record of `record()` so long. */
const dataFor = (length: number): number => length - recordBytes(record(1, 0));

function begin(size: number, epoch = EPOCH): MemoryDevice {
  const device = new MemoryDevice({ size });
  device.write(encodeSegmentHeader({ epoch, bootId: 'boot' }), 0, PLAIN);
  return device;
}

/** Writes a batch as the journal does. @returns where the next one goes */
function append(
  device: BlockDevice,
  at: number,
  batch: readonly JournalRecord[],
  epoch = EPOCH,
): number {
  const bytes = Buffer.alloc(pageAligned(batch.reduce((sum, each) => sum + recordBytes(each), 0)));
  let end = 0;
  for (const each of batch) end = encodeRecord(bytes, end, epoch, each);
  device.write(bytes, at, PLAIN);
  return at + bytes.length;
}

async function sequences(device: BlockDevice): Promise<number[]> {
  const header = await readSegmentHeader(device);
  if (header === undefined) return [];
  const found: number[] = [];
  for await (const { sequence, data, dataAt, ranges } of readRecords(device, header)) {
    expect(ranges).toHaveLength(1);
    expect(data.subarray(0, 8).every((byte) => byte === sequence % 251)).toBe(true);
    const again = Buffer.alloc(data.length);
    await device.read(again, dataAt);
    expect(again.equals(data)).toBe(true);
    found.push(sequence);
  }
  return found;
}

describe('a segment', () => {
  test('that was never begun, or is too small for a header, holds nothing', async () => {
    for (const size of [2 * MIB, PAGE, 100, 0]) {
      expect(await readSegmentHeader(new MemoryDevice({ size }))).toBeUndefined();
    }
    expect(await sequences(begin(2 * MIB))).toEqual([]);
    expect(await sequences(begin(PAGE))).toEqual([]);
  });

  test('gives back every batch in order', async () => {
    const device = begin(2 * MIB);
    let at = append(device, PAGE, [record(1, 4096), record(2, 100), record(3, 256 * 1024)]);
    at = append(device, at, [record(4, 4096)]);
    append(device, at, [record(5, 4096), record(6, 8192)]);
    expect(await sequences(device)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('gives back what follows a batch that ends where a page ends', async () => {
    for (const exact of [1, 2, 3, 7]) {
      const device = begin(8 * MIB);
      let at = PAGE;
      let written = 0;
      const next = (length: number): JournalRecord => {
        written += 1;
        return record(written, dataFor(length));
      };
      // No space behind these, then batches with records that lie across every multiple of anything.
      for (let batch = 0; batch < exact; batch++) {
        at = append(device, at, [next(100 * PAGE), next(100 * PAGE + 8), next(PAGE - 8)]);
      }
      for (let batch = 0; batch < 4; batch++) {
        at = append(device, at, [next(100_000), next(120_000), next(140_000), next(160_000)]);
      }
      expect(await sequences(device)).toEqual(Array.from({ length: written }, (_, i) => i + 1));
    }
  });

  test('gives back a batch that ends where the segment ends', async () => {
    const size = 2 * MIB + 3 * PAGE;
    const device = begin(size);
    let at = append(device, PAGE, [record(1, dataFor(MIB / 2)), record(2, dataFor(MIB / 2))]);
    at = append(device, at, [record(3, dataFor(MIB / 2)), record(4, dataFor(MIB / 2))]);
    expect(append(device, at, [record(5, dataFor(2 * PAGE))])).toBe(size);
    expect(await sequences(device)).toEqual([1, 2, 3, 4, 5]);
  });

  test('ends at a record that is torn, whatever is behind it', async () => {
    const device = begin(2 * MIB);
    const torn = append(device, PAGE, [record(1, 4096)]);
    const next = append(device, torn, [record(2, 4096), record(3, 4096)]);
    append(device, next, [record(4, 4096)]);
    device.write(Buffer.alloc(512, 0x77), torn + 1024, PLAIN);
    expect(await sequences(device)).toEqual([1]);
  });

  test('ends where an earlier use of it goes on', async () => {
    const device = begin(2 * MIB, EPOCH + 1);
    let at = PAGE;
    for (let sequence = 1; sequence <= 20; sequence++) {
      at = append(device, at, [record(sequence, 4096)], EPOCH + 1);
    }
    expect(await sequences(device)).toHaveLength(20);
    device.write(encodeSegmentHeader({ epoch: EPOCH, bootId: 'boot' }), 0, PLAIN);
    expect(await sequences(device)).toEqual([]);
    append(device, PAGE, [record(21, 4096)]);
    expect(await sequences(device)).toEqual([21]);
  });

  test('gives back batches of any sizes', { timeout: 60_000 }, async () => {
    const lengths = fc.oneof(
      fc.integer({ min: 1, max: 9000 }).map((bytes) => recordBytes(record(1, bytes))),
      fc.integer({ min: 1, max: 64 }).map((pages) => pages * PAGE),
      fc.integer({ min: 1, max: 256 * 1024 }).map((bytes) => recordBytes(record(1, bytes))),
    );
    const batches = fc.array(fc.array(lengths, { minLength: 1, maxLength: 12 }), { maxLength: 30 });
    const property = fc.asyncProperty(batches, async (shapes) => {
      const device = begin(8 * MIB);
      let written = 0;
      let at = PAGE;
      for (const shape of shapes) {
        const batch: JournalRecord[] = [];
        let bytes = 0;
        for (const length of shape) {
          if (pageAligned(bytes + length) > MIB) break;
          bytes += length;
          batch.push(record(written + batch.length + 1, dataFor(length)));
        }
        if (at + pageAligned(bytes) > device.geometry.size) break;
        at = append(device, at, batch);
        written += batch.length;
      }
      const found = await sequences(device);
      expect(found).toEqual(Array.from({ length: written }, (_, index) => index + 1));
    });
    await fc.assert(property, { seed: SEED, numRuns: 40 });
  });
});
