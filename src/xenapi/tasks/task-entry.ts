/** One task that clients see, and what its record says of it. */
import type { RecordOf, Ref } from '../datamodel/description.ts';
import { TASK } from '../datamodel/task.ts';
import { emptyRecord } from '../objects/defaults.ts';
import { HOST_REF } from '../projections/site-records.ts';

export type TaskRecord = RecordOf<typeof TASK>;
export type TaskStatus = TaskRecord['status'];

/**
 * Who works on it: `call` an Async call; `client` its maker, or nobody; `transfer` an HTTP transfer that its maker
 * named it to; `service` the control plane.
 */
export type Worker = 'call' | 'client' | 'transfer' | 'service';

export interface TaskEntry {
  readonly ref: Ref;
  readonly uuid: string;
  readonly name: string;
  readonly description: string;
  readonly created: number;
  readonly subtaskOf: Ref;
  /** The name of the user; undefined: the service's own. */
  readonly owner: string | undefined;
  readonly session: Ref | undefined;
  readonly abort: AbortController;
  worker: Worker;
  status: TaskStatus;
  /** 0 until it has ended. */
  finished: number;
  /** 0 … 1 */
  progress: number;
  result: string;
  errorInfo: readonly string[];
  otherConfig: ReadonlyMap<string, string>;
  /** The task of the call that asked that it be cancelled, or destroyed when it ends. */
  cancelledBy: Ref | undefined;
  destroyedBy: Ref | undefined;
}

export function hasEnded({ status }: TaskEntry): boolean {
  return status !== 'pending' && status !== 'cancelling';
}

/** As clients read it. */
export function recordOfTask(entry: TaskEntry): Readonly<Record<string, unknown>> {
  const operations = new Map<string, 'cancel' | 'destroy'>();
  if (!hasEnded(entry)) {
    if (entry.cancelledBy !== undefined) operations.set(entry.cancelledBy, 'cancel');
    if (entry.destroyedBy !== undefined) operations.set(entry.destroyedBy, 'destroy');
  }
  const record: Partial<TaskRecord> = {
    uuid: entry.uuid,
    name_label: entry.name,
    name_description: entry.description,
    allowed_operations: hasEnded(entry) ? [] : ['cancel', 'destroy'],
    current_operations: operations,
    created: entry.created,
    finished: entry.finished,
    status: entry.status,
    resident_on: HOST_REF,
    progress: entry.progress,
    type: '<none/>', // as xapi has it
    result: entry.result,
    error_info: entry.errorInfo,
    other_config: entry.otherConfig,
    subtask_of: entry.subtaskOf,
  };
  return { ...EMPTY, ...record };
}

const EMPTY = emptyRecord(TASK);
