/** When a schedule is due, and what its snapshots are called. */
import type { Rhythm, ScheduleRecord } from '../catalog/storage/records.ts';
import { nextCron } from '../values/cron.ts';

/**
 * The first time after `now`. What was missed in between is not made up for one by one.
 * @param since from when an interval counts: the last time that it was due, or when it was made
 */
export function nextTime(rhythm: Rhythm, since: number, now: number): number {
  if ('at' in rhythm) return nextCron(rhythm.at, now);
  const missed = Math.max(0, Math.floor((now - since) / rhythm.every));
  return since + (missed + 1) * rhythm.every;
}

/** `PREFIX-20270131t060000z`, in UTC. */
export function snapshotNameAt({ prefix }: Pick<ScheduleRecord, 'prefix'>, at: number): string {
  const text = new Date(at).toISOString().replace(/\.\d+Z$/, 'Z');
  return `${prefix}-${text.replaceAll(/[-:]/g, '').toLowerCase()}`;
}
