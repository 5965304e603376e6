/**
 * Which blocks were written since the last flush, noted by every worker and taken by the one that
 * flushes, in shared memory and without a lock: rewriting an owned block must stay as cheap as it is.
 *
 * A writer draws a number, stores its range in the place of that number, and a tag made of all three: a
 * writer that was held up for so long that its place belongs to another by now cannot make a range of
 * half of each pass for whole. It does so after its blocks and their bits are written and before it is acknowledged. So a flush
 * that finds more numbers drawn than there are places, a place whose tag is not there yet, or the mark of a change
 * that is more than a write (trim, zero), syncs the volumes instead, and misses nothing: whatever
 * those writers wrote is there by then.
 */
import type { BlockSpan } from '../journal/index.ts';
import { DIRTY_RANGES } from './limits.ts';

const HEAD = 0;
/** On a cache line of its own: only flushes change it. */
const TAIL = 16;
const UNLISTED = 17;

/** Words of the ring's counters. */
export const DIRTY_COUNTER_WORDS = 32;

/** Words of a place: tag, from, to, unused. */
const PLACE = 4;
export const DIRTY_RING_WORDS = DIRTY_RANGES * PLACE;

export class DirtyRing {
  readonly #counters: Int32Array;
  readonly #places: Int32Array;

  constructor(counters: Int32Array, places: Int32Array) {
    this.#counters = counters;
    this.#places = places;
  }

  /** Blocks [from, to) were written. */
  note(from: number, to: number): void {
    const number = Atomics.add(this.#counters, HEAD, 1);
    const behind = (number - Atomics.load(this.#counters, TAIL)) >>> 0;
    if (behind >= DIRTY_RANGES) {
      this.noteUnlisted();
      return;
    }
    const place = ((number >>> 0) % DIRTY_RANGES) * PLACE;
    Atomics.store(this.#places, place + 1, from);
    Atomics.store(this.#places, place + 2, to);
    Atomics.store(this.#places, place, tagOf(number, from, to));
  }

  /** Something changed that is not listed here. */
  noteUnlisted(): void {
    if (Atomics.load(this.#counters, UNLISTED) === 0) Atomics.store(this.#counters, UNLISTED, 1);
  }

  /**
   * Everything noted since the last call, as often as it was noted; undefined when that is not all.
   * Called by one flush at a time.
   */
  take(): BlockSpan[] | undefined {
    const head = Atomics.load(this.#counters, HEAD);
    const tail = Atomics.load(this.#counters, TAIL);
    const unlisted = Atomics.exchange(this.#counters, UNLISTED, 0) === 1;
    const count = (head - tail) >>> 0;
    const found = unlisted || count > DIRTY_RANGES ? undefined : this.#collect(tail, count);
    Atomics.store(this.#counters, TAIL, head);
    return found;
  }

  #collect(tail: number, count: number): BlockSpan[] | undefined {
    const found: BlockSpan[] = [];
    for (let index = 0; index < count; index += 1) {
      const number = (tail + index) | 0;
      const place = ((number >>> 0) % DIRTY_RANGES) * PLACE;
      const from = Atomics.load(this.#places, place + 1);
      const to = Atomics.load(this.#places, place + 2);
      if (Atomics.load(this.#places, place) !== tagOf(number, from, to)) return undefined;
      found.push({ from, to });
    }
    return found;
  }
}

function tagOf(number: number, from: number, to: number): number {
  return (number + 1) ^ Math.imul(from, 0x9e3779b1) ^ Math.imul(to, 0x85ebca77);
}

/** Sorted, without overlaps, neighbours joined. */
export function mergeSpans(spans: readonly BlockSpan[]): BlockSpan[] {
  const merged: { from: number; to: number }[] = [];
  for (const { from, to } of [...spans].sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last.to) last.to = Math.max(last.to, to);
    else merged.push({ from, to });
  }
  return merged;
}
