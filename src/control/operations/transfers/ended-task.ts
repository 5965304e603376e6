import type { Control } from '../../control.ts';
import type { TaskView } from '../../schemas/activity.ts';
import { faultOf } from '../../tasks/task-runner.ts';
import { showTask } from '../tasks.ts';

/**
 * Waits for a task whose end somebody is to be told of at once.
 * @throws Fault: what it failed with
 */
export async function endedTask(control: Control, id: string): Promise<TaskView> {
  await control.tasks.settled(id);
  const task = showTask(control, id);
  if (task.error === null) return task;
  throw faultOf(task.error);
}
