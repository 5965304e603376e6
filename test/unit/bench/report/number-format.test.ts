import { describe, expect, it } from 'vitest';
import { latencyUnit } from '../../../../bench/report/latency-unit.ts';
import {
  byteCount,
  figure,
  figureRange,
  percent,
  ratio,
} from '../../../../bench/report/number-format.ts';
import { plainText } from '../../../../bench/report/plain-text.ts';

describe('a figure', () => {
  it.each([
    [0, '0'],
    [0.0004, '<0.001'],
    [-0.0004, '−<0.001'],
    [0.0123, '0.012'],
    [0.9996, '1.00'],
    [1.234, '1.23'],
    [9.996, '10.0'],
    [12.34, '12.3'],
    [99.96, '100'],
    [123.4, '123'],
    [999.6, '1,000'],
    [1234.5, '1,235'],
    [90_877, '90,877'],
    [-12.34, '-12.3'],
    [Number.NaN, '—'],
    [Number.POSITIVE_INFINITY, '—'],
  ])('of %j has three digits that mean something: %s', (value, text) => {
    expect(figure(value)).toBe(text);
  });

  it('has its minimum and maximum behind it, unless there is but one value', () => {
    expect(figureRange({ median: 10.54, min: 10.2, max: 113.3 })).toBe('10.5 (10.2–113)');
    expect(figureRange({ median: 3, min: 3, max: 3 })).toBe('3.00');
  });
});

describe('other numbers', () => {
  it('are shares in whole percent', () => {
    expect([0, 0.976, 1, Number.NaN].map(percent)).toEqual(['0 %', '98 %', '100 %', '—']);
  });

  it('are ratios with two decimals, as long as decimals matter', () => {
    const written = [0.004, 0.666, 1, 12.3456, 123.4, 1 / 0].map(ratio);
    expect(written).toEqual(['0.00', '0.67', '1.00', '12.35', '123', '—']);
  });

  it.each([
    [0, '0 B'],
    [1, '1 B'],
    [1023, '1,023 B'],
    [1024, '1 KiB'],
    [1536, '1.50 KiB'],
    [512 * 2 ** 20, '512 MiB'],
    [2 ** 50, '1,024 TiB'],
    [Number.NaN, '—'],
  ])('are %j bytes in the unit in which they are at least one: %s', (bytes, text) => {
    expect(byteCount(bytes)).toBe(text);
  });

  it('are latencies in the largest unit in which none is less than one', () => {
    const names = [[], [0], [999, 5000], [1000, 5e6], [0, 2000], [1e6]].map(
      (micros) => latencyUnit(micros).name,
    );
    expect(names).toEqual(['µs', 'µs', 'µs', 'ms', 'ms', 's']);
  });
});

describe('a name from elsewhere', () => {
  it('keeps no character that could steer a terminal or break a line', () => {
    expect(plainText('a\u001b[2Jb\u0000\u009bc\r\nd\te\u202ef\ufffeg')).toBe('a�[2Jb��c d e�f�g');
    expect(plainText('Größe 4K × 2 — 日本 🙂')).toBe('Größe 4K × 2 — 日本 🙂');
  });
});
