import { isPromise, type MaybePromise } from '../base/index.ts';
import { BlockError, type BlockOperation } from '../errors/index.ts';

/**
 * The open/closing/closed state of a device: counts what runs, lets `close` wait for it, and refuses
 * what comes later. A call that settles at once costs one comparison.
 */
export class Gate {
  #closed: Promise<void> | undefined;
  #running = 0;
  #idle: (() => void) | undefined;

  /** @throws BlockError ESHUTDOWN once `close` was called. */
  check(operation: BlockOperation, offset: number, length: number): void {
    if (this.#closed !== undefined) {
      throw new BlockError('ESHUTDOWN', operation, offset, length, 'the device is closed');
    }
  }

  /** Counts a call until it settles. */
  track<T>(result: MaybePromise<T>): MaybePromise<T> {
    if (!isPromise(result)) return result;
    this.#running += 1;
    return result.then(
      (value) => {
        this.#leave();
        return value;
      },
      (error: unknown) => {
        this.#leave();
        throw error;
      },
    );
  }

  /** Closes the gate, waits for what runs, then runs `finish`; once, however often it is called. */
  close(finish: () => Promise<void>): Promise<void> {
    this.#closed ??= this.#drain().then(finish);
    return this.#closed;
  }

  #leave(): void {
    this.#running -= 1;
    if (this.#running === 0) this.#idle?.();
  }

  async #drain(): Promise<void> {
    if (this.#running === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }
}

/** For devices that hold nothing that needs closing. */
export async function nothingToClose(): Promise<void> {}
