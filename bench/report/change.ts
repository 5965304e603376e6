/** What became of a figure from one run to another, and whether the rounds can tell. */
import type { Spread } from '../statistics.ts';
import { MAX_CHANCE } from './limits.ts';
import { spreadOf } from './row-figures.ts';

export type Judgement = 'better' | 'worse' | 'no difference' | 'too few rounds';

export interface Change {
  readonly before: Spread;
  readonly after: Spread;
  /** Of the medians: after over before. */
  readonly ratio: number;
  /** What the ratio can have been, from the rounds that lie farthest apart. */
  readonly low: number;
  readonly high: number;
  readonly judgement: Judgement;
}

/** Out of how many ways to choose `few` from `all`. */
function choose(all: number, few: number): number {
  let ways = 1;
  for (let taken = 1; taken <= few; taken += 1) ways = (ways * (all - few + taken)) / taken;
  return ways;
}

/** How likely all rounds of one run lie on one side of all of the other when nothing has changed. */
export const chanceOfSeparation = (before: number, after: number): number =>
  2 / choose(before + after, before);

/**
 * A difference is one that is larger than the spread: no round of the one run lies among those of the
 * other. With few rounds that happens by chance too often to mean anything.
 * @returns undefined when one of the two has no such figure, or a zero
 */
export function changeOf(
  before: readonly (number | undefined)[],
  after: readonly (number | undefined)[],
  betterWhen: 'lower' | 'higher',
): Change | undefined {
  const a = spreadOf(before);
  const b = spreadOf(after);
  if (a === undefined || b === undefined || a.min <= 0 || b.min <= 0) return undefined;
  const separate = a.max < b.min || b.max < a.min;
  const rounds = [before, after].map((all) => all.filter((value) => value !== undefined).length);
  const [first = 0, second = 0] = rounds;
  const judge = (): Judgement => {
    if (chanceOfSeparation(first, second) > MAX_CHANCE) return 'too few rounds';
    if (!separate) return 'no difference';
    return b.median < a.median === (betterWhen === 'lower') ? 'better' : 'worse';
  };
  return {
    before: a,
    after: b,
    ratio: b.median / a.median,
    low: b.min / a.max,
    high: b.max / a.min,
    judgement: judge(),
  };
}
