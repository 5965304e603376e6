import type { Timers } from '../../../src/xenapi/timers.ts';

/** Time that passes when the test says so. */
export class ManualTimers implements Timers {
  #now = Date.UTC(2026, 10, 28);
  readonly #due = new Set<{ readonly at: number; readonly action: () => void }>();

  now(): number {
    return this.#now;
  }

  after(ms: number, action: () => void): () => void {
    const timer = { at: this.#now + ms, action };
    this.#due.add(timer);
    return () => this.#due.delete(timer);
  }

  /** How many are set. */
  get pending(): number {
    return this.#due.size;
  }

  /** What is due meanwhile happens, in order. */
  pass(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const [next] = [...this.#due].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#due.delete(next);
      this.#now = next.at;
      next.action();
    }
    this.#now = end;
  }
}

/** What is to happen in a later turn has happened. */
export async function laterTurns(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}
