/**
 * Opening the map of a write cache is work for a processor: 10 ms for one of 100 GiB that was written to everywhere. After a
 * restart that is to be done a thousand times before all machines have their disks again, so it is spread over threads, as
 * many as there are processors, which leave when it is done. One machine that connects is opened by the control thread.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { RECOVERY_THREADS_MAX } from '../limits.ts';
import { PendingAnswers } from '../workers/pending-answers.ts';
import type { RecoverAnswer, RecoverRequest, RecoveryStart } from './messages.ts';
import { type RecoverMap, recoverMap } from './recover-map.ts';

interface Thread {
  readonly worker: Worker;
  readonly pending: PendingAnswers;
}

const WORKER_FILE = new URL('./recovery-worker.ts', import.meta.url);

export class RecoveryThreads {
  readonly #start: RecoveryStart;
  readonly #troubled: (error: Error) => void;
  readonly #most: number;
  #threads: Thread[] = [];

  /** @param troubled a thread died; the others go on */
  constructor(
    logLevel: string,
    troubled: (error: Error) => void,
    most: number = Math.min(RECOVERY_THREADS_MAX, availableParallelism()),
  ) {
    this.#start = { logLevel };
    this.#troubled = troubled;
    this.#most = most;
  }

  /** There are threads while the work goes on. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    while (this.#threads.length < this.#most) this.#startOne();
    try {
      return await work();
    } finally {
      await this.#end();
    }
  }

  /** Opens the map where least is to be done: here, while there are no threads. */
  readonly recover: RecoverMap = async (volumes, map, opening) => {
    const [first, ...others] = this.#threads;
    // A thread has no connection to anything but the service's own repository.
    if (first === undefined || map.repository !== undefined) {
      return recoverMap(volumes, map, opening);
    }
    const thread = others.reduce(
      (least, other) => (other.pending.size < least.pending.size ? other : least),
      first,
    );
    const state = await thread.pending.ask((request) =>
      thread.worker.postMessage({ request, map, opening } satisfies RecoverRequest),
    );
    return state as SharedArrayBuffer;
  };

  #startOne(): void {
    const worker = new Worker(WORKER_FILE, { workerData: this.#start, name: 'recovery' });
    const thread: Thread = { worker, pending: new PendingAnswers() };
    this.#threads.push(thread);
    worker.on('message', ({ request, answer }: RecoverAnswer) =>
      thread.pending.receive(request, answer),
    );
    worker.on('error', (error) => this.#died(thread, error as Error));
    worker.on('exit', (code) => this.#died(thread, new Error(`a thread left with code ${code}`)));
  }

  /** What it had to open is opened when its machine connects. */
  #died(thread: Thread, error: Error): void {
    if (!this.#threads.includes(thread)) return; // told already, or ended
    this.#threads = this.#threads.filter((other) => other !== thread);
    this.#troubled(error);
    thread.pending.fail(error);
  }

  async #end(): Promise<void> {
    const threads = this.#threads;
    this.#threads = [];
    // A machine may have connected meanwhile, and wait for one of them.
    await Promise.all(threads.map(({ pending }) => pending.settled()));
    await Promise.all(threads.map(({ worker }) => worker.terminate()));
  }
}
