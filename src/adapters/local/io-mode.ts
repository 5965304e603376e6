import { ASYNC_PERIOD_LONGEST_MS, ASYNC_PERIOD_MS, SLOW_CALL_MS } from './limits.ts';

/** Milliseconds, monotonic. */
export type Clock = () => number;

/**
 * Whether a file's next call may be synchronous.
 *
 * A call that the page cache answers costs 2–3 µs when made synchronously and 12–30 µs through the
 * thread pool; one that waits for a disk, made synchronously, stops every machine of the thread. So a
 * file is synchronous until a call was slow, then asynchronous for a while, then tried again; while
 * it stays slow the while doubles.
 */
export class IoMode {
  readonly #clock: Clock;
  #asyncUntil = Number.NEGATIVE_INFINITY;
  #period = ASYNC_PERIOD_MS;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The time at which a synchronous call starts, or -1 if it must not be made. */
  start(): number {
    const now = this.#clock();
    return now < this.#asyncUntil ? -1 : now;
  }

  /** Judges a synchronous call by how long it took. */
  finish(started: number): void {
    const now = this.#clock();
    if (now - started > SLOW_CALL_MS) {
      this.#asyncUntil = now + this.#period;
      this.#period = Math.min(this.#period * 2, ASYNC_PERIOD_LONGEST_MS);
    } else {
      this.#period = ASYNC_PERIOD_MS;
    }
  }
}
