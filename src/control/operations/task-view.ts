import type { FaultRecord, TaskRecord } from '../catalog/records.ts';
import type { TaskView } from '../schemas/activity.ts';
import { iso, isoOrNull } from './time-view.ts';

export function taskView(task: TaskRecord): TaskView {
  return {
    id: task.id,
    kind: task.kind,
    subject: task.subject,
    actor: task.actor,
    state: task.state,
    percent: task.percent,
    message: task.message,
    result: task.result ?? null,
    error: task.error === undefined ? null : faultView(task.error),
    createdAt: iso(task.createdAt),
    endedAt: isoOrNull(task.endedAt),
  };
}

function faultView({ code, message, field, value, expected }: FaultRecord): TaskView['error'] {
  return {
    code,
    message,
    ...(field === undefined ? {} : { field }),
    ...(value === undefined ? {} : { value }),
    ...(expected === undefined ? {} : { expected }),
  };
}
