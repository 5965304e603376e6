import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Histogram } from '../../../bench/load/histogram.ts';

const SHARES = [0.01, 0.5, 0.9, 0.99, 0.999, 1];
/** Of a value, besides the 0.1 µs in which small ones are counted. */
const ERROR = 0.02;
const STEP = 0.1;

function exact(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] ?? 0;
}

const micros = fc.oneof(
  fc.double({ min: 0.1, max: 100, noNaN: true }),
  fc.double({ min: 100, max: 1e5, noNaN: true }),
  fc.double({ min: 1e5, max: 100e6, noNaN: true }),
);
const many = fc.array(micros, { minLength: 1, maxLength: 400 });

function histogramOf(values: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

describe('a histogram of latencies', () => {
  it('knows every percentile to 2 %', () => {
    fc.assert(
      fc.property(many, (values) => {
        const histogram = histogramOf(values);
        for (const share of SHARES) {
          const wanted = exact(values, share);
          const found = histogram.percentile(share);
          expect(Math.abs(found - wanted)).toBeLessThanOrEqual(ERROR * wanted + STEP);
        }
      }),
    );
  });

  it('knows mean, maximum and count exactly', () => {
    fc.assert(
      fc.property(many, (values) => {
        const { mean, max } = histogramOf(values).latency();
        expect(mean).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / values.length, 3);
        expect(max).toBe(Math.max(...values));
        expect(histogramOf(values).count).toBe(values.length);
      }),
    );
  });

  it('is the same whether it was made at once or added up', () => {
    fc.assert(
      fc.property(many, many, (first, second) => {
        const sum = histogramOf(first);
        sum.add(histogramOf(second));
        const { mean, ...rest } = histogramOf([...first, ...second]).latency();
        const { mean: addedMean, ...added } = sum.latency();
        expect(added).toEqual(rest);
        expect(addedMean).toBeCloseTo(mean, 3);
      }),
    );
  });

  it('takes 100 s for what is longer, and nothing for an empty one', () => {
    const histogram = histogramOf([500e6]);
    expect(histogram.percentile(0.5)).toBeGreaterThan(99e6);
    expect(histogram.latency().max).toBe(500e6);
    expect(new Histogram().latency()).toEqual({ mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 });
  });
});
