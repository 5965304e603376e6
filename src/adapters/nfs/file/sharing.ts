/**
 * What the ports (threads) that have one file open agree on, in memory that they share.
 *
 * What one thread wrote UNSTABLE only that thread can write again, and only after it has seen that the server restarted.
 * Until then another thread would read what was there before, flush without it, or have what it wrote since undone by
 * it. So UNSTABLE is for a thread that has the file alone. As soon as another one opens it, every write is DATA_SYNC;
 * and that open settles only when what was UNSTABLE is on stable storage.
 *
 * The control port counts the ports (questions.ts). A writer first says that it may have unstable data and then looks
 * whether it is alone; who opens is counted first and then looks for unstable data: one of the two sees the other. A
 * thread that dies stays counted: the service ends then (worker-pool.ts), and the count with it.
 */

import { SHARING_LOOK_MS } from '../limits.ts';

/** Ports that have the file open. */
const PORTS = 0;
/** Grows whenever another port opens the file. */
const JOINED = 1;
/** Ports that may have unstable data. */
const UNSTABLE_PORTS = 2;
const WORDS = 3;

export function newSharing(): SharedArrayBuffer {
  return new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT);
}

/** Of the control port. */
export function countPorts(memory: SharedArrayBuffer, ports: number, joined: boolean): void {
  const words = new Int32Array(memory);
  Atomics.store(words, PORTS, ports);
  if (joined) Atomics.add(words, JOINED, 1);
  Atomics.notify(words, JOINED);
  Atomics.notify(words, UNSTABLE_PORTS); // who waits for us may be alone now
}

export class Sharing {
  readonly #words: Int32Array;
  #unstable = false;
  #watches = 0;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  get alone(): boolean {
    return Atomics.load(this.#words, PORTS) <= 1;
  }

  /**
   * Whether the next write may be UNSTABLE; the others know then. Until `settled`.
   * @param calledUpon as soon as another port opens the file: make what is unstable stable, then call `settled`
   */
  mayBeUnstable(calledUpon: () => void): boolean {
    if (!this.alone) return false;
    if (this.#unstable) return true;
    const joined = Atomics.load(this.#words, JOINED);
    this.#unstable = true;
    Atomics.add(this.#words, UNSTABLE_PORTS, 1);
    if (this.alone) {
      void this.#watch(joined, calledUpon);
      return true;
    }
    this.settled();
    return false;
  }

  /** Nothing unstable is left, or ever will be made stable. Again: fine. */
  settled(): void {
    if (!this.#unstable) return;
    this.#unstable = false;
    Atomics.sub(this.#words, UNSTABLE_PORTS, 1);
    Atomics.notify(this.#words, UNSTABLE_PORTS);
    Atomics.notify(this.#words, JOINED); // ends our own #watch
  }

  /** Of a port that was just counted. @returns whether everything of others is stable within the patience (milliseconds) */
  async othersAreStable(patience: number, clock: () => number): Promise<boolean> {
    const end = clock() + patience;
    for (;;) {
      const unstable = Atomics.load(this.#words, UNSTABLE_PORTS);
      if (unstable === 0 || this.alone) return true;
      if (clock() >= end) return false;
      const sleep = Atomics.waitAsync(this.#words, UNSTABLE_PORTS, unstable, SHARING_LOOK_MS);
      if (sleep.async) await sleep.value;
    }
  }

  async #watch(before: number, calledUpon: () => void): Promise<void> {
    this.#watches += 1;
    const watch = this.#watches;
    for (let joined = before; ; ) {
      const sleep = Atomics.waitAsync(this.#words, JOINED, joined);
      if (sleep.async) await sleep.value;
      if (!this.#unstable || watch !== this.#watches) return;
      const now = Atomics.load(this.#words, JOINED);
      if (now !== joined) calledUpon();
      joined = now;
    }
  }
}
