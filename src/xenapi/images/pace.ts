/** The pace of a transfer: its progress, the wish to end it, and turns for everybody else. */
import { setImmediate } from 'node:timers/promises';
import { Fault } from '../../errors/index.ts';
import { BYTES_PER_TURN } from './limits.ts';

export interface TransferHooks {
  /** Aborted: the transfer ends soon, with Fault CANCELLED. */
  readonly signal: AbortSignal;
  /** @param fraction 0 … 1, rising */
  readonly progress: (fraction: number) => void;
}

export class Pace {
  readonly #hooks: TransferHooks;
  #sinceTurn = 0;
  #told = 0;

  constructor(hooks: TransferHooks) {
    this.#hooks = hooks;
  }

  /** @throws Fault CANCELLED */
  check(): void {
    if (this.#hooks.signal.aborted) throw new Fault('CANCELLED', 'the transfer was cancelled');
  }

  /**
   * So many of all bytes are done. Never goes back.
   * @throws Fault CANCELLED
   */
  reach(done: number, total: number): void {
    this.check();
    const fraction = total > 0 ? Math.min(1, done / total) : 1;
    if (fraction <= this.#told) return;
    this.#told = fraction;
    this.#hooks.progress(fraction);
  }

  /** Work on so many bytes: memory never waits, and without this the event loop would stand still. @throws Fault CANCELLED */
  async spend(bytes: number): Promise<void> {
    this.#sinceTurn += bytes;
    if (this.#sinceTurn < BYTES_PER_TURN) return;
    this.#sinceTurn = 0;
    await setImmediate();
    this.check();
  }
}
