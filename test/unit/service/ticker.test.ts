import { describe, expect, it } from 'vitest';
import { OBSERVER_TOLD_EVERY_MS } from '../../../src/service/limits.ts';
import { type Observer, sparingly, Ticker } from '../../../src/service/ticker.ts';

function watched(...observers: Observer[]) {
  const failures: string[] = [];
  const ticker = new Ticker(observers, (name, error) => failures.push(`${name}: ${error}`));
  return { ticker, failures };
}

function failing(name: string, words: () => string): Observer {
  return {
    name,
    observe: () => {
      throw new Error(words());
    },
  };
}

describe('the ticker', () => {
  it('looks at everything, whoever fails before', () => {
    const seen: number[] = [];
    const { ticker, failures } = watched(
      failing('a', () => 'broken'),
      { name: 'b', observe: (now) => void seen.push(now) },
      failing('c', () => 'too'),
      { name: 'd', observe: (now) => void seen.push(now) },
    );
    ticker.tick(1);
    ticker.tick(2);
    expect(seen).toEqual([1, 1, 2, 2]);
    expect(failures).toEqual([
      'a: Error: broken',
      'c: Error: too',
      'a: Error: broken',
      'c: Error: too',
    ]);
  });

  it('closes everything, one after the other, whatever fails', async () => {
    const closed: string[] = [];
    const closing = (name: string, fails = false): Observer => ({
      name,
      observe: () => undefined,
      close: async () => {
        closed.push(name);
        if (fails) throw new Error('stuck');
      },
    });
    const { ticker, failures } = watched(
      closing('a', true),
      { name: 'b', observe: () => {} },
      closing('c'),
    );
    await ticker.close();
    expect(closed).toEqual(['a', 'c']);
    expect(failures).toEqual(['a: Error: stuck']);
  });
});

it('the same failure is told when it is new, and when it has lasted', () => {
  const told: string[] = [];
  let now = 0;
  const failed = sparingly(
    (name, error) => told.push(`${name}: ${error}`),
    () => now,
  );
  for (; now < OBSERVER_TOLD_EVERY_MS; now += 1000) {
    failed('a', 'one');
    failed('a', 'two');
    failed('b', 'one');
  }
  expect(told).toEqual(['a: one', 'a: two', 'b: one']);
  failed('a', 'one');
  expect(told).toHaveLength(4);
});
