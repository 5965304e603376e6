import type { BlockRun } from '../../block/index.ts';
import {
  FIRST_AHEAD_WINDOW,
  LONGEST_AHEAD_WINDOW,
  MAX_AHEAD_GAP,
  MAX_AHEAD_UNITS,
} from './limits.ts';

/**
 * A trace as requests, pure: window after window of it, each in the order of the disk, so that neighbours
 * become one request. The first windows are short: what a boot reads first is there first.
 * @param isWanted looked at when the turn of its window comes
 */
export function* aheadRuns(
  order: Uint32Array,
  isWanted: (unit: number) => boolean,
): Generator<BlockRun> {
  let window = FIRST_AHEAD_WINDOW;
  for (let at = 0; at < order.length; ) {
    const units = [...order.subarray(at, at + window)].filter(isWanted);
    yield* runsOf(units.sort((a, b) => a - b));
    at += window;
    window = Math.min(LONGEST_AHEAD_WINDOW, window * 2);
  }
}

/** @param units in ascending order */
function* runsOf(units: readonly number[]): Generator<BlockRun> {
  let wanted: number[] = [];
  for (const unit of units) {
    const [first = unit] = wanted;
    const last = wanted.at(-1) ?? unit;
    const joins = unit - last <= MAX_AHEAD_GAP + 1 && unit - first < MAX_AHEAD_UNITS;
    if (!joins) {
      yield runOf(wanted);
      wanted = [];
    }
    wanted.push(unit);
  }
  if (wanted.length > 0) yield runOf(wanted);
}

function runOf(wanted: readonly number[]): BlockRun {
  const [first = 0] = wanted;
  return { first, count: (wanted.at(-1) ?? first) - first + 1, wanted };
}
