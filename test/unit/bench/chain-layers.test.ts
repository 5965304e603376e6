import { describe, expect, it } from 'vitest';
import { BLOCK_BYTES, layerExtents, ownedBits } from '../../../bench/targets/chain-layers.ts';

const DISK = 256 * 2 ** 20 + 512;
const DEPTH = 30;

describe('the upper layers of a chain', () => {
  const layers = Array.from({ length: DEPTH - 1 }, (_, below) =>
    layerExtents(DISK, DEPTH, below + 1),
  );

  it('own whole blocks within the disk, 4 to 64 KiB at a time', () => {
    for (const { offset, length } of layers.flat()) {
      expect(offset % BLOCK_BYTES).toBe(0);
      expect(length % BLOCK_BYTES).toBe(0);
      expect(length).toBeGreaterThan(0);
      expect(length).toBeLessThanOrEqual(65_536);
      expect(offset + length).toBeLessThanOrEqual(DISK);
    }
  });

  it('cover about 30 % of the disk together, a like share each', () => {
    const covered = layers.map((extents) => extents.reduce((sum, { length }) => sum + length, 0));
    const all = covered.reduce((sum, bytes) => sum + bytes, 0);
    expect(all / DISK).toBeCloseTo(0.3, 2);
    expect(Math.max(...covered)).toBe(Math.min(...covered));
    const lengths = new Set(layers.flat().map(({ length }) => length));
    expect(lengths.size).toBe(16);
  });

  it('lie elsewhere in each layer, and in the same places each time', () => {
    expect(layerExtents(DISK, DEPTH, 3)).toEqual(layers[2]);
    const first = layers.map((extents) => extents[0]?.offset);
    expect(new Set(first).size).toBe(DEPTH - 1);
  });

  it('have a bit for each block they own', () => {
    const extents = [
      { offset: 0, length: BLOCK_BYTES },
      { offset: 7 * BLOCK_BYTES, length: 3 * BLOCK_BYTES },
    ];
    expect([...ownedBits(20 * BLOCK_BYTES, extents)]).toEqual([0b1000_0001, 0b11, 0]);
  });
});
