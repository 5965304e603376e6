import type { Pending } from './pending.ts';

/**
 * Cookies of the requests in flight: the lower half says which slot, the upper half how often it was
 * used before. So a reply finds its request without hashing, and a second reply to the same request,
 * or one that was never asked for, finds none.
 */
export class Slots {
  readonly #pending: (Pending | undefined)[] = [];
  readonly #generations: number[] = [];
  readonly #unused: number[] = [];

  constructor(capacity: number) {
    for (let slot = capacity - 1; slot >= 0; slot -= 1) {
      this.#unused.push(slot);
      this.#pending.push(undefined);
      this.#generations.push(0);
    }
  }

  get free(): number {
    return this.#unused.length;
  }

  get used(): number {
    return this.#pending.length - this.#unused.length;
  }

  /** A slot must be free. */
  take(pending: Pending): { cookieHigh: number; cookieLow: number } {
    const slot = this.#unused.pop();
    if (slot === undefined) throw new RangeError('no free slot');
    const generation = ((this.#generations[slot] ?? 0) + 1) | 0;
    this.#generations[slot] = generation;
    this.#pending[slot] = pending;
    return { cookieHigh: generation, cookieLow: slot };
  }

  find(cookieHigh: number, cookieLow: number): Pending | undefined {
    return this.#generations[cookieLow] === cookieHigh ? this.#pending[cookieLow] : undefined;
  }

  release(cookieLow: number): void {
    if (this.#pending[cookieLow] === undefined) return;
    this.#pending[cookieLow] = undefined;
    this.#unused.push(cookieLow);
  }

  /** Empties all slots; what was in them, oldest slot first. */
  clear(): Pending[] {
    const all = this.#pending.filter((pending) => pending !== undefined);
    for (let slot = 0; slot < this.#pending.length; slot += 1) this.release(slot);
    return all;
  }
}
