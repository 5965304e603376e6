/**
 * Tasks that clients see (xen-api taskHelper.ml, xapi_task.ml): of `Async.` calls, of transfers, made by clients for
 * themselves, and those of the control plane. They live in memory: with the service ends what they stand for.
 */
import { randomUUID } from 'node:crypto';
import type { Caller } from '../call.ts';
import type { Ref } from '../datamodel/description.ts';
import { mayAs } from '../datamodel/roles.ts';
import type { Objects } from '../objects/objects.ts';
import { NULL_REF, newRef } from '../objects/refs.ts';
import type { NewTask, RunningTask, TaskBook } from '../tasks-port.ts';
import { xenError } from '../xen-error.ts';
import {
  ENDED_XEN_TASK_MS,
  MAX_ENDED_XEN_TASKS,
  MAX_PENDING_XEN_TASKS,
  MAX_XEN_TASK_TEXT,
  PENDING_XEN_TASK_MS,
} from './limits.ts';
import {
  hasEnded,
  recordOfTask,
  type TaskEntry,
  type TaskStatus,
  type Worker,
} from './task-entry.ts';

export interface TasksOptions {
  readonly objects: Objects;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Tasks of the control plane, which does what is asked of them (control-tasks.ts). */
export interface ServiceTask {
  readonly id: string;
  readonly ref: Ref;
  readonly name: string;
  readonly description: string;
  readonly created: number;
  readonly cancel: () => void;
}

const CLASS = 'task';
const STOPPED = ['INTERNAL_ERROR', 'the service stopped'] as const;

export class Tasks implements TaskBook {
  readonly #objects: Objects;
  readonly #now: () => number;
  /** In the order in which they were begun. */
  readonly #entries = new Map<Ref, TaskEntry>();
  /** Whose progress has changed since it was told. */
  readonly #moved = new Set<TaskEntry>();
  /** Of calls that nobody sees. */
  readonly #unseen = new Map<Ref, AbortController>();

  constructor({ objects, now }: TasksOptions) {
    this.#objects = objects;
    this.#now = now;
  }

  /** What runs is told to end, and has failed; but the control plane ends its own. */
  close(): void {
    for (const abort of this.#unseen.values()) abort.abort(xenError(...STOPPED));
    for (const entry of [...this.#entries.values()]) {
      if (hasEnded(entry) || entry.worker === 'service') continue;
      this.#end(entry, 'failure', { errorInfo: STOPPED });
      entry.abort.abort(xenError(...STOPPED));
    }
  }

  begin(task: NewTask): RunningTask {
    return this.#running(this.#add(task, 'call'));
  }

  beginUnseen({ name }: NewTask): RunningTask {
    // As xapi calls tasks that are not in its database; it shows up in current_operations.
    const ref = `DummyRef:|${randomUUID()}|${name}`;
    const abort = new AbortController();
    this.#unseen.set(ref, abort);
    const end = (): void => void this.#unseen.delete(ref);
    return { ref, signal: abort.signal, progress: () => undefined, succeed: end, fail: end };
  }

  /** One that its maker works on. @throws XenError TOO_MANY_PENDING_TASKS */
  create(task: NewTask): Ref {
    return this.#add(task, 'client').ref;
  }

  /**
   * A client's task, named to a transfer: it is the transfer's from now on. Cancelled already: its signal is aborted.
   * @throws XenError HANDLE_INVALID, RBAC_PERMISSION_DENIED, OPERATION_NOT_ALLOWED (it has ended, or something works on it)
   */
  adopt(ref: Ref, caller: Caller): RunningTask {
    const entry = this.#ofClient(ref, caller, 'task_id');
    entry.worker = 'transfer';
    return this.#running(entry);
  }

  /** A client's task was named to a transfer that let nobody in: it has failed. Of any other: nothing. */
  failUnasked(ref: Ref, error: readonly [string, ...string[]]): void {
    const entry = this.#entries.get(ref);
    if (entry?.worker === 'client') this.#end(entry, 'failure', { errorInfo: error });
  }

  /** Of a session, those that are there. */
  ofSession(session: Ref): readonly Ref[] {
    return [...this.#entries.values()]
      .filter((entry) => entry.session === session)
      .map(({ ref }) => ref);
  }

  // What clients ask

  /** Gone at once when it has ended, else when it ends. @throws XenError HANDLE_INVALID, RBAC_PERMISSION_DENIED */
  destroy(ref: Ref, caller: Caller, by: Ref): void {
    const entry = this.#owned(ref, caller, 'task.destroy');
    if (hasEnded(entry)) this.#forget(entry);
    else {
      entry.destroyedBy = by;
      this.#put(entry);
    }
  }

  /** @throws XenError HANDLE_INVALID, RBAC_PERMISSION_DENIED, OPERATION_NOT_ALLOWED: it has ended */
  cancel(ref: Ref, caller: Caller, by: Ref): void {
    const entry = this.#owned(ref, caller, 'task.cancel');
    if (hasEnded(entry)) throw xenError('OPERATION_NOT_ALLOWED', 'the task has ended');
    entry.cancelledBy = by;
    this.#put(entry);
    entry.abort.abort(xenError('TASK_CANCELLED', ref));
  }

  /** @throws XenError HANDLE_INVALID, RBAC_PERMISSION_DENIED, OPERATION_NOT_ALLOWED */
  setStatus(ref: Ref, caller: Caller, status: TaskStatus): void {
    const entry = this.#ofClient(ref, caller, 'task.set_status');
    if (status === 'pending' || status === 'cancelling') {
      entry.status = status;
      this.#put(entry);
    } else this.#end(entry, status, {});
  }

  /** Told at once: who sets it reads it back, and waits for its events. @throws as setStatus */
  setProgress(ref: Ref, caller: Caller, fraction: number): void {
    const entry = this.#ofClient(ref, caller, 'task.set_progress');
    this.#move(entry, fraction);
    this.#moved.delete(entry);
    this.#put(entry);
  }

  /** @throws as setStatus; XenError VALUE_NOT_SUPPORTED: too long. It may be set when the task has ended, too. */
  setResult(ref: Ref, caller: Caller, result: string): void {
    this.#write(ref, caller, 'task.set_result', { result: bounded('result', result) });
  }

  /** @throws as setResult */
  setErrorInfo(ref: Ref, caller: Caller, info: readonly string[]): void {
    bounded('error_info', info.join(''));
    this.#write(ref, caller, 'task.set_error_info', { errorInfo: info });
  }

  /** @throws XenError HANDLE_INVALID, RBAC_PERMISSION_DENIED, VALUE_NOT_SUPPORTED: too long */
  changeOtherConfig(
    ref: Ref,
    caller: Caller,
    message: string,
    change: (config: Map<string, string>) => ReadonlyMap<string, string>,
  ): void {
    const entry = this.#owned(ref, caller, message);
    const config = change(new Map(entry.otherConfig));
    bounded('other_config', [...config].flat().join(''));
    entry.otherConfig = config;
    this.#put(entry);
  }

  // What the service does

  /** Shows one of the control plane. Of one that is shown: nothing. */
  showService(task: ServiceTask): void {
    if (this.#entries.has(task.ref)) return;
    const { ref, name, description, created } = task;
    const abort = new AbortController();
    abort.signal.addEventListener('abort', () => task.cancel(), { once: true });
    const entry: TaskEntry = {
      ...{ ref, uuid: task.id, name, description, created, abort },
      ...{ subtaskOf: NULL_REF, owner: undefined, session: undefined, worker: 'service' },
      ...FRESH,
    };
    this.#entries.set(ref, entry);
    this.#put(entry);
  }

  /** One of the control plane has gone on. @param fraction 0 … 1 */
  moveService(ref: Ref, fraction: number): void {
    const entry = this.#entries.get(ref);
    if (entry !== undefined) this.#move(entry, fraction);
  }

  /** One of the control plane has ended. Of one that is not shown: nothing. */
  endService(ref: Ref, status: TaskStatus, errorInfo: readonly string[]): void {
    const entry = this.#entries.get(ref);
    if (entry !== undefined) this.#end(entry, status, { errorInfo });
  }

  /** To be called about once a second: progress is told, and what is long over goes. */
  observe(now: number): void {
    for (const entry of this.#moved) this.#put(entry);
    this.#moved.clear();
    let ended = 0;
    for (const entry of this.#entries.values()) if (hasEnded(entry)) ended++;
    for (const entry of [...this.#entries.values()]) {
      if (!this.#isOver(entry, now, ended)) continue;
      if (hasEnded(entry)) ended--;
      this.#forget(entry);
    }
  }

  #isOver(entry: TaskEntry, now: number, ended: number): boolean {
    if (hasEnded(entry)) {
      return ended > MAX_ENDED_XEN_TASKS || now - entry.finished > ENDED_XEN_TASK_MS;
    }
    // Of what runs it is known that it does.
    return entry.worker === 'client' && now - entry.created > PENDING_XEN_TASK_MS;
  }

  #add(task: NewTask, worker: Worker): TaskEntry {
    let pending = 0;
    for (const entry of this.#entries.values()) if (!hasEnded(entry)) pending++;
    if (pending >= MAX_PENDING_XEN_TASKS) throw xenError('TOO_MANY_PENDING_TASKS');
    const { caller, subtaskOf = NULL_REF } = task;
    const uuid = randomUUID();
    const entry: TaskEntry = {
      ...{ ref: newRef(), uuid, worker, created: this.#now() },
      name: bounded('label', task.name),
      description: bounded('description', task.description ?? ''),
      subtaskOf: this.#entries.has(subtaskOf) ? subtaskOf : NULL_REF,
      ...{ owner: caller.user, session: caller.session, abort: new AbortController() },
      ...FRESH,
    };
    this.#entries.set(entry.ref, entry);
    this.#put(entry);
    return entry;
  }

  #running(entry: TaskEntry): RunningTask {
    return {
      ...{ ref: entry.ref, signal: entry.abort.signal },
      progress: (fraction) => this.#move(entry, fraction),
      succeed: (result) => this.#end(entry, 'success', { result }),
      fail: (error) => {
        const status = error[0] === 'TASK_CANCELLED' ? 'cancelled' : 'failure';
        this.#end(entry, status, { errorInfo: error });
      },
    };
  }

  /** Told by `observe`: a copy that says how far it is a thousand times a second floods nobody. */
  #move(entry: TaskEntry, fraction: number): void {
    if (hasEnded(entry) || Number.isNaN(fraction)) return;
    entry.progress = Math.min(1, Math.max(0, fraction));
    this.#moved.add(entry);
  }

  /** Only of one that has not ended yet. */
  #end(
    entry: TaskEntry,
    status: TaskStatus,
    how: { readonly result?: string; readonly errorInfo?: readonly string[] },
  ): void {
    if (hasEnded(entry)) return;
    Object.assign(entry, { status, finished: this.#now(), progress: 1, ...how });
    this.#moved.delete(entry);
    this.#put(entry);
    if (entry.destroyedBy !== undefined) this.#forget(entry);
  }

  #write(ref: Ref, caller: Caller, message: string, change: Partial<TaskEntry>): void {
    const entry = this.#owned(ref, caller, message);
    refuseOthersWork(entry);
    Object.assign(entry, change);
    this.#put(entry);
  }

  #ofClient(ref: Ref, caller: Caller, message: string): TaskEntry {
    const entry = this.#owned(ref, caller, message);
    if (hasEnded(entry)) throw xenError('OPERATION_NOT_ALLOWED', 'the task has ended');
    refuseOthersWork(entry);
    return entry;
  }

  /** One's own, or anybody's for a pool-operator. */
  #owned(ref: Ref, caller: Caller, message: string): TaskEntry {
    const entry = this.#entries.get(ref);
    if (entry === undefined) throw xenError('HANDLE_INVALID', CLASS, ref);
    if (entry.owner === caller.user || mayAs(caller.role, 'pool-operator')) return entry;
    throw xenError(
      'RBAC_PERMISSION_DENIED',
      `${message}/any`,
      `it is not a task of ${caller.user}, who is ${caller.role}: others need pool-operator`,
    );
  }

  #put(entry: TaskEntry): void {
    this.#objects.put(CLASS, entry.ref, recordOfTask(entry), { kind: 'own', id: entry.uuid });
  }

  #forget(entry: TaskEntry): void {
    this.#entries.delete(entry.ref);
    this.#moved.delete(entry);
    this.#objects.delete(CLASS, entry.ref);
  }
}

const FRESH = {
  status: 'pending',
  ...{ finished: 0, progress: 0, result: '', errorInfo: [] },
  ...{ otherConfig: new Map<string, string>(), cancelledBy: undefined, destroyedBy: undefined },
} as const;

/** What a client says of a task that is somebody else's work would not be true. */
function refuseOthersWork({ worker }: TaskEntry): void {
  if (worker === 'client') return;
  const reason = worker === 'transfer' ? 'a transfer works on the task' : 'the server works on it';
  throw xenError('OPERATION_NOT_ALLOWED', reason);
}

/** @throws XenError VALUE_NOT_SUPPORTED */
function bounded(field: string, text: string): string {
  if (text.length <= MAX_XEN_TASK_TEXT) return text;
  const reason = `at most ${MAX_XEN_TASK_TEXT} characters`;
  throw xenError('VALUE_NOT_SUPPORTED', field, `${text.length} characters`, reason);
}
