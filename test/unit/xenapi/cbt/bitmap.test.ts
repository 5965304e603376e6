import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CHANGE_BLOCK_BYTES, ChangedBlocks } from '../../../../src/control/index.ts';
import { encodeBitmap } from '../../../../src/xenapi/cbt/bitmap.ts';
import { SEED } from '../../../support/seed.ts';

const BLOCK = CHANGE_BLOCK_BYTES;

function bitmapOf(size: number, ranges: readonly (readonly [number, number])[]): Buffer {
  const changed = new ChangedBlocks(size);
  for (const [offset, length] of ranges) changed.add(offset, length);
  return Buffer.from(encodeBitmap(changed), 'base64');
}

describe('bitmaps of changed blocks', () => {
  test('have the first block in the highest bit of the first byte', () => {
    expect(bitmapOf(32 * BLOCK, [[0, 1]]).toString('hex')).toBe('80000000');
    expect(bitmapOf(32 * BLOCK, [[7 * BLOCK, 1]]).toString('hex')).toBe('01000000');
    expect(bitmapOf(32 * BLOCK, [[8 * BLOCK, BLOCK]]).toString('hex')).toBe('00800000');
    expect(bitmapOf(32 * BLOCK, [[0, 32 * BLOCK]]).toString('hex')).toBe('ffffffff');
  });

  test('end with zeroes up to a whole word of four bytes', () => {
    expect(bitmapOf(1, [[0, 1]]).toString('hex')).toBe('80000000');
    expect(bitmapOf(32 * BLOCK + 1, [[0, 33 * BLOCK]]).toString('hex')).toBe('ffffffff80000000');
    expect(bitmapOf(40 * BLOCK, []).length).toBe(8);
    expect(bitmapOf(0, []).length).toBe(0);
  });

  test('say of each block whether a byte of it has changed, and of nothing beyond the end', () => {
    const range = fc.tuple(fc.nat(70 * BLOCK), fc.oneof(fc.nat(3), fc.nat(20 * BLOCK)));
    const property = fc.property(fc.nat(66 * BLOCK), fc.array(range), (size, ranges) => {
      const bitmap = bitmapOf(size, ranges);
      expect(bitmap.length % 4).toBe(0);
      for (let block = 0; block < bitmap.length * 8; block++) {
        const [start, end] = [block * BLOCK, Math.min(size, (block + 1) * BLOCK)];
        const isChanged = ranges.some(
          ([offset, length]) => Math.max(offset, start) < Math.min(offset + length, end),
        );
        const bit = ((bitmap[block >>> 3] ?? 0) >>> (7 - (block & 7))) & 1;
        expect(bit === 1, `block ${block}`).toBe(isChanged);
      }
    });
    fc.assert(property, { seed: SEED });
  });
});

describe('changed blocks', () => {
  test('of an earlier step are taken into those of a later one that has grown', () => {
    const earlier = new ChangedBlocks(3 * BLOCK - 7);
    earlier.add(2 * BLOCK, BLOCK);
    const later = new ChangedBlocks(20 * BLOCK);
    later.add(19 * BLOCK, 1);
    later.include(earlier);
    const changed = Array.from({ length: 21 }, (_, block) => later.has(block));
    expect(changed.flatMap((is, block) => (is ? [block] : []))).toEqual([2, 19]);
  });

  test('are kept packed, and refused when they are not whole', () => {
    const changed = new ChangedBlocks(1000 * BLOCK);
    changed.add(5 * BLOCK, 300 * BLOCK);
    const bits = changed.packed();
    expect(bits.length).toBeLessThan(60);
    expect(ChangedBlocks.unpacked({ size: changed.size, bits }).bits).toEqual(
      Buffer.from(changed.bits),
    );
    for (const size of [8 * BLOCK, 1001 * BLOCK, 10_000 * BLOCK]) {
      expect(() => ChangedBlocks.unpacked({ size, bits })).toThrowError(/damaged/);
    }
    const broken = bits.subarray(0, bits.length - 3);
    expect(() => ChangedBlocks.unpacked({ size: changed.size, bits: broken })).toThrowError(
      /damaged/,
    );
  });
});
