import { isPromise, type MaybePromise } from './maybe-promise.ts';

/**
 * Parts of one piece of work, some of which wait. `settle` is over only when every part is, also
 * when one has failed: a part still running would write to memory that its owner has taken back.
 */
export class Gather {
  #waits: Promise<void>[] | undefined;
  #failure: { readonly error: unknown } | undefined;

  /** Starts a part. After a part has failed at once, further parts are not started. */
  run(part: () => MaybePromise<void>): void {
    if (this.#failure !== undefined) return;
    try {
      const result = part();
      if (!isPromise(result)) return;
      this.#waits ??= [];
      this.#waits.push(result);
    } catch (error) {
      this.#failure = { error };
    }
  }

  /** Waits for the parts that wait; then throws the first failure. */
  settle(): MaybePromise<void> {
    if (this.#waits !== undefined) return this.#settleWaits(this.#waits);
    if (this.#failure !== undefined) throw this.#failure.error;
    return undefined;
  }

  async #settleWaits(waits: readonly Promise<void>[]): Promise<void> {
    const results = await Promise.allSettled(waits);
    if (this.#failure !== undefined) throw this.#failure.error;
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }
}
