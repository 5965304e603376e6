/** The jobs of the replication thread. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ReadableBlockDevice } from '../../block/index.ts';
import { Fault } from '../../errors/index.ts';
import type { ExportTable } from '../../exports/index.ts';
import {
  type Change,
  type CopiedPoint,
  type CopyFigures,
  copyPoint,
  NO_FIGURES,
  readContent,
  Throttle,
} from '../../repositories/index.ts';
import type { GivenPlans } from '../given-plans.ts';
import { blockFault } from './block-fault.ts';
import { PROGRESS_EVERY_MS } from './limits.ts';
import type { CopyJob, FromReplication, Question, ReadJob, Reply } from './messages.ts';
import { withDevices } from './opened-points.ts';

interface Running {
  readonly abort: AbortController;
  readonly questions: Map<number, (reply: Reply) => void>;
}

export class PointJobs {
  readonly #exports: ExportTable;
  readonly #given: GivenPlans;
  readonly #send: (message: FromReplication) => void;
  readonly #running = new Map<number, Running>();
  readonly #throttles = new Map<string, Throttle>();
  #lastQuestion = 0;

  constructor(exports: ExportTable, given: GivenPlans, send: (message: FromReplication) => void) {
    this.#exports = exports;
    this.#given = given;
    this.#send = send;
  }

  copy(job: CopyJob): Promise<void> {
    return this.#run(job.job, async (running) => {
      const { source, target, base } = job;
      const plans = base === undefined ? [source, target] : [source, target, base];
      const point = await withDevices(this.#exports, this.#given, plans, (devices) => {
        const [from, to, before] = devices;
        if (from === undefined || to === undefined) throw new TypeError('a device is missing');
        return this.#copy(job, running, { from, to, before });
      });
      this.#send({ kind: 'copied', job: job.job, point });
    });
  }

  read(job: ReadJob): Promise<void> {
    return this.#run(job.job, async ({ abort }) => {
      const { source, size } = job;
      const content = await withDevices(this.#exports, this.#given, [source], ([device]) => {
        if (device === undefined) throw new TypeError('a device is missing');
        const progress = this.#progress(job.job, size);
        return readContent(device, size, {
          throttle: this.#throttle(job.replicationId),
          signal: abort.signal,
          progress: (position) => progress(position, NO_FIGURES),
        });
      });
      this.#send({ kind: 'content', job: job.job, content });
    });
  }

  reply(job: number, question: number, reply: Reply): void {
    this.#running.get(job)?.questions.get(question)?.(reply);
  }

  cancel(job: number): void {
    this.#running.get(job)?.abort.abort(new Fault('CANCELLED', 'cancelled'));
  }

  /** Of what runs, and of what will. */
  throttle(replicationId: string, bytesPerSecond: number | undefined): void {
    this.#throttle(replicationId).set(bytesPerSecond);
  }

  #copy(
    job: CopyJob,
    running: Running,
    devices: {
      readonly from: ReadableBlockDevice;
      readonly to: Parameters<typeof copyPoint>[0]['target'];
      readonly before: ReadableBlockDevice | undefined;
    },
  ): Promise<CopiedPoint> {
    const { from: source, to: target, before } = devices;
    const changes = (from: number): AsyncIterable<Change> => this.#changes(job.job, running, from);
    const { compare, verification, cursor, sum } = job;
    const since =
      before === undefined || sum === undefined ? undefined : { base: before, sum, changes };
    return copyPoint(
      { source, target, since, compare, verification, cursor },
      {
        throttle: this.#throttle(job.replicationId),
        signal: running.abort.signal,
        now: () => performance.now(),
        random: Math.random,
        record: async (at) => {
          await this.#ask(job.job, running, { kind: 'record', cursor: at });
        },
        progress: this.#progress(job.job, source.geometry.size),
      },
    );
  }

  async *#changes(job: number, running: Running, from: number): AsyncGenerator<Change> {
    for (let at = from; ; ) {
      const reply = await this.#ask(job, running, { kind: 'changes', from: at });
      if (reply.kind !== 'changes') throw new TypeError('this is no page of changes');
      yield* reply.changes;
      const last = reply.changes.at(-1);
      if (reply.end || last === undefined) return;
      at = last.offset + last.length;
    }
  }

  /** @throws Fault */
  async #ask(
    job: number,
    { questions, abort }: Running,
    asked: Question,
  ): Promise<Exclude<Reply, { kind: 'refused' }>> {
    abort.signal.throwIfAborted();
    this.#lastQuestion += 1;
    const question = this.#lastQuestion;
    const answered = Promise.withResolvers<Reply>();
    questions.set(question, answered.resolve);
    this.#send({ kind: 'question', job, question, asked });
    const reply = await answered.promise;
    questions.delete(question);
    if (reply.kind === 'refused') throw new Fault(reply.code, reply.message);
    return reply;
  }

  #progress(job: number, size: number): (position: number, figures: CopyFigures) => void {
    let toldAt = Number.NEGATIVE_INFINITY;
    return (position, figures) => {
      const now = performance.now();
      if (now - toldAt < PROGRESS_EVERY_MS) return;
      toldAt = now;
      const fraction = size === 0 ? 1 : Math.min(1, position / size);
      this.#send({ kind: 'progress', job, fraction, figures: { ...figures } });
    };
  }

  #throttle(replicationId: string): Throttle {
    const known = this.#throttles.get(replicationId);
    if (known !== undefined) return known;
    const parts = {
      now: () => performance.now(),
      sleep: async (milliseconds: number, signal: AbortSignal): Promise<void> => {
        await delay(milliseconds, undefined, { signal });
      },
    };
    const throttle = new Throttle(undefined, parts);
    this.#throttles.set(replicationId, throttle);
    return throttle;
  }

  async #run(job: number, work: (running: Running) => Promise<void>): Promise<void> {
    const running: Running = { abort: new AbortController(), questions: new Map() };
    this.#running.set(job, running);
    const { signal } = running.abort;
    try {
      await work(running);
    } catch (error) {
      // A wait that is ended says AbortError; why it was ended, the signal says.
      const { code, message } = blockFault(signal.aborted ? signal.reason : error);
      this.#send({ kind: 'failed', job, code, message });
    } finally {
      this.#running.delete(job);
    }
  }
}
