/** The codec of the flush journal: what was written comes back, and nothing else ever does. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeRecord,
  decodeSegmentHeader,
  encodeRecord,
  encodeSegmentHeader,
  isWritable,
  type JournalRecord,
  pageAligned,
  recordBytes,
} from '../../../../src/vdisk/journal/journal-format.ts';
import { SEED } from '../../../support/seed.ts';
import { anyRecord, record } from './records.ts';

const epochs = fc.integer({ min: 1, max: 2 ** 47 });

/** The record at the start of a buffer that is filled up with `filler`. */
function encoded(value: JournalRecord, epoch: number, filler = 0): Buffer {
  const bytes = Buffer.alloc(recordBytes(value) + 64, filler);
  expect(encodeRecord(bytes, 0, epoch, value, false)).toBe(recordBytes(value));
  return bytes;
}

describe('a record', () => {
  test('comes back as it was, wherever it stands', () => {
    const property = fc.property(anyRecord, epochs, fc.nat({ max: 40 }), (value, epoch, units) => {
      const at = units * 8;
      const bytes = Buffer.alloc(at + recordBytes(value) + 24, 0xa5);
      const end = encodeRecord(bytes, at, epoch, value, false);
      expect(end).toBe(at + recordBytes(value));
      expect(bytes.subarray(0, at).every((byte) => byte === 0xa5)).toBe(true);
      expect(bytes.subarray(end).every((byte) => byte === 0xa5)).toBe(true);
      const found = decodeRecord(bytes, at, epoch);
      const { data, length, ...rest } = found ?? {};
      const { data: written, ...wanted } = value;
      expect(rest).toEqual(wanted);
      expect(length).toBe(end - at);
      expect(data?.subarray(0, written.length).equals(written)).toBe(true);
      // Filled up to 8 bytes with zeroes, not with what was there.
      const padding = data?.subarray(written.length) ?? [];
      expect(padding.length).toBeLessThan(8);
      expect([...padding].every((byte) => byte === 0)).toBe(true);
    });
    fc.assert(property, { seed: SEED });
  });

  test('cut at every byte is none', () => {
    const property = fc.property(anyRecord, epochs, (value, epoch) => {
      const bytes = encoded(value, epoch);
      for (let end = 0; end < recordBytes(value); end++) {
        expect(decodeRecord(bytes.subarray(0, end), 0, epoch)).toBeUndefined();
      }
    });
    fc.assert(property, { seed: SEED, numRuns: 20 });
  });

  test('with any one byte changed is none', () => {
    const property = fc.property(anyRecord, epochs, fc.integer({ min: 1, max: 255 }), (...args) => {
      const [value, epoch, change] = args;
      const bytes = encoded(value, epoch, 0xff);
      for (let at = 0; at < recordBytes(value); at++) {
        bytes[at] = (bytes[at] ?? 0) ^ change;
        expect(decodeRecord(bytes, 0, epoch), `byte ${at}`).toBeUndefined();
        bytes[at] = (bytes[at] ?? 0) ^ change;
      }
      expect(decodeRecord(bytes, 0, epoch)).toBeDefined();
    });
    fc.assert(property, { seed: SEED, numRuns: 20 });
  });

  test('of which sectors are missing is none', () => {
    const property = fc.property(
      fc.integer({ min: 600, max: 6000 }),
      fc.infiniteStream(fc.boolean()),
      (length, missing) => {
        const value = record(1, length, 0xee);
        const bytes = encoded(value, 5);
        let lost = false;
        for (let at = 0; at < recordBytes(value); at += 512) {
          if (!missing.next().value) continue;
          lost = true;
          bytes.fill(0x11, at, Math.min(at + 512, recordBytes(value)));
        }
        expect(decodeRecord(bytes, 0, 5) === undefined).toBe(lost);
      },
    );
    fc.assert(property, { seed: SEED });
  });

  test('of another epoch is none', () => {
    const property = fc.property(anyRecord, epochs, epochs, (value, epoch, other) => {
      fc.pre(epoch !== other);
      expect(decodeRecord(encoded(value, epoch), 0, other)).toBeUndefined();
    });
    fc.assert(property, { seed: SEED });
  });

  test('is never found in bytes that only begin like one', () => {
    const words = fc.array(fc.oneof(fc.nat({ max: 600 }), fc.nat({ max: 0xffffffff })), {
      minLength: 2,
      maxLength: 200,
    });
    const property = fc.property(words, (values) => {
      const bytes = Buffer.alloc(values.length * 4);
      for (const [index, value] of values.entries()) bytes.writeUInt32LE(value, index * 4);
      bytes.write('RCJR', 0, 'latin1');
      const epoch = bytes.length >= 24 ? bytes.readDoubleLE(16) : 1;
      expect(decodeRecord(bytes, 0, epoch)).toBeUndefined();
    });
    fc.assert(property, { seed: SEED, numRuns: 1000 });
  });

  test('is writable as long as a reader takes it for one', () => {
    expect(isWritable(record(1, 256 * 1024))).toBe(true);
    expect(isWritable({ ...record(1, 8), key: 'ä'.repeat(127) })).toBe(true);
    expect(isWritable({ ...record(1, 8), key: 'ä'.repeat(128) })).toBe(false);
    expect(isWritable({ ...record(1, 8), key: '' })).toBe(false);
    expect(isWritable({ ...record(1, 8), ranges: Array(65).fill({ from: 0, to: 1 }) })).toBe(false);
    expect(isWritable(record(1, 1024 * 1024))).toBe(false);
  });
});

describe("a segment's header", () => {
  const bootIds = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 64 })
    .filter((text) => Buffer.byteLength(text) <= 64);

  test('comes back as it was', () => {
    const property = fc.property(bootIds, epochs, (bootId, epoch) => {
      const page = encodeSegmentHeader({ epoch, bootId });
      expect(page).toHaveLength(4096);
      expect(decodeSegmentHeader(page)).toEqual({ epoch, bootId });
    });
    fc.assert(property, { seed: SEED });
  });

  test('cut or with any one byte changed is none', () => {
    const page = encodeSegmentHeader({ epoch: 12345, bootId: 'boot' });
    for (let at = 0; at < 512; at++) {
      expect(decodeSegmentHeader(page.subarray(0, at))).toBeUndefined();
      page[at] = (page[at] ?? 0) ^ 0x40;
      expect(decodeSegmentHeader(page), `byte ${at}`).toBeUndefined();
      page[at] = (page[at] ?? 0) ^ 0x40;
    }
    expect(decodeSegmentHeader(page)).toBeDefined();
    expect(decodeSegmentHeader(Buffer.alloc(4096))).toBeUndefined();
  });

  test('refuses a boot id that it could not give back', () => {
    for (const bootId of ['', 'x'.repeat(65), 'ä'.repeat(33)]) {
      expect(() => encodeSegmentHeader({ epoch: 1, bootId })).toThrow(RangeError);
    }
  });
});

test('pages are of 4 KiB', () => {
  expect([0, 1, 4096, 4097].map(pageAligned)).toEqual([0, 4096, 4096, 8192]);
});
