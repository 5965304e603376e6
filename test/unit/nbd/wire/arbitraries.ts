/** Values that the property tests of the codec are made of. */
import fc from 'fast-check';
import { SEED } from '../../../support/seed.ts';

export const RUNS = { seed: SEED, numRuns: 300 };

export const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
export const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
export const uint53 = fc.maxSafeNat();
export const text = fc
  .string({ unit: 'grapheme', maxLength: 60 })
  .map((s) => s.replaceAll('\0', ''));
