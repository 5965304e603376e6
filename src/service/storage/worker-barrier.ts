/**
 * The barrier over all workers. Every worker is told to hold, and has to say so in time; where one does not,
 * all go on and nothing has happened.
 */
import { Fault } from '../../errors/index.ts';
import type { VolumePlan } from '../../exports/index.ts';
import type { Barrier, VolumeContent } from '../../volumes/index.ts';
import type { BarrierAnswer, WorkerPool } from '../workers/worker-pool.ts';
import { HOLD_TIME_MAX, PART_TIME_MAX } from './limits.ts';

interface Turn {
  readonly missing: Set<number>;
  readonly failures: string[];
  readonly done: PromiseWithResolvers<void>;
}

export interface WorkerBarrierOptions {
  readonly planOf: (key: string, content: VolumeContent) => VolumePlan | undefined;
  /** A worker could not open what is new: its requests fail. */
  readonly failed: (key: string, message: string) => void;
  readonly timeMax?: number;
  readonly partTimeMax?: number;
}

export class WorkerBarrier implements Barrier {
  readonly #options: WorkerBarrierOptions;
  readonly #turns = new Map<number, Turn>();
  #pool: Pick<WorkerPool, 'size' | 'tellAll'> | undefined;
  #lastTurn = 0;

  constructor(options: WorkerBarrierOptions) {
    this.#options = options;
  }

  attach(pool: Pick<WorkerPool, 'size' | 'tellAll'>): void {
    this.#pool = pool;
  }

  async hold(keys: readonly string[], { flush }: { readonly flush: boolean }): Promise<void> {
    const [number, turn] = this.#begin();
    this.#pool?.tellAll({ kind: 'hold', turn: number, keys, flush });
    const inTime = await this.#inTime(turn);
    this.#turns.delete(number);
    if (inTime && turn.failures.length === 0) return;
    await this.resume(keys, new Map());
    const [failure] = turn.failures;
    if (failure !== undefined) {
      throw new Fault('UNAVAILABLE', `what was written could not be made durable: ${failure}`);
    }
    throw new Fault('UNAVAILABLE', 'a data worker did not come to a halt in time; try again');
  }

  async resume(
    keys: readonly string[],
    contents: ReadonlyMap<string, VolumeContent | 'refused'>,
  ): Promise<boolean> {
    const plans = new Map<string, VolumePlan | 'refused'>();
    for (const [key, content] of contents) {
      const plan = content === 'refused' ? content : this.#options.planOf(key, content);
      plans.set(key, plan ?? 'refused');
    }
    const [number, turn] = this.#begin();
    this.#pool?.tellAll({ kind: 'resume', turn: number, keys, plans });
    // What is old may be deleted when nobody has it open any more.
    const isTold = await this.#inTime(turn);
    this.#turns.delete(number);
    return isTold;
  }

  /**
   * All let go of a repository: their handles fail, and their sessions end.
   * @returns whether every worker said in time that it did; else one may still write to it
   */
  async part(repositoryId: string): Promise<boolean> {
    const [number, turn] = this.#begin();
    this.#pool?.tellAll({ kind: 'disconnect', turn: number, repositoryId });
    const isParted = await this.#inTime(turn, this.#options.partTimeMax ?? PART_TIME_MAX);
    this.#turns.delete(number);
    return isParted;
  }

  /** What a worker says. */
  receive(worker: number, message: BarrierAnswer): void {
    if (message.kind === 'resumed') {
      for (const { key, message: why } of message.failed) this.#options.failed(key, why);
    }
    const turn = this.#turns.get(message.turn);
    if (turn === undefined) return;
    if (message.kind === 'held' && message.failure !== undefined) {
      turn.failures.push(message.failure);
    }
    turn.missing.delete(worker);
    if (turn.missing.size === 0) turn.done.resolve();
  }

  #begin(): [number, Turn] {
    this.#lastTurn += 1;
    const workers = Array.from({ length: this.#pool?.size ?? 0 }, (_, worker) => worker);
    const done = Promise.withResolvers<void>();
    const turn: Turn = { missing: new Set(workers), failures: [], done };
    if (workers.length === 0) done.resolve();
    this.#turns.set(this.#lastTurn, turn);
    return [this.#lastTurn, turn];
  }

  async #inTime(
    { done }: Turn,
    timeMax = this.#options.timeMax ?? HOLD_TIME_MAX,
  ): Promise<boolean> {
    const late = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => late.resolve(false), timeMax);
    try {
      return await Promise.race([done.promise.then(() => true), late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}
