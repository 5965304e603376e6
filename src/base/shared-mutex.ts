import type { MaybePromise } from './maybe-promise.ts';

const FREE = 0;
const HELD = 1;
/** Held, and some thread may be asleep on the word. */
const CONTENDED = 2;

/** After so many hand-overs inside one thread the other threads get their turn. */
const LOCAL_TURNS = 16;

/**
 * A mutex in one word of shared memory, between threads and between the asynchronous callers of one
 * thread (the three-state futex mutex, waiting with Atomics.waitAsync so that no thread ever
 * blocks). Callers of one thread get it in the order in which they asked.
 *
 * A thread that dies while it holds the mutex leaves it held: losing a worker ends the process.
 */
export class SharedMutex {
  readonly #words: Int32Array;
  readonly #index: number;
  /** Callers of this thread that wait; while there are any, nobody overtakes them. */
  readonly #queue: (() => void)[] = [];
  #turns = 0;
  #waiting = false;

  constructor(words: Int32Array, index: number) {
    this.#words = words;
    this.#index = index;
  }

  /** Takes the mutex if it is free and nobody of this thread waits for it. */
  tryLock(): boolean {
    return (
      this.#queue.length === 0 &&
      !this.#waiting &&
      Atomics.compareExchange(this.#words, this.#index, FREE, HELD) === FREE
    );
  }

  /** Settles when the caller holds the mutex: at once when it is free. */
  lock(): MaybePromise<void> {
    if (this.tryLock()) return undefined;
    return new Promise<void>((resolve) => {
      this.#queue.push(resolve);
      if (!this.#waiting) void this.#wait();
    });
  }

  unlock(): void {
    if (this.#queue.length > 0 && !this.#waiting && this.#turns < LOCAL_TURNS) {
      this.#turns += 1;
      this.#queue.shift()?.(); // stays held; the next caller of this thread has it now
      return;
    }
    this.#turns = 0;
    const before = Atomics.exchange(this.#words, this.#index, FREE);
    if (before === CONTENDED) Atomics.notify(this.#words, this.#index, 1);
    if (this.#queue.length > 0 && !this.#waiting) {
      // Step back for one turn of the event loop, or this thread would take it again at once.
      this.#waiting = true;
      setImmediate(() => void this.#wait());
    }
  }

  /** Waits for the word on behalf of this thread, then hands the mutex to the first in the queue. */
  async #wait(): Promise<void> {
    this.#waiting = true;
    while (Atomics.exchange(this.#words, this.#index, CONTENDED) !== FREE) {
      const sleep = Atomics.waitAsync(this.#words, this.#index, CONTENDED);
      if (sleep.async) await sleep.value;
    }
    this.#waiting = false;
    this.#queue.shift()?.();
  }
}
