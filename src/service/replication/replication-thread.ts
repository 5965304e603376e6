/** The replication thread, seen from the control thread: the Replicator that control asks (replication-port.ts). */
import { Worker } from 'node:worker_threads';
import type {
  CopyPointRequest,
  CopyWatch,
  Replicator,
  SnapshotName,
  Storage,
  VolumeName,
} from '../../control/index.ts';
import { Fault } from '../../errors/index.ts';
import type { VolumePlan } from '../../exports/index.ts';
import type { Change, CopiedPoint, ReadContent } from '../../repositories/index.ts';
import type { ToWorker } from '../workers/messages.ts';
import { portAnswer } from '../workers/port-answer.ts';
import { CHANGES_PER_PAGE } from './limits.ts';
import type {
  CopyJob,
  FromReplication,
  Question,
  ReadJob,
  ReplicationStart,
  Reply,
  ToReplication,
} from './messages.ts';

/** What the thread needs of the rest of the service. */
export interface ReplicationOwner {
  /**
   * Counted until `released` of its key.
   * @param write it is the head of a replica: nobody else has it open
   * @throws Fault NOT_FOUND, UNAVAILABLE, IN_USE
   */
  plan(what: VolumeName | SnapshotName, options: { readonly write: boolean }): Promise<VolumePlan>;
  /** What it is made of by now: it may have been exchanged while others were planned. */
  now(plan: VolumePlan): VolumePlan;
  released(key: string, name: string): void;
  readonly storage: Pick<Storage, 'diff'>;
  /** A repository's data port asks its control port. @throws BlockError */
  answer(repositoryId: string, question: unknown): Promise<unknown>;
  barrier(worker: number, message: Extract<FromReplication, { readonly turn: number }>): void;
  died(error: Error): void;
}

/** What every thread is told that has volumes open. */
export type ToAllThreads = Extract<
  ToWorker,
  { kind: 'connect' | 'disconnect' | 'hold' | 'resume' }
>;

interface Running {
  readonly ended: PromiseWithResolvers<CopiedPoint | ReadContent>;
  readonly progress: (fraction: number, figures: CopiedPoint['figures']) => void;
  readonly answer: (asked: Question) => Promise<Reply>;
}

const WORKER_FILE = new URL('./replication-worker.ts', import.meta.url);

export class ReplicationThread implements Replicator {
  readonly #owner: ReplicationOwner;
  readonly #worker: Worker;
  readonly #number: number;
  readonly #running = new Map<number, Running>();
  #lastJob = 0;
  #stopping = false;

  constructor(start: ReplicationStart, owner: ReplicationOwner) {
    this.#owner = owner;
    this.#number = start.worker;
    this.#worker = new Worker(WORKER_FILE, { workerData: start, name: 'replication' });
    this.#worker.on('message', (message: FromReplication) => this.#receive(message));
    this.#worker.on('error', (error) => this.#died(error as Error));
    this.#worker.on('exit', (code) =>
      this.#died(new Error(`the replication thread left with code ${code}`)),
    );
  }

  /** What all threads that have volumes open are told. */
  tell(message: ToAllThreads): void {
    this.#post(message);
  }

  setThrottle(replicationId: string, bytesPerSecond: number | undefined): void {
    this.#post({ kind: 'throttle', replicationId, bytesPerSecond });
  }

  async copy(request: CopyPointRequest, watch: CopyWatch): Promise<CopiedPoint> {
    const { source, target, since, replicationId, compare, verification, cursor } = request;
    // Before anything is opened or written: whether what differs can be told at all.
    const start = cursor?.position ?? 0;
    const first = since === undefined ? [] : await this.#changes(request, start);
    const answer = async (asked: Question): Promise<Reply> => {
      if (asked.kind === 'record') {
        watch.record(asked.cursor);
        return { kind: 'recorded' };
      }
      const changes = asked.from === start ? first : await this.#changes(request, asked.from);
      return { kind: 'changes', changes, end: changes.length === 0 };
    };
    const plans = await this.#plans([
      [source, false],
      [target, true],
      ...(since === undefined ? [] : [[since.base, false] as const]),
    ]);
    const [from, to, base] = plans;
    if (from === undefined || to === undefined) throw new TypeError('a plan is missing');
    return await this.#run<CopiedPoint>(
      (job): CopyJob => ({
        ...{ kind: 'copy', job, replicationId, source: from, base, sum: since?.sum },
        ...{ target: to, compare, verification, cursor },
      }),
      { progress: watch.progress, answer },
      watch.signal,
    );
  }

  async read(
    request: Parameters<Replicator['read']>[0],
    watch: Parameters<Replicator['read']>[1],
  ): Promise<ReadContent> {
    const { replicationId, snapshot, size } = request;
    const source = await this.#owner.plan(snapshot, { write: false });
    return await this.#run<ReadContent>(
      (job): ReadJob => ({ kind: 'read', job, replicationId, source, size }),
      { progress: watch.progress, answer: async () => ({ kind: 'recorded' }) },
      watch.signal,
    );
  }

  /** Ends what runs. */
  async close(): Promise<void> {
    this.#stopping = true;
    await this.#worker.terminate();
    this.#failAll(new Fault('UNAVAILABLE', 'the service is stopping'));
  }

  async #changes(request: CopyPointRequest, from: number): Promise<readonly Change[]> {
    const { source: to, since, size } = request;
    if (from >= size) return [];
    const range = { offset: from, length: size - from, limit: CHANGES_PER_PAGE };
    return await this.#owner.storage.diff({ from: since?.base, to, ...range });
  }

  /** All of them, or none is left open. */
  async #plans(
    wanted: readonly (readonly [VolumeName | SnapshotName, boolean])[],
  ): Promise<readonly VolumePlan[]> {
    const plans: VolumePlan[] = [];
    try {
      for (const [what, write] of wanted) plans.push(await this.#owner.plan(what, { write }));
      return plans.map((plan) => this.#owner.now(plan));
    } catch (error) {
      for (const { key, name } of plans) this.#owner.released(key, name);
      throw error;
    }
  }

  async #run<T extends CopiedPoint | ReadContent>(
    message: (job: number) => CopyJob | ReadJob,
    watch: Omit<Running, 'ended'>,
    signal: AbortSignal,
  ): Promise<T> {
    this.#lastJob += 1;
    const job = this.#lastJob;
    const ended = Promise.withResolvers<CopiedPoint | ReadContent>();
    this.#running.set(job, { ...watch, ended });
    const cancel = (): void => this.#post({ kind: 'cancel', job });
    signal.addEventListener('abort', cancel, { once: true });
    try {
      this.#post(message(job));
      if (signal.aborted) cancel();
      return (await ended.promise) as T;
    } finally {
      signal.removeEventListener('abort', cancel);
      this.#running.delete(job);
    }
  }

  #receive(message: FromReplication): void {
    switch (message.kind) {
      case 'question':
        void this.#answer(message.job, message.question, message.asked);
        return;
      case 'progress':
        this.#running.get(message.job)?.progress(message.fraction, message.figures);
        return;
      case 'copied':
        this.#running.get(message.job)?.ended.resolve(message.point);
        return;
      case 'content':
        this.#running.get(message.job)?.ended.resolve(message.content);
        return;
      case 'failed':
        this.#running.get(message.job)?.ended.reject(new Fault(message.code, message.message));
        return;
      case 'ask':
        void portAnswer(message.request, () =>
          this.#owner.answer(message.repositoryId, message.question),
        ).then((answer) => this.#post(answer));
        return;
      case 'held':
      case 'resumed':
      case 'parted':
        this.#owner.barrier(this.#number, message);
        return;
      case 'released':
        this.#owner.released(message.key, message.name);
        return;
    }
  }

  async #answer(job: number, question: number, asked: Question): Promise<void> {
    const running = this.#running.get(job);
    if (running === undefined) return;
    let reply: Reply;
    try {
      reply = await running.answer(asked);
    } catch (error) {
      const code = error instanceof Fault ? error.code : 'INTERNAL';
      reply = { kind: 'refused', code, message: (error as Error).message };
    }
    this.#post({ kind: 'reply', job, question, reply });
  }

  #died(error: Error): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#failAll(new Fault('UNAVAILABLE', 'the replication thread died', {}, { cause: error }));
    this.#owner.died(error);
  }

  #failAll(fault: Fault): void {
    for (const { ended } of this.#running.values()) ended.reject(fault);
  }

  #post(message: ToReplication): void {
    this.#worker.postMessage(message);
  }
}
