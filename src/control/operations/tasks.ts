import { Fault } from '../../errors/index.ts';
import type { TaskRecord } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import type { TaskView } from '../schemas/activity.ts';
import { taskView } from './task-view.ts';

/** Newest first. */
export function listTasks(control: Control): readonly TaskView[] {
  return control.tasks.list().map(taskView);
}

/** @throws Fault NOT_FOUND */
export function showTask(control: Control, id: string): TaskView {
  return taskView(findTask(control, id));
}

/**
 * Asks it to stop; how it ends is in the task. One that has ended already is shown as it is.
 * @throws Fault NOT_FOUND
 */
export function cancelTask(control: Control, id: string): TaskView {
  const task = findTask(control, id);
  if (task.state === 'running') {
    control.change((record) =>
      record({
        kind: 'task.cancel-requested',
        subject: task.subject,
        message: `cancelling ${task.kind}`,
        data: { taskId: id },
      }),
    );
    control.tasks.cancel(id);
  }
  return taskView(task);
}

function findTask(control: Control, id: string): TaskRecord {
  const task = control.tasks.get(id);
  if (task !== undefined) return task;
  throw new Fault('NOT_FOUND', `there is no task ${id}`, {
    field: 'task.id',
    value: id,
    expected: 'the id of a task (rootcast task list)',
  });
}
