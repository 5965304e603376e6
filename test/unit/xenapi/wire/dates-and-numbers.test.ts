import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dateTimeOfText, dateTimeText } from '../../../../src/xenapi/wire/date-time.ts';
import {
  decimalOfText,
  doubleText,
  integerOfText,
} from '../../../../src/xenapi/wire/number-text.ts';
import { SEED } from '../../../support/seed.ts';

const at = (...parts: [number, number, number, number, number, number, number?]): number =>
  Date.UTC(...parts);

describe('a date on the wire', () => {
  it.each<[string, number]>([
    ['20261128T10:11:12Z', at(2026, 10, 28, 10, 11, 12)],
    ['2026-11-28T10:11:12Z', at(2026, 10, 28, 10, 11, 12)],
    ['20261128T10:11:12', at(2026, 10, 28, 10, 11, 12)],
    ['2026-11-28T10:11:12', at(2026, 10, 28, 10, 11, 12)],
    ['20261128t10:11:12z', at(2026, 10, 28, 10, 11, 12)],
    ['20261128T10:11:12+01:30', at(2026, 10, 28, 8, 41, 12)],
    ['2026-11-28T10:11:12-0800', at(2026, 10, 28, 18, 11, 12)],
    ['20261128T10:11:12.5Z', at(2026, 10, 28, 10, 11, 12, 500)],
    ['20261128T10:11:12.123456789Z', at(2026, 10, 28, 10, 11, 12, 123)],
    ['19700101T00:00:00Z', 0],
    ['00010101T00:00:00Z', Date.parse('0001-01-01T00:00:00Z')],
    ['20240229T23:59:59Z', at(2024, 1, 29, 23, 59, 59)],
  ])('%s is read', (text, ms) => {
    expect(dateTimeOfText(text)).toBe(ms);
  });

  it.each([
    ...['', 'now', '20261128', '2026-1128T10:11:12Z', '202611-28T10:11:12Z', '20261128T101112Z'],
    ...['20261128T10:11Z', '20261328T10:11:12Z', '20260631T10:11:12Z', '20250229T10:11:12Z'],
    ...[
      '20261128T24:00:00Z',
      '20261128T10:60:12Z',
      '20261128T10:11:60Z',
      '20261128T10:11:12+24:00',
    ],
    ...[
      '20261128T10:11:12+01',
      '20261128T10:11:12 Z',
      ' 20261128T10:11:12Z',
      '20261128T10:11:12.Z',
    ],
    ...['00000101T00:00:00+01:00', '99991231T23:59:59-01:00', '20261128T10:11:12Z\n'],
  ])('%j is none', (text) => {
    expect(dateTimeOfText(text)).toBeUndefined();
  });

  it('is read as it was written, to the second', () => {
    const second = fc.integer({ min: -62_167_219_200, max: 253_402_300_799 });
    fc.assert(
      fc.property(second, fc.integer({ min: 0, max: 999 }), (seconds, ms) => {
        const text = dateTimeText(seconds * 1000 + ms);
        expect(text).toMatch(/^\d{8}T\d\d:\d\d:\d\dZ$/);
        expect(dateTimeOfText(text)).toBe(seconds * 1000);
      }),
      { seed: SEED },
    );
  });
});

describe('a number as text', () => {
  // What C's printf("%.16g") says.
  it.each<[number, string]>([
    [0, '0'],
    [-0, '-0'],
    [1, '1'],
    [-1.5, '-1.5'],
    [0.1, '0.1'],
    [0.1 + 0.2, '0.3'],
    [1 / 3, '0.3333333333333333'],
    [100, '100'],
    [123456789.125, '123456789.125'],
    [999999999999999, '999999999999999'],
    [1e15, '1000000000000000'],
    [9999999999999998, '9999999999999998'],
    [1e16, '1e+16'],
    [1234567890123456 * 10000, '1.234567890123456e+19'],
    [0.0001, '0.0001'],
    [0.00001, '1e-05'],
    [0.00012345, '0.00012345'],
    [1.5e-7, '1.5e-07'],
    [1e100, '1e+100'],
    [5e-324, '4.940656458412465e-324'],
    [Number.MAX_VALUE, '1.797693134862316e+308'],
    [1 - 2 ** -53, '0.9999999999999999'],
    [0.0001 - 2 ** -66, '9.999999999999999e-05'],
    [951539732610009.25, '951539732610009.2'],
    [-951539732610009.75, '-951539732610009.8'],
    [Number.NaN, 'nan'],
    [Number.POSITIVE_INFINITY, 'inf'],
    [Number.NEGATIVE_INFINITY, '-inf'],
  ])('%d is %s', (value, text) => {
    expect(doubleText(value)).toBe(text);
  });

  it('is as near to it as any of 16 digits', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const text = doubleText(value);
        expect(text.replace(/^-?0\.0*|e.*|\D/g, '').length).toBeLessThanOrEqual(16);
        const near = Math.abs(Number(value.toPrecision(16)) - value);
        expect(Math.abs(Number(text) - value)).toBeLessThanOrEqual(near);
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });

  it.each([
    '',
    '+',
    '-',
    '.',
    'e5',
    '1e',
    '1e+',
    '0x1',
    '1_0',
    ' 1',
    '1 ',
    '1,5',
    'inf',
    'nan',
    '1..2',
    '--1',
    '1e999',
    '٣',
  ])('%j is none', (text) => {
    expect(decimalOfText(text)).toBeUndefined();
    expect(integerOfText(text)).toBeUndefined();
  });

  it('is whole only without a point', () => {
    expect(integerOfText('1.0')).toBeUndefined();
    expect(integerOfText('1e3')).toBeUndefined();
    expect(decimalOfText('1.')).toBe(1);
    expect(integerOfText('+0012')).toBe(12);
    expect(Object.is(integerOfText('-0'), 0)).toBe(true);
  });
});
