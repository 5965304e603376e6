/**
 * A trace as requests, pure.
 *
 * All of the trace is cut into requests together, in the order of the disk: units that lie beside each other become one,
 * however far apart a boot reads them. The requests are then made in the order in which a boot reads the first of
 * their units, so that what is wanted first is there first, and brings along what is beside it.
 */
import type { BlockRun } from '../../block/index.ts';
import { AHEAD_REQUEST_UNITS, MAX_AHEAD_UNITS } from './limits.ts';

/**
 * @param order numbers of units, each once, in the order in which a boot reads them
 * @param isWanted looked at for all of them at first, and when the turn of their request comes
 */
export function* aheadRuns(
  order: Uint32Array,
  isWanted: (unit: number) => boolean,
): Generator<BlockRun> {
  const places = new Map<number, number>();
  for (const unit of order) if (isWanted(unit)) places.set(unit, places.size);
  const runs = cut(Uint32Array.from(places.keys()).sort()).map((units) => {
    let place = Number.POSITIVE_INFINITY;
    for (const unit of units) place = Math.min(place, places.get(unit) ?? place);
    return { units, place };
  });
  runs.sort((a, b) => a.place - b.place);
  for (const { units } of runs) yield* cut(units.filter(isWanted)).map(runOf);
}

/**
 * Where the requests and what they read for nothing cost least together, a request being as dear as
 * AHEAD_REQUEST_UNITS units.
 * @param units in ascending order
 */
function cut(units: Uint32Array): readonly Uint32Array[] {
  // Of the first units, by how many they are: what they cost, and where the last request of them begins.
  const costs = new Uint32Array(units.length + 1);
  const begins = new Uint32Array(units.length + 1);
  for (let end = 1; end <= units.length; end++) {
    const last = units[end - 1] ?? 0;
    let least = Number.POSITIVE_INFINITY;
    for (let begin = end - 1; begin >= 0; begin--) {
      const span = last - (units[begin] ?? 0) + 1;
      if (span > MAX_AHEAD_UNITS) break;
      const cost = (costs[begin] ?? 0) + AHEAD_REQUEST_UNITS + span;
      if (cost >= least) continue;
      least = cost;
      begins[end] = begin;
    }
    costs[end] = least;
  }
  const runs: Uint32Array[] = [];
  for (let end = units.length; end > 0; end = begins[end] ?? 0) {
    runs.push(units.subarray(begins[end], end));
  }
  return runs.reverse();
}

/** @param wanted in ascending order */
function runOf(wanted: Uint32Array): BlockRun {
  const [first = 0] = wanted;
  return { first, count: (wanted.at(-1) ?? first) - first + 1, wanted: [...wanted] };
}
