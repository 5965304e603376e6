import { REPLICATION_WINDOW_BYTES, REPLICATION_WINDOWS } from './limits.ts';

type Buffers = readonly [Buffer, Buffer];

/** A few windows under way at the same time, in buffers that are used again. */
export class WindowSlots {
  readonly #free: Buffers[] = [];
  #made = 0;
  readonly #running = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  /**
   * Settles when the work has begun.
   * @throws what work that was begun before has failed with
   */
  async run(work: (buffers: Buffers) => Promise<void>): Promise<void> {
    while (this.#running.size >= REPLICATION_WINDOWS) await Promise.race(this.#running);
    if (this.#failure !== undefined) throw this.#failure.error;
    const buffers = this.#take();
    const running = work(buffers)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        this.#running.delete(running);
        this.#free.push(buffers);
      });
    this.#running.add(running);
  }

  /** Settles when nothing runs. @throws what the first has failed with */
  async settle(): Promise<void> {
    await Promise.all(this.#running);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #take(): Buffers {
    const buffers = this.#free.pop();
    if (buffers !== undefined) return buffers;
    if (this.#made >= REPLICATION_WINDOWS) throw new Error('more windows than slots');
    this.#made += 1;
    // Whoever has them fills what they use of them.
    return [
      Buffer.allocUnsafeSlow(REPLICATION_WINDOW_BYTES),
      Buffer.allocUnsafeSlow(REPLICATION_WINDOW_BYTES),
    ];
  }
}
