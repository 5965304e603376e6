/** One pass of an export over the disk: progress, cancellation, and turns for everybody else. */
import { setImmediate } from 'node:timers/promises';
import { cancelled } from './export-fault.ts';
import { EXPORT_BYTES_PER_TURN } from './limits.ts';

export interface ExportProgress {
  /** Bytes of the disk done so far; a disk that is read twice counts twice. */
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

export interface ExportHooks {
  readonly signal: AbortSignal;
  readonly progress: (progress: ExportProgress) => void;
}

export class Pass {
  readonly #hooks: ExportHooks;
  readonly #before: number;
  readonly #total: number;
  #sinceTurn = 0;

  /** @param number counted from 0, of `passes` that the export takes */
  constructor(hooks: ExportHooks, size: number, number = 0, passes = 1) {
    this.#hooks = hooks;
    this.#before = number * size;
    this.#total = passes * size;
  }

  /** @throws Fault CANCELLED */
  check(): void {
    if (this.#hooks.signal.aborted) throw cancelled();
  }

  /**
   * Work on `bytes` is done, and with it everything of the disk up to `at`. Reads from memory never
   * wait: without this the event loop would stand still.
   * @throws Fault CANCELLED
   */
  async step(at: number, bytes: number): Promise<void> {
    this.check();
    this.#hooks.progress({ bytesDone: this.#before + at, bytesTotal: this.#total });
    await this.spend(bytes);
  }

  /** Counts work on so many bytes towards the next turn. @throws Fault CANCELLED */
  async spend(bytes: number): Promise<void> {
    this.#sinceTurn += bytes;
    if (this.#sinceTurn >= EXPORT_BYTES_PER_TURN) await this.turn();
  }

  /** @throws Fault CANCELLED */
  async turn(): Promise<void> {
    this.#sinceTurn = 0;
    await setImmediate();
    this.check();
  }
}
