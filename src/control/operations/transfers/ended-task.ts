import { FAULT_CODES, Fault } from '../../../errors/index.ts';
import type { Control } from '../../control.ts';
import type { TaskView } from '../../schemas/activity.ts';
import { showTask } from '../tasks.ts';

/**
 * Waits for a task whose end somebody is to be told of at once.
 * @throws Fault: what it failed with
 */
export async function endedTask(control: Control, id: string): Promise<TaskView> {
  await control.tasks.settled(id);
  const task = showTask(control, id);
  if (task.error === null) return task;
  const { message, field, value, expected } = task.error;
  const code = FAULT_CODES.find((known) => known === task.error?.code) ?? 'INTERNAL';
  throw new Fault(code, message, {
    ...(field === undefined ? {} : { field }),
    ...(value === undefined ? {} : { value }),
    ...(expected === undefined ? {} : { expected }),
  });
}
