import type { Answer, FromWorker } from './messages.ts';
import { PendingAnswers } from './pending-answers.ts';

type Ask = Extract<FromWorker, { kind: 'ask' }>;

/** What a worker's data ports ask of their repositories' control ports: to open, to allocate; never for a block. */
export class ControlClient {
  readonly #send: (message: Ask) => void;
  readonly #pending = new PendingAnswers();

  constructor(send: (message: Ask) => void) {
    this.#send = send;
  }

  /** @throws BlockError */
  ask(repositoryId: string, question: unknown): Promise<unknown> {
    return this.#pending.ask((request) =>
      this.#send({ kind: 'ask', request, repositoryId, question }),
    );
  }

  receive(request: number, answer: Answer): void {
    this.#pending.receive(request, answer);
  }
}
