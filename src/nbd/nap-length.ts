/**
 * How long a thread sleeps so that requests gather (coalescer.ts): longer as long as that gathers more and costs no throughput.
 * A client that sends its requests in ten microseconds each has a dozen on their way after the shortest nap,
 * and twice as many after twice the time. One that is faster, or has fewer, waits for us by then.
 */
import { COALESCE_NAPS_MS, COALESCE_OFF_LONGEST_MS, COALESCE_OFF_MS } from './limits.ts';
import { Rest } from './rest.ts';

/** Windows in a row over which it is judged what naps of one length gather. */
const JUDGED_WINDOWS = 4;

/** A longer nap must gather so many times as many requests per event as the one before. */
const LEAST_GAIN = 1.2;

/** Requests per event of which more would save little: each has costs of its own. */
const ENOUGH = 24;

export class NapLength {
  #at = 0;
  #windows = 0;
  #perEvent = 0;
  /** What the shorter nap gathered, while the longer one is on trial. */
  #before: number | undefined;
  readonly #rest = new Rest(COALESCE_OFF_MS, COALESCE_OFF_LONGEST_MS);

  get milliseconds(): number {
    return COALESCE_NAPS_MS[this.#at] ?? 0;
  }

  /** A window with such naps brought as much as one without, and gathered. */
  worthIt(perEvent: number, now: number): void {
    this.#windows += 1;
    this.#perEvent += perEvent;
    if (this.#windows < JUDGED_WINDOWS) return;
    const gathered = this.#perEvent / this.#windows;
    this.#forgetWindows();
    if (this.#before !== undefined && gathered < this.#before * LEAST_GAIN) {
      this.shorten(now);
      return;
    }
    if (this.#before !== undefined) this.#rest.paid();
    this.#before = undefined;
    const longest = this.#at === COALESCE_NAPS_MS.length - 1;
    if (longest || gathered >= ENOUGH || !this.#rest.isOver(now)) return;
    this.#before = gathered;
    this.#at += 1;
  }

  /** Longer again after a second, then after twice as long each time. @returns false: it is the shortest */
  shorten(now: number): boolean {
    this.#forgetWindows();
    this.#before = undefined;
    if (this.#at === 0) return false;
    this.#at -= 1;
    this.#rest.begin(now);
    return true;
  }

  /** For other clients. */
  reset(): void {
    this.#forgetWindows();
    this.#before = undefined;
    this.#at = 0;
    this.#rest.end();
  }

  #forgetWindows(): void {
    this.#windows = 0;
    this.#perEvent = 0;
  }
}
