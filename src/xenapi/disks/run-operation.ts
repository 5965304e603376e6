/** Operations of the control plane, for messages. */
import type { TaskView } from '../../control/index.ts';
import { Fault } from '../../errors/index.ts';
import type { Call } from '../call.ts';
import { runTask } from '../control-task.ts';
import type { Xen } from '../xen.ts';

type Under = Pick<Call, 'signal' | 'progress'>;

/**
 * Starts one, and waits for its end. The control plane runs a few tasks at once, and clients ask for many more: those
 * wait here for their turn, as many as there are calls.
 * @returns the task's result
 * @throws Fault the operation's, or the task's; XenError TASK_CANCELLED
 */
export async function runOperation(
  xen: Pick<Xen, 'control'>,
  call: Under,
  start: () => TaskView,
): Promise<unknown> {
  for (;;) {
    call.signal.throwIfAborted();
    let task: TaskView;
    try {
      task = start();
    } catch (error) {
      if (!isForNow(error)) throw error;
      await untilAborted(call.signal, xen.control.tasks.oneEnded());
      continue;
    }
    return await runTask(xen, call, task);
  }
}

/** Of what nobody waits for, and nobody cancels. */
export const UNSTOPPED: Under = {
  signal: new AbortController().signal,
  progress: () => undefined,
};

/** One that is of no use to be cancelled: it undoes what was made. Never throws. */
export async function undoOperation(
  xen: Pick<Xen, 'control' | 'log'>,
  start: () => TaskView,
): Promise<void> {
  try {
    await runOperation(xen, UNSTOPPED, start);
  } catch (error) {
    xen.log('undoing what a message had made', error);
  }
}

function isForNow(error: unknown): boolean {
  return (
    error instanceof Fault &&
    error.code === 'LIMIT_EXCEEDED' &&
    error.details.field === 'tasks.running'
  );
}

/** @throws the signal's reason */
async function untilAborted(signal: AbortSignal, promise: Promise<void>): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
