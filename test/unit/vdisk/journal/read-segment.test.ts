/** What is read from a segment: every record that a flush was told is there, and nothing of earlier uses. */
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type BlockDevice, MemoryDevice, PLAIN } from '../../../../src/block/index.ts';
import {
  decodeRecord,
  encodeRecord,
  encodeSegmentHeader,
  type JournalRecord,
  pageAligned,
  recordBytes,
} from '../../../../src/vdisk/journal/journal-format.ts';
import {
  type JournalDamage,
  readRecords,
  readSegmentHeader,
  readWithoutHeader,
} from '../../../../src/vdisk/journal/read-segment.ts';
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
  for (const [index, each] of batch.entries()) {
    end = encodeRecord(bytes, end, epoch, each, index < batch.length - 1);
  }
  device.write(bytes, at, PLAIN);
  return at + bytes.length;
}

async function sequences(device: BlockDevice, damages: JournalDamage[] = []): Promise<number[]> {
  const header = await readSegmentHeader(device);
  if (header === undefined) return [];
  const found: number[] = [];
  for await (const { sequence, data, dataAt, ranges } of readRecords(device, header, (damage) =>
    damages.push(damage),
  )) {
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

  test('ends in the batch that was being written, whatever of it is there', async () => {
    const device = begin(2 * MIB);
    const last = append(device, PAGE, [record(1, 4096)]);
    append(device, last, [record(2, 4096), record(3, dataFor(3 * PAGE)), record(4, 8192)]);
    device.write(Buffer.alloc(512, 0x77), last + 1024, PLAIN);
    const damages: JournalDamage[] = [];
    expect(await sequences(device, damages)).toEqual([1]);
    expect(damages).toEqual([]);
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

describe('what is damaged though it was on disk', () => {
  /** Batches of one, two and three records. @returns where each begins */
  function batches(device: MemoryDevice): readonly number[] {
    const second = append(device, PAGE, [record(1, 4096)]);
    const third = append(device, second, [record(2, 9000), record(3, 100)]);
    const fourth = append(device, third, [record(4, 4096), record(5, 4096), record(6, 4096)]);
    append(device, fourth, [record(7, 4096)]);
    return [PAGE, second, third, fourth];
  }
  const rot = (device: MemoryDevice, at: number, length = 1): void => {
    const bytes = Buffer.alloc(length);
    device.read(bytes, at);
    device.write(Buffer.from(bytes.map((byte) => byte ^ 0x55)), at, PLAIN);
  };
  const claim = (sequence: number) => ({ key: 'overlay', incarnation: 7n, sequence });

  test('is told, with whose it was, and what is behind it is read', async () => {
    const device = begin(2 * MIB);
    const [, second = 0, third = 0] = batches(device);
    rot(device, second + 5000);
    const damages: JournalDamage[] = [];
    expect((await sequences(device, damages)).sort()).toEqual([1, 3, 4, 5, 6, 7]);
    expect(damages).toEqual([{ from: second, to: third, claims: [claim(2)] }]);
  });

  test('is told when nobody can say whose it was', async () => {
    const device = begin(2 * MIB);
    const [, second = 0, third = 0, fourth = 0] = batches(device);
    rot(device, second, fourth - second);
    const damages: JournalDamage[] = [];
    expect(await sequences(device, damages)).toEqual([1, 7]);
    expect(third).toBeLessThan(fourth);
    expect(damages).toEqual([{ from: second, to: fourth, claims: [] }]);
  });

  test('is told when only the last record of a batch is gone without a trace', async () => {
    const device = begin(2 * MIB);
    const next = append(device, PAGE, [record(1, 100), record(2, 100)]);
    append(device, next, [record(3, 100)]);
    device.write(Buffer.alloc(PAGE - 200), PAGE + 200, PLAIN);
    const damages: JournalDamage[] = [];
    expect(await sequences(device, damages)).toEqual([1, 3]);
    expect(damages).toMatchObject([{ from: PAGE + recordBytes(record(1, 100)), to: next }]);
  });

  test('is noticed wherever it is, but in the last batch', { timeout: 60_000 }, async () => {
    const clean = begin(2 * MIB);
    const [, , , last = 0] = batches(clean);
    const whole = Buffer.alloc(last);
    clean.read(whole, 0);
    const used = [];
    for (let at = PAGE; at < last; at++) if (whole[at] !== 0) used.push(at);
    const property = fc.asyncProperty(fc.constantFrom(...used), async (at) => {
      const device = begin(2 * MIB);
      batches(device);
      rot(device, at);
      const damages: JournalDamage[] = [];
      const found = await sequences(device, damages);
      expect(damages).toHaveLength(1);
      const { from = 0, to = 0, claims = [] } = damages[0] ?? {};
      expect(at).toBeGreaterThanOrEqual(from);
      expect(at).toBeLessThan(to);
      // Unless its head is what is damaged, it says whose it was.
      expect(found.length + claims.length).toBeGreaterThanOrEqual(4);
    });
    await fc.assert(property, { seed: SEED, numRuns: 60 });
  });

  test('is noticed of the header, and all that the segment had is named', async () => {
    const device = begin(2 * MIB);
    batches(device);
    expect(await readWithoutHeader(new MemoryDevice({ size: 2 * MIB }))).toBeUndefined();
    rot(device, 30);
    expect(await readSegmentHeader(device)).toBeUndefined();
    const damage = await readWithoutHeader(device);
    expect(damage).toMatchObject({ from: 0 });
    expect(damage?.claims.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  test('of an older service, whose records do not say where batches begin, ends the reading', async () => {
    const device = begin(2 * MIB);
    const [, second = 0] = batches(device);
    // As they were before: without the word, and with a sum that is right.
    const bytes = Buffer.alloc(2 * MIB);
    device.read(bytes, 0);
    for (const { at, length } of recordsIn(bytes)) {
      bytes.writeUInt32LE(0, at + 44);
      bytes.writeUInt32LE(crc32(bytes.subarray(at + 8, at + length)), at + 4);
    }
    device.write(bytes, 0, PLAIN);
    const damages: JournalDamage[] = [];
    expect(await sequences(device, damages)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    rot(device, second + 5000);
    expect(await sequences(device, damages)).toEqual([1]);
    expect(damages).toEqual([]);
  });
});

function recordsIn(bytes: Buffer): { readonly at: number; readonly length: number }[] {
  const found: { at: number; length: number }[] = [];
  for (let at = PAGE; at < bytes.length; at += 8) {
    const length = decodeRecord(bytes, at, EPOCH)?.length;
    if (length !== undefined) found.push({ at, length });
  }
  return found;
}
