import { describe, expect, it } from 'vitest';
import { exportRows } from '../../../../src/xenapi/rrd/export-rows.ts';
import { ARCHIVES, lastSlot, Series } from '../../../../src/xenapi/rrd/series.ts';
import { SEED, seededRandom } from '../../../support/seed.ts';

const SAMPLE_SECONDS = 5;

describe('a series', () => {
  it.each([0, 1, 2, 3])('is what a naive list of all samples averages to (run %i)', (run) => {
    const random = seededRandom(SEED + run);
    const series = new Series();
    /** By number of the sample. */
    const all = new Map<number, number>();
    let sample = 340_000_000;
    for (let push = 0; push < 1500; push++) {
      const gap = random() < 0.95 ? 1 : 1 + Math.floor(random() * (random() < 0.2 ? 5000 : 40));
      const value = random() < 0.1 ? Number.NaN : Math.floor(random() * 100);
      series.push(sample, sample + gap, value);
      for (let number = 1; number <= gap; number++) all.set(sample + number, value);
      sample += gap;
    }
    const first = Math.min(...all.keys());
    for (const archive of ARCHIVES) {
      const samples = archive.step / SAMPLE_SECONDS;
      const newest = lastSlot(archive, sample);
      for (let slot = newest; slot > newest - archive.rows; slot--) {
        if ((slot - 1) * samples + 1 < first) break;
        const known = Array.from(
          { length: samples },
          (_, index) => all.get((slot - 1) * samples + 1 + index) ?? Number.NaN,
        ).filter((value) => !Number.isNaN(value));
        const average = known.reduce((sum, value) => sum + value, 0) / known.length;
        const found = series.at(archive, slot);
        const isRight = Number.isNaN(average)
          ? Number.isNaN(found)
          : Math.abs(found - average) < 1e-3;
        if (!isRight) expect.fail(`step ${archive.step}, slot ${slot}: ${found}, not ${average}`);
      }
    }
  });

  it('knows nothing of the time before it began', () => {
    const series = new Series();
    series.push(1000, 1001, 7);
    const { rows } = exportRows([{ name: 'x', series }], 1001, { start: 4990, interval: 5 });
    expect(rows).toEqual([
      { t: 5005, values: [7] },
      { t: 5000, values: [Number.NaN] },
      { t: 4995, values: [Number.NaN] },
      { t: 4990, values: [Number.NaN] },
    ]);
  });
});

describe('what is exported', () => {
  const series = new Series();
  const SAMPLE = 340_000_007;
  series.push(SAMPLE - 7_000_000, SAMPLE, 1);
  const last = SAMPLE * SAMPLE_SECONDS;
  const exported = (start: number, interval: number) =>
    exportRows([{ name: 'x', series }], SAMPLE, { start, interval });

  it.each(ARCHIVES)(
    'has rows of $step seconds, as Xen Orchestra asks for them',
    ({ step, rows }) => {
      // xapi-stats.mjs: one step less than there are rows.
      const { rows: found, ...meta } = exported(last - step * rows + step, step);
      expect(meta.step).toBe(step);
      expect(found.length).toBeGreaterThanOrEqual(rows - 1);
      expect(found[0]?.t).toBe(meta.end);
      expect(meta.end % step).toBe(0);
      expect(found.every(({ t }, index) => t === meta.end - index * step)).toBe(true);
      expect(found.every(({ values }) => values[0] === 1)).toBe(true);
    },
  );

  it('is as fine as goes back far enough when nobody says how fine', () => {
    expect(exported(last - 500, 0).step).toBe(5);
    expect(exported(last - 5000, 0).step).toBe(60);
    expect(exported(0, 0).step).toBe(86_400);
    expect(exported(-300, 0)).toMatchObject({ step: 5, rows: { length: 61 } });
    expect(exported(last + 1, 0).rows).toEqual([]);
  });
});
