import type { MaybePromise } from '../../base/index.ts';

/** Walks through batches item by item, and waits only between batches. */
export class BatchCursor<T> {
  readonly #batches: AsyncIterator<readonly T[]> | undefined;
  #batch: readonly T[] = [];
  #at = 0;

  private constructor(batches: AsyncIterator<readonly T[]> | undefined) {
    this.#batches = batches;
  }

  /** At the first item. @param batches undefined: none */
  static async open<T>(batches: AsyncIterable<readonly T[]> | undefined): Promise<BatchCursor<T>> {
    const cursor = new BatchCursor<T>(batches?.[Symbol.asyncIterator]());
    await cursor.#load();
    return cursor;
  }

  /** The item where it stands; undefined at the end. */
  get item(): T | undefined {
    return this.#batch[this.#at];
  }

  next(): MaybePromise<void> {
    this.#at += 1;
    return this.#at < this.#batch.length ? undefined : this.#load();
  }

  async close(): Promise<void> {
    await this.#batches?.return?.();
  }

  async #load(): Promise<void> {
    this.#batch = [];
    this.#at = 0;
    while (this.#batches !== undefined && this.#batch.length === 0) {
      const { value, done } = await this.#batches.next();
      if (done === true) return;
      this.#batch = value;
    }
  }
}
