/** A task of the control plane inside a message: its progress, its end and its cancelling are the message's. */
import { faultOf, type TaskView } from '../control/index.ts';
import { Fault } from '../errors/index.ts';
import type { Call } from './call.ts';
import type { Xen } from './xen.ts';

/**
 * Waits for a task that the message has started. Who cancels the message cancels it; one that is done before it
 * notices has succeeded.
 * @returns the task's result
 * @throws Fault the task's; XenError TASK_CANCELLED: the message was cancelled
 */
export async function runTask(
  { control }: Pick<Xen, 'control'>,
  call: Pick<Call, 'signal' | 'progress'>,
  task: TaskView,
): Promise<unknown> {
  const cancel = (): void => control.tasks.cancel(task.id);
  const unfollow = control.tasks.follow(task.id, ({ percent }) => call.progress(percent / 100));
  call.signal.addEventListener('abort', cancel, { once: true });
  try {
    if (call.signal.aborted) cancel();
    await control.tasks.settled(task.id);
  } finally {
    call.signal.removeEventListener('abort', cancel);
    unfollow();
  }
  return resultOf(control.tasks.get(task.id), call.signal);
}

type TaskRecord = ReturnType<Xen['control']['tasks']['get']>;

function resultOf(task: TaskRecord, signal: AbortSignal): unknown {
  if (task?.state === 'succeeded') return task.result;
  if (task?.state === 'cancelled' && signal.aborted) throw signal.reason;
  if (task?.error === undefined) throw new Fault('INTERNAL', 'it is not known how the task ended');
  throw faultOf(task.error);
}
