/** What did not pay is left alone, each time for twice as long. */
import { expect, it } from 'vitest';
import { Rest } from '../../../src/nbd/rest.ts';

it('is over at first, then after as long as it was told, and after twice as long each time up to the longest', () => {
  const rest = new Rest(10, 30);
  expect(rest.isOver(0)).toBe(true);
  for (const [began, lasts] of [
    [0, 10],
    [100, 20],
    [200, 30],
    [300, 30],
  ] as const) {
    rest.begin(began);
    expect([rest.isOver(began + lasts - 1), rest.isOver(began + lasts)]).toEqual([false, true]);
  }
});

it('is a short one again after it has paid, and over at once when it is ended', () => {
  const rest = new Rest(10, 30);
  rest.begin(0);
  rest.paid();
  expect(rest.isOver(9)).toBe(false);
  rest.begin(20);
  expect([rest.isOver(29), rest.isOver(30)]).toEqual([false, true]);
  rest.begin(40);
  rest.end();
  expect(rest.isOver(41)).toBe(true);
  rest.begin(50);
  expect(rest.isOver(60)).toBe(true);
});
