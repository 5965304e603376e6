import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SharedBitmap } from '../../../src/base/index.ts';
import { SEED } from '../../support/seed.ts';

const LENGTH = 300;

describe('SharedBitmap', () => {
  test('does what an array of booleans does', () => {
    const range = fc
      .tuple(fc.nat(LENGTH), fc.nat(LENGTH))
      .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
    const steps = fc.array(fc.tuple(fc.boolean(), range), { maxLength: 30 });
    fc.assert(
      fc.property(steps, range, (list, [from, to]) => {
        const bitmap = new SharedBitmap(new SharedArrayBuffer(64), 8, LENGTH);
        const model = new Array<boolean>(LENGTH).fill(false);
        for (const [value, [start, end]] of list) {
          if (value) bitmap.set(start, end);
          else bitmap.clear(start, end);
          model.fill(value, start, end);
        }
        const next = (wanted: boolean): number => {
          const found = model.slice(from, to).indexOf(wanted);
          return found < 0 ? to : from + found;
        };
        expect(Array.from({ length: LENGTH }, (_, bit) => bitmap.test(bit))).toEqual(model);
        expect(bitmap.nextSet(from, to)).toBe(next(true));
        expect(bitmap.nextClear(from, to)).toBe(next(false));
        expect(bitmap.count(from, to)).toBe(model.slice(from, to).filter(Boolean).length);
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  test('has the lowest bit of the first byte first', () => {
    const memory = new SharedArrayBuffer(SharedBitmap.bytesFor(40));
    new SharedBitmap(memory, 0, 40).set(9, 10);
    expect([...new Uint8Array(memory)]).toEqual([0, 2, 0, 0, 0, 0, 0, 0]);
  });

  test('works at the last bit of the largest bitmap', () => {
    const length = 2 ** 30;
    const bitmap = new SharedBitmap(new SharedArrayBuffer(length / 8), 0, length);
    bitmap.set(length - 1, length);
    expect(bitmap.test(length - 1)).toBe(true);
    expect(bitmap.nextSet(length - 100, length)).toBe(length - 1);
    expect(bitmap.count(length - 64, length)).toBe(1);
  });
});
