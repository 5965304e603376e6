import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Coverage } from '../../../../src/nbd/client/coverage.ts';
import { SEED } from '../../../support/seed.ts';

const LENGTH = 40;

describe(`coverage of a read (seed ${SEED})`, () => {
  test('agrees with one flag per byte', () => {
    const range = fc
      .tuple(fc.nat(LENGTH - 1), fc.integer({ min: 1, max: 8 }))
      .map(([start, length]) => [start, Math.min(LENGTH, start + length)] as const);
    fc.assert(
      fc.property(fc.array(range, { maxLength: 40 }), (ranges) => {
        const coverage = new Coverage();
        const bytes = new Uint8Array(LENGTH);
        for (const [start, end] of ranges) {
          const free = !bytes.subarray(start, end).includes(1);
          expect(coverage.add(start, end)).toBe(free);
          if (!free) continue;
          bytes.fill(1, start, end);
          expect(coverage.covers(LENGTH)).toBe(!bytes.includes(0));
        }
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  test('every order of adjacent pieces covers the whole', () => {
    const pieces = fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(pieces, (order) => {
        const coverage = new Coverage();
        for (const piece of order) {
          expect(coverage.covers(LENGTH)).toBe(false);
          expect(coverage.add(piece * 5, piece * 5 + 5)).toBe(true);
        }
        expect(coverage.covers(LENGTH)).toBe(true);
      }),
      { seed: SEED },
    );
  });
});
