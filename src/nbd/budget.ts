/**
 * Memory that the requests and replies of all connections hold together. A connection that finds
 * the budget used up stops reading its socket and is woken when others give back.
 */
export class Budget {
  readonly #limit: number;
  #used = 0;
  readonly #waiting = new Set<() => void>();

  /** @param limit bytes */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  /** Whether `bytes` more may be taken. An empty budget admits anything: else it could never move. */
  admits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.#limit;
  }

  take(bytes: number): void {
    this.#used += bytes;
  }

  give(bytes: number): void {
    this.#used -= bytes;
    if (this.#waiting.size === 0) return;
    // Everyone looks again; who finds no room waits anew, behind the others.
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  wait(wake: () => void): void {
    this.#waiting.add(wake);
  }

  forget(wake: () => void): void {
    this.#waiting.delete(wake);
  }
}
