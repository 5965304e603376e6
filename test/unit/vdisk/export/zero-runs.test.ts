import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dataRuns, isZero } from '../../../../src/vdisk/export/zero-runs.ts';
import { SEED } from '../../../support/seed.ts';

describe(`runs of data (seed ${SEED})`, () => {
  it('are, with holes between them, what they were found in; holes are aligned in the file', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 30_000 }),
        fc.integer({ min: 0, max: 20_000 }),
        fc.array(fc.nat(30_000), { maxLength: 6 }),
        (length, position, marks) => {
          const bytes = Buffer.alloc(length);
          for (const mark of marks) if (mark < length) bytes[mark] = 1;
          const runs = [...dataRuns(bytes, position)];
          const rebuilt = Buffer.alloc(length);
          let last = -1;
          for (const { start, end } of runs) {
            expect(start).toBeGreaterThan(last);
            expect(end).toBeGreaterThan(start);
            bytes.copy(rebuilt, start, start, end);
            // Neither end is inside of a block, unless it is an end of the bytes.
            if (start !== 0) expect((position + start) % 4096).toBe(0);
            if (end !== length) expect((position + end) % 4096).toBe(0);
            last = end;
          }
          expect(rebuilt.equals(bytes)).toBe(true);
          const blocks = new Set(
            marks
              .filter((mark) => mark < length)
              .map((mark) => Math.floor((position + mark) / 4096)),
          );
          const covered = runs.reduce(
            (sum, { start, end }) =>
              sum + Math.ceil((position + end) / 4096) - Math.floor((position + start) / 4096),
            0,
          );
          expect(covered).toBe(blocks.size);
        },
      ),
      { seed: SEED },
    );
  });

  it('sees the last byte', () => {
    const bytes = Buffer.alloc(100);
    expect(isZero(bytes, 10, 100)).toBe(true);
    bytes[99] = 1;
    expect(isZero(bytes, 10, 99)).toBe(true);
    expect(isZero(bytes, 10, 100)).toBe(false);
  });
});
