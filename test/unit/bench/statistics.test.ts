import { describe, expect, it } from 'vitest';
import { spread } from '../../../bench/statistics.ts';

describe('the spread of several rounds', () => {
  it.each([
    [[3], { median: 3, min: 3, max: 3 }],
    [[9, 1, 5], { median: 5, min: 1, max: 9 }],
    [[10, 2, 4, 6], { median: 5, min: 2, max: 10 }],
  ])('of %j', (values, expected) => {
    expect(spread(values)).toEqual(expected);
  });

  it('of nothing is an error', () => {
    expect(() => spread([])).toThrow(RangeError);
  });
});
