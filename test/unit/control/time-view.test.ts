import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_DAYS_SPELT } from '../../../src/control/limits.ts';
import { iso } from '../../../src/control/operations/time-view.ts';
import { SEED } from '../../support/seed.ts';

describe('times', () => {
  test('are spelt as Date spells them', () => {
    const time = fc.integer({ min: -62_167_219_200_000, max: 253_402_300_799_999 });
    fc.assert(
      fc.property(time, (at) => {
        expect(iso(at)).toBe(new Date(at).toISOString());
      }),
      { seed: SEED, numRuns: 2_000 },
    );
  });

  test('of more days than are remembered too', () => {
    for (let day = 0; day <= MAX_DAYS_SPELT + 1; day++) iso(day * 86_400_000);
    expect(iso(0)).toBe('1970-01-01T00:00:00.000Z');
  });

  test('that are none are an error', () => {
    expect(() => iso(Number.NaN)).toThrow(RangeError);
  });
});
