import { THROTTLE_STEP_MS } from './limits.ts';

export interface ThrottleParts {
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Waits so many milliseconds; rejects with the signal's reason. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/**
 * So many bytes a second, on average, shared by all who take of it. What was taken is owed, and paid off by time;
 * who comes while something is owed waits. The rate may change while they wait.
 */
export class Throttle {
  readonly #parts: ThrottleParts;
  #bytesPerSecond: number | undefined;
  #owed = 0;
  #paidAt: number;
  /** Aborted, and made anew, when the rate changes. */
  #changed = new AbortController();

  /** @param bytesPerSecond undefined: as fast as it goes */
  constructor(bytesPerSecond: number | undefined, parts: ThrottleParts) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#parts = parts;
    this.#paidAt = parts.now();
  }

  get bytesPerSecond(): number | undefined {
    return this.#bytesPerSecond;
  }

  set(bytesPerSecond: number | undefined): void {
    this.#pay();
    this.#bytesPerSecond = bytesPerSecond;
    this.#changed.abort();
    this.#changed = new AbortController();
  }

  /** Settles when `bytes` may be moved. Rejects with the signal's reason. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    for (let wait = this.#pay(); wait > 0; wait = this.#pay()) {
      const changed = this.#changed.signal;
      const step = Math.min(wait, THROTTLE_STEP_MS);
      await this.#parts.sleep(step, AbortSignal.any([signal, changed])).catch((error: unknown) => {
        if (!changed.aborted) throw error;
      });
      signal.throwIfAborted();
    }
    this.#owed += bytes;
  }

  /** @returns milliseconds until nothing is owed any more */
  #pay(): number {
    const now = this.#parts.now();
    const rate = this.#bytesPerSecond;
    const paid = rate === undefined ? this.#owed : ((now - this.#paidAt) / 1000) * rate;
    this.#owed = Math.max(0, this.#owed - paid);
    this.#paidAt = now;
    return rate === undefined ? 0 : Math.ceil((this.#owed / rate) * 1000);
  }
}
