import { BlockError } from '../../errors/index.ts';
import type { Answer } from './messages.ts';

/** What was asked of another thread, each by a number of its own that the answer repeats. */
export class PendingAnswers {
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #lastRequest = 0;

  /** How many were not answered yet. */
  get size(): number {
    return this.#waiting.size;
  }

  /** @param send given the number. @throws BlockError */
  ask(send: (request: number) => void): Promise<unknown> {
    this.#lastRequest += 1;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(this.#lastRequest, waiting);
    send(this.#lastRequest);
    return waiting.promise;
  }

  receive(request: number, answer: Answer): void {
    const waiting = this.#waiting.get(request);
    this.#waiting.delete(request);
    if (answer.ok) waiting?.resolve(answer.value);
    else waiting?.reject(new BlockError(answer.errno, 'open', 0, 0, answer.message));
  }

  /** Nobody will answer any more. */
  fail(error: Error): void {
    for (const waiting of this.#waiting.values()) {
      waiting.reject(BlockError.from(error, 'open', 0, 0));
    }
    this.#waiting.clear();
  }

  /** Settles when all that were asked so far are answered, rightly or not. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#waiting.values()].map(({ promise }) => promise));
  }
}
