/**
 * Work that outlives its request. A task is a row from start to end; while it runs its progress is
 * kept in memory only, since it is worth nothing after a restart.
 */
import { FAULT_CODES, Fault, type FaultCode } from '../../errors/index.ts';
import { currentActor } from '../actor.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { FaultRecord, TaskRecord } from '../catalog/records.ts';
import { MAX_FINISHED_TASKS, MAX_RUNNING_TASKS } from '../limits.ts';
import type { Clock } from '../ports.ts';

/** @param percent 0 … 100 */
export type ReportProgress = (percent: number, message: string) => void;

/** Begins in a later turn than the task, so its signal may be aborted already. */
export type TaskWork = (report: ReportProgress, signal: AbortSignal) => Promise<unknown>;

export const STOPPED_MESSAGE = 'the service stopped';

interface Running {
  record: TaskRecord;
  readonly abort: AbortController;
  readonly settled: Promise<void>;
  readonly followers: Set<(task: TaskRecord) => void>;
}

export class TaskRunner {
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  readonly #newId: () => string;
  readonly #ended: (task: TaskRecord) => void;
  readonly #running = new Map<string, Running>();
  #closing = false;

  /** @param ended called when a task has ended and its row says so */
  constructor(
    catalog: Catalog,
    clock: Clock,
    newId: () => string,
    ended: (task: TaskRecord) => void = () => undefined,
  ) {
    this.#ended = ended;
    this.#catalog = catalog;
    this.#clock = clock;
    this.#newId = newId;
  }

  /** Tasks that a crash left as running: nobody works on them any more. */
  failInterrupted(): readonly TaskRecord[] {
    const stale = this.#catalog.tasks.running().filter((task) => !this.#running.has(task.id));
    const failed = stale.map(
      (task): TaskRecord => ({
        ...task,
        state: 'failed',
        message: STOPPED_MESSAGE,
        error: faultRecord(new Fault('UNAVAILABLE', STOPPED_MESSAGE)),
        endedAt: this.#clock.now(),
      }),
    );
    for (const task of failed) this.#catalog.tasks.save(task);
    return failed;
  }

  /** @throws Fault LIMIT_EXCEEDED, UNAVAILABLE, NO_SPACE */
  start(kind: string, subject: string, work: TaskWork): TaskRecord {
    if (this.#closing) throw new Fault('UNAVAILABLE', 'the service is stopping');
    const running = this.runningCount();
    if (running >= MAX_RUNNING_TASKS) {
      throw new Fault('LIMIT_EXCEEDED', 'too many tasks are running; wait for one to finish', {
        field: 'tasks.running',
        value: running,
        expected: `at most ${MAX_RUNNING_TASKS}`,
      });
    }
    const record: TaskRecord = {
      id: this.#newId(),
      kind,
      subject,
      actor: currentActor(),
      state: 'running',
      percent: 0,
      message: 'started',
      result: undefined,
      error: undefined,
      createdAt: this.#clock.now(),
      endedAt: undefined,
    };
    this.#catalog.transaction(() => this.#catalog.tasks.save(record));
    const abort = new AbortController();
    // The work begins in a later turn, when the task is already in the map.
    const settled = Promise.resolve().then(() => this.#run(record.id, work, abort.signal));
    this.#running.set(record.id, { record, abort, settled, followers: new Set() });
    return record;
  }

  runningCount(): number {
    let count = 0;
    for (const { record } of this.#running.values()) if (record.state === 'running') count++;
    return count;
  }

  /** A task of this kind and subject is under way. */
  isRunning(kind: string, subject: string): boolean {
    for (const { record } of this.#running.values()) {
      if (record.state === 'running' && record.kind === kind && record.subject === subject) {
        return true;
      }
    }
    return false;
  }

  get(id: string): TaskRecord | undefined {
    return this.#running.get(id)?.record ?? this.#catalog.tasks.byId(id);
  }

  /** Newest first. */
  list(): readonly TaskRecord[] {
    return this.#catalog.tasks.all().map((task) => this.#running.get(task.id)?.record ?? task);
  }

  /** Asks a running task to stop; nothing happens to a finished one. */
  cancel(id: string): void {
    this.#running.get(id)?.abort.abort(new Fault('CANCELLED', 'cancelled'));
  }

  /** Resolves when the task has ended, at once when it is not running. Never rejects. */
  async settled(id: string): Promise<void> {
    await this.#running.get(id)?.settled;
  }

  /** Tells of each change of a running task, nothing of one that has ended. @returns to be called at the end */
  follow(id: string, told: (task: TaskRecord) => void): () => void {
    const followers = this.#running.get(id)?.followers;
    followers?.add(told);
    return () => followers?.delete(told);
  }

  /** Resolves when one of those that run now has ended; at once when none does. */
  async oneEnded(): Promise<void> {
    const running = [...this.#running.values()].filter(({ record }) => record.state === 'running');
    if (running.length > 0) await Promise.race(running.map(({ settled }) => settled));
  }

  async close(): Promise<void> {
    this.#closing = true;
    const running = [...this.#running.values()];
    for (const task of running) task.abort.abort(new Fault('UNAVAILABLE', STOPPED_MESSAGE));
    await Promise.all(running.map((task) => task.settled));
  }

  async #run(id: string, work: TaskWork, signal: AbortSignal): Promise<void> {
    const report: ReportProgress = (percent, message) => {
      const rounded = Math.max(0, Math.min(100, Math.floor(percent)));
      this.#update(id, { percent: rounded, message });
    };
    try {
      const result = await work(report, signal);
      this.#update(id, { state: 'succeeded', percent: 100, message: 'done', result });
    } catch (error) {
      const reason = signal.aborted && signal.reason instanceof Fault ? signal.reason : error;
      const fault = faultRecord(reason);
      const state = fault.code === 'CANCELLED' ? 'cancelled' : 'failed';
      this.#update(id, { state, message: fault.message, error: fault });
    }
    this.#finish(id);
  }

  #update(id: string, change: Partial<TaskRecord>): void {
    const running = this.#running.get(id);
    if (running === undefined) return;
    running.record = { ...running.record, ...change };
    for (const told of running.followers) told(running.record);
  }

  #finish(id: string): void {
    const running = this.#running.get(id);
    if (running === undefined) return;
    this.#update(id, { endedAt: this.#clock.now() });
    const { record } = running;
    try {
      this.#catalog.transaction(() => {
        this.#catalog.tasks.save(record);
        this.#catalog.tasks.prune(MAX_FINISHED_TASKS);
        this.#ended(record);
      });
      this.#running.delete(id);
    } catch {
      // The catalog cannot be written (a full disk). How the task ended stays in memory, so that
      // whoever waits for it is told; the next start finds the row 'running' and makes it 'failed'.
    }
  }
}

/** What is kept of an error: never a stack, and no inner words of one that is not a Fault. */
export function faultRecord(error: unknown): FaultRecord {
  const code: FaultCode = error instanceof Fault ? error.code : 'INTERNAL';
  const message = error instanceof Error ? error.message : String(error);
  const details = error instanceof Fault ? error.details : {};
  return {
    code,
    message,
    field: details.field,
    value: details.value,
    expected: details.expected,
  };
}

/** The other way round: what a task failed with, as it was kept or as it is told. */
export function faultOf(failure: {
  readonly code: string;
  readonly message: string;
  readonly field?: string | undefined;
  readonly value?: unknown;
  readonly expected?: string | undefined;
}): Fault {
  const { message, field, value, expected } = failure;
  const code = FAULT_CODES.find((known) => known === failure.code) ?? 'INTERNAL';
  return new Fault(code, message, {
    ...(field === undefined ? {} : { field }),
    ...(value === undefined ? {} : { value }),
    ...(expected === undefined ? {} : { expected }),
  });
}
