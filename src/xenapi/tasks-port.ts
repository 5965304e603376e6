/** What dispatch asks of tasks: every message is done in one. */
import type { Caller } from './call.ts';
import type { Ref } from './datamodel/description.ts';

export interface NewTask {
  /** As it was called: `Async.VDI.copy`. */
  readonly name: string;
  readonly description?: string;
  readonly caller: Caller;
  /** Null ref: of none. */
  readonly subtaskOf?: Ref;
}

export interface RunningTask {
  readonly ref: Ref;
  /** Aborted with XenError TASK_CANCELLED when it is cancelled. */
  readonly signal: AbortSignal;
  /** @param fraction 0 … 1 */
  progress(fraction: number): void;
  /** @param result the answer as an XML-RPC value text; '' for void */
  succeed(result: string): void;
  /** TASK_CANCELLED makes it cancelled. @param error code first */
  fail(error: readonly [string, ...string[]]): void;
}

export interface TaskBook {
  /** One that clients see. @throws XenError TOO_MANY_PENDING_TASKS */
  begin(task: NewTask): RunningTask;
  /** One that is in nobody's list: of a call that is waited for. Its ref shows up in current_operations only. */
  beginUnseen(task: NewTask): RunningTask;
}
