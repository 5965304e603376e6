import { describe, expect, test } from 'vitest';
import { bytes, duration, table, time } from '../../../src/cli/format.ts';

describe('figures', () => {
  test.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1536, '1.5 KiB'],
    [150 * 1024, '150 KiB'],
    [2 ** 41, '2.0 TiB'],
    [2 ** 60, '1024 PiB'],
  ])('%i bytes are %s', (count, text) => {
    expect(bytes(count)).toBe(text);
  });

  test.each([
    [null, '-'],
    [0, '0.0 s'],
    [12_345, '12.3 s'],
    [61_000, '1 min 1 s'],
    [2 * 3_600_000 + 60_000, '2 h 1 min'],
  ])('%s ms are %s', (ms, text) => {
    expect(duration(ms)).toBe(text);
  });

  test('times are in UTC to the second', () => {
    expect(time('2026-01-02T03:04:05.678Z')).toBe('2026-01-02 03:04:05Z');
    expect(time(null)).toBe('-');
  });
});

describe('tables', () => {
  test('have columns without frames', () => {
    expect(
      table(
        ['a', 'bb'],
        [
          ['xxx', 'y'],
          ['z', ''],
        ],
      ),
    ).toBe('A    BB\nxxx  y\nz\n');
    expect(table(['a'], [])).toBe('none\n');
  });

  test('do not let foreign text move the cursor', () => {
    expect(table(['a'], [['\x1b[2Jx\ny']])).toBe('A\n?[2Jx?y\n');
  });
});
