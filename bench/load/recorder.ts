/** What the requests of one job saw: all of them, by group, and over time. */
import type { Group, Interval } from '../result.ts';
import { Histogram } from './histogram.ts';

/** As short as an interval begins, in ms; a run that goes on merges them two by two. */
const FIRST_INTERVAL_MS = 10;
/** There are between half of these and these. */
const MOST_INTERVALS = 64;

interface Tally {
  readonly histogram: Histogram;
  bytes: number;
}

const tally = (): Tally => ({ histogram: new Histogram(), bytes: 0 });

function count(into: Tally, micros: number, bytes: number): void {
  into.histogram.record(micros);
  into.bytes += bytes;
}

/** Pairs of neighbours become one. */
function mergePairs(tallies: readonly Tally[]): Tally[] {
  const merged: Tally[] = [];
  for (let index = 0; index < tallies.length; index += 2) {
    const left = tallies[index] ?? tally();
    const right = tallies[index + 1];
    if (right !== undefined) {
      left.histogram.add(right.histogram);
      left.bytes += right.bytes;
    }
    merged.push(left);
  }
  return merged;
}

export class Recorder {
  readonly #all = tally();
  readonly #groups = new Map<string, Tally>();
  #intervals: Tally[] = [];
  #width = FIRST_INTERVAL_MS;
  readonly #start: number;
  #end: number;

  /** @param start of the measurement, as performance.now() says it */
  constructor(start: number) {
    this.#start = start;
    this.#end = start;
  }

  get requests(): number {
    return this.#all.histogram.count;
  }

  get bytes(): number {
    return this.#all.bytes;
  }

  /** From the start to the last answer. */
  get seconds(): number {
    return (this.#end - this.#start) / 1e3;
  }

  get histogram(): Histogram {
    return this.#all.histogram;
  }

  /** One request was answered. @param from, to in performance.now() */
  record(from: number, to: number, bytes: number): void {
    const micros = (to - from) * 1e3;
    if (to > this.#end) this.#end = to;
    count(this.#all, micros, bytes);
    let index = Math.floor((to - this.#start) / this.#width);
    while (index >= MOST_INTERVALS) {
      this.#intervals = mergePairs(this.#intervals);
      this.#width *= 2;
      index = Math.floor((to - this.#start) / this.#width);
    }
    while (this.#intervals.length <= index) this.#intervals.push(tally());
    const interval = this.#intervals[index];
    if (interval !== undefined) count(interval, micros, bytes);
  }

  /** The same, or a part of it, once more for a group. */
  recordGroup(name: string, from: number, to: number, bytes: number): void {
    let group = this.#groups.get(name);
    if (group === undefined) {
      group = tally();
      this.#groups.set(name, group);
    }
    count(group, (to - from) * 1e3, bytes);
  }

  intervals(): Interval[] {
    const seconds = this.#width / 1e3;
    return this.#intervals.map(({ histogram, bytes }, index) => ({
      at: index * seconds,
      // The last one is as long as there was something to measure.
      seconds: Math.min(seconds, Math.max(this.seconds - index * seconds, 1e-6)),
      requests: histogram.count,
      bytes,
      p50: histogram.percentile(0.5),
      p99: histogram.percentile(0.99),
    }));
  }

  /** Empty when there was only one. */
  groups(): Group[] {
    if (this.#groups.size < 2) return [];
    return [...this.#groups].map(([name, { histogram, bytes }]) => ({
      name,
      requests: histogram.count,
      bytes,
      latency: histogram.latency(),
    }));
  }
}
