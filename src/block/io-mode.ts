import { ASYNC_PERIOD_LONGEST_MS, ASYNC_PERIOD_MS, SLOW_CALL_MS, SUSPICION_MS } from './limits.ts';

/** Milliseconds, monotonic. */
export type Clock = () => number;

/**
 * Whether a file's next call may be synchronous.
 *
 * A call that the page cache answers costs 2–3 µs when made synchronously and 12–30 µs through the
 * thread pool; one that waits for a disk, made synchronously, stops every machine of the thread. So a
 * file is synchronous until two calls were slow, then asynchronous for a while, then tried again; while
 * it stays slow the while doubles.
 *
 * One slow call says little: on a busy host it is mostly a thread that lost its processor. A disk
 * that is slow says so again at once. (Measured on a host with three times more to do than processors,
 * 4K first writes to overlays: 5 % of the calls asynchronous when one slow call sufficed, 2 % now.)
 */
export class IoMode {
  readonly #clock: Clock;
  #asyncUntil = Number.NEGATIVE_INFINITY;
  #suspectUntil = Number.NEGATIVE_INFINITY;
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
    if (now - started <= SLOW_CALL_MS) {
      this.#period = ASYNC_PERIOD_MS;
      return;
    }
    let next = now;
    if (started < this.#suspectUntil) {
      next += this.#period;
      this.#asyncUntil = next;
      this.#period = Math.min(this.#period * 2, ASYNC_PERIOD_LONGEST_MS);
    }
    this.#suspectUntil = next + SUSPICION_MS;
  }
}
