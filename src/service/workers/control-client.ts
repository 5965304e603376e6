import { BlockError } from '../../errors/index.ts';
import type { Answer, FromWorker } from './messages.ts';

type Ask = Extract<FromWorker, { kind: 'ask' }>;

/** What a worker's data ports ask of their repositories' control ports: to open, to allocate; never for a block. */
export class ControlClient {
  readonly #send: (message: Ask) => void;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #lastRequest = 0;

  constructor(send: (message: Ask) => void) {
    this.#send = send;
  }

  /** @throws BlockError */
  ask(repositoryId: string, question: unknown): Promise<unknown> {
    this.#lastRequest += 1;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(this.#lastRequest, waiting);
    this.#send({ kind: 'ask', request: this.#lastRequest, repositoryId, question });
    return waiting.promise;
  }

  receive(request: number, answer: Answer): void {
    const waiting = this.#waiting.get(request);
    this.#waiting.delete(request);
    if (answer.ok) waiting?.resolve(answer.value);
    else waiting?.reject(new BlockError(answer.errno, 'open', 0, 0, answer.message));
  }
}
