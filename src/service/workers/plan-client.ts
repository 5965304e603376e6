import type { MessagePort } from 'node:worker_threads';
import { Fault } from '../../errors/index.ts';
import type { ExportClient, ExportSummary, PlanSource, StackPlan } from '../../exports/index.ts';
import type { FromWorker, ToWorker } from './messages.ts';

interface Waiting {
  readonly plan?: (plan: StackPlan) => void;
  readonly exports?: (exports: readonly ExportSummary[]) => void;
  readonly refuse: (error: Fault) => void;
}

/** Asks the control thread for plans; a worker has one. */
export class PlanClient implements PlanSource {
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, Waiting>();
  #lastRequest = 0;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  list(): Promise<readonly ExportSummary[]> {
    return new Promise((exports, refuse) => {
      const request = this.#wait({ exports, refuse });
      this.#send({ kind: 'list', request });
    });
  }

  plan(name: string, client: ExportClient): Promise<StackPlan> {
    return new Promise((plan, refuse) => {
      const request = this.#wait({ plan, refuse });
      this.#send({ kind: 'open', request, name, client });
    });
  }

  release(key: string, name: string): void {
    this.#send({ kind: 'released', key, name });
  }

  /** Hands an answer to whoever waits for it. */
  receive(message: Extract<ToWorker, { readonly request: number }>): void {
    const waiting = this.#waiting.get(message.request);
    this.#waiting.delete(message.request);
    switch (message.kind) {
      case 'plan':
        waiting?.plan?.(message.plan);
        return;
      case 'exports':
        waiting?.exports?.(message.exports);
        return;
      case 'refused':
        waiting?.refuse(new Fault(message.code, message.message));
        return;
    }
  }

  #wait(waiting: Waiting): number {
    this.#lastRequest += 1;
    this.#waiting.set(this.#lastRequest, waiting);
    return this.#lastRequest;
  }

  #send(message: FromWorker): void {
    this.#port.postMessage(message);
  }
}
