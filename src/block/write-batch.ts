import { chain, Gather, isPromise, type MaybePromise } from '../base/index.ts';

/**
 * Writes that will be acknowledged together: those of one read event of a connection. A device may leave
 * a part of each of them to the end and do it once for all. The caller commits before it acknowledges
 * any of them, in the same turn of the event loop in which it made them: until then others may be kept
 * waiting, and what was written may not be seen by reads.
 */
export class WriteBatch {
  #unfinished: (() => MaybePromise<void>)[] = [];

  /** `finish` is called once, by `commit`. */
  join(finish: () => MaybePromise<void>): void {
    this.#unfinished.push(finish);
  }

  /**
   * Finishes what the devices left. The batch may be used again.
   * @throws or rejects with what a device fails with: then none of the writes may be acknowledged
   */
  commit(): MaybePromise<void> {
    if (this.#unfinished.length === 0) return undefined;
    const unfinished = this.#unfinished;
    this.#unfinished = [];
    const gather = new Gather();
    let failure: { readonly error: unknown } | undefined;
    for (const finish of unfinished) {
      // All of them, also behind one that fails: none may be left half done.
      try {
        const result = finish();
        if (isPromise(result)) gather.run(() => result);
      } catch (error) {
        failure ??= { error };
      }
    }
    return chain(gather.settle(), () => {
      if (failure !== undefined) throw failure.error;
    });
  }
}
