/**
 * Snapshots that are due. What was missed, because the service was not there or too much else was running, is made
 * up for once; a schedule never overtakes itself.
 */
import type { ScheduleRecord } from '../catalog/storage/records.ts';
import type { Control } from '../control.ts';
import { nextTime } from './rhythm.ts';
import { runSchedule } from './run-schedule.ts';

const KIND = 'snapshot-schedule.run';

/** Called by the service's ticker. Runs are tasks, and tell of themselves. @throws Fault (the catalog) */
export function observeSchedules(control: Control, now: number): void {
  for (const schedule of control.catalog.schedules.due(now)) {
    if (isRunning(control, schedule)) continue;
    try {
      startRun(control, schedule, now);
    } catch (error) {
      // Too many tasks, or stopping: it stays due.
      if (isPassing(error)) return;
      throw error;
    }
  }
}

export function isRunning(control: Control, { name }: Pick<ScheduleRecord, 'name'>): boolean {
  return control.tasks.isRunning(KIND, subjectOf(name));
}

/** @returns the id of the task. @throws Fault LIMIT_EXCEEDED, UNAVAILABLE */
export function startRun(control: Control, { id }: ScheduleRecord, now: number): string {
  const { schedules } = control.catalog;
  return control.catalog.transaction(() => {
    const schedule = schedules.byId(id);
    if (schedule === undefined) return '';
    const { rhythm, nextAt, name } = schedule;
    const begun: ScheduleRecord = {
      ...schedule,
      lastAt: now,
      nextAt: nextAt <= now ? nextTime(rhythm, nextAt, now) : nextAt,
      isRunning: true,
    };
    const task = control.tasks.start(KIND, subjectOf(name), async (report, signal) => {
      try {
        return await runSchedule(control, begun, report, signal);
      } finally {
        // Not when the service stops: then it is made up for.
        if (!isStopping(signal)) markEnded(control, id);
      }
    });
    schedules.update(begun);
    return task.id;
  });
}

function markEnded({ catalog }: Control, id: string): void {
  catalog.transaction(() => {
    const schedule = catalog.schedules.byId(id);
    if (schedule !== undefined) catalog.schedules.update({ ...schedule, isRunning: false });
  });
}

function subjectOf(name: string): string {
  return `snapshot-schedule/${name}`;
}

function isStopping({ aborted, reason }: AbortSignal): boolean {
  return aborted && codeOf(reason) === 'UNAVAILABLE';
}

function isPassing(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'LIMIT_EXCEEDED' || code === 'UNAVAILABLE';
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | undefined)?.code;
}
