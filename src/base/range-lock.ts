import { isPromise, type MaybePromise } from './maybe-promise.ts';

interface Ticket {
  readonly start: number;
  readonly end: number;
  /** Fulfilled, never rejected, when the work is over. */
  readonly over: Promise<void>;
}

/**
 * Keeps work on overlapping ranges in the order in which it was asked for, when some of it is
 * asynchronous. Work that overlaps nothing runs at once; work that settles at once is never
 * registered, so a stack that answers synchronously pays one comparison.
 */
export class RangeLock {
  /** In order of arrival. Short: as many as requests that wait for a disk. */
  readonly #tickets: Ticket[] = [];

  /** Nothing runs: a caller may skip `run` for work that settles at once, and tell of it by `joined` if it did not. */
  get idle(): boolean {
    return this.#tickets.length === 0;
  }

  /** Work on [start, end) that was begun while nothing ran, and waits: what comes later waits for it. */
  joined<T>(start: number, end: number, work: Promise<T>): Promise<T> {
    this.#register(start, end, work);
    return work;
  }

  /** Runs `work` on [start, end) after everything asked for earlier that overlaps it. */
  run<T>(start: number, end: number, work: () => MaybePromise<T>): MaybePromise<T> {
    const earlier = this.#overlapping(start, end);
    if (earlier.length === 0) {
      const result = work();
      if (isPromise(result)) this.#register(start, end, result);
      return result;
    }
    const result = Promise.all(earlier).then(work);
    this.#register(start, end, result);
    return result;
  }

  #overlapping(start: number, end: number): Promise<void>[] {
    const found: Promise<void>[] = [];
    for (const ticket of this.#tickets) {
      if (ticket.start < end && start < ticket.end) found.push(ticket.over);
    }
    return found;
  }

  #register(start: number, end: number, result: Promise<unknown>): void {
    const leave = (): void => {
      this.#tickets.splice(this.#tickets.indexOf(ticket), 1);
    };
    const ticket: Ticket = { start, end, over: result.then(leave, leave) };
    this.#tickets.push(ticket);
  }
}
