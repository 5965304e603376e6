/** Snapshots that are taken by themselves. */
import { Fault } from '../../../errors/index.ts';
import type { Keep, Rhythm, ScheduleRecord } from '../../catalog/storage/records.ts';
import type { Control } from '../../control.ts';
import {
  MAX_PREFIX_LENGTH,
  MAX_SCHEDULE_INTERVAL_MS,
  MAX_SNAPSHOT_SCHEDULES,
  MIN_SCHEDULE_INTERVAL_MS,
} from '../../limits.ts';
import type { TaskView } from '../../schemas/activity.ts';
import type {
  AddSnapshotScheduleInput,
  SnapshotScheduleView,
  UpdateSnapshotScheduleInput,
} from '../../schemas/snapshot-schedule.ts';
import { addressOf } from '../../storage/names.ts';
import { isRunning, startRun } from '../../storage/observe-schedules.ts';
import { nextTime } from '../../storage/rhythm.ts';
import { parseCron } from '../../values/cron.ts';
import { durationText, parseDuration } from '../../values/duration.ts';
import { parseName } from '../../values/name.ts';
import { showTask } from '../tasks.ts';
import { iso, isoOrNull } from '../time-view.ts';
import { findGroup, findSchedule, refuseBeyond, refuseTaken } from './find-storage.ts';
import { membersOf } from './volume-groups.ts';

const INTERVAL = { least: MIN_SCHEDULE_INTERVAL_MS, most: MAX_SCHEDULE_INTERVAL_MS };

/** By name. */
export function listSnapshotSchedules(control: Control): readonly SnapshotScheduleView[] {
  return control.catalog.schedules.all().map((schedule) => scheduleView(control, schedule));
}

/** @throws Fault NOT_FOUND */
export function showSnapshotSchedule(control: Control, name: string): SnapshotScheduleView {
  return scheduleView(control, findSchedule(control.catalog, name));
}

/** @throws Fault INVALID_INPUT, NOT_FOUND, ALREADY_EXISTS, LIMIT_EXCEEDED */
export function addSnapshotSchedule(
  control: Control,
  input: AddSnapshotScheduleInput,
): SnapshotScheduleView {
  const { schedules } = control.catalog;
  const { name, description = '', keep = {}, enabled = true } = input;
  return control.change((record) => {
    const taken = schedules.byName(parseName(name, 'snapshotSchedule.name'));
    refuseTaken(taken, 'snapshot schedule', name, 'snapshotSchedule.name');
    refuseBeyond(schedules.all().length, MAX_SNAPSHOT_SCHEDULES, 'snapshot schedules');
    const rhythm = rhythmOf(input);
    if (rhythm === undefined) throw oneOfTwo('every', 'at', 'when snapshots are taken');
    if (input.group === undefined && input.volumes === undefined) {
      throw oneOfTwo('volumes', 'group', 'of what snapshots are taken');
    }
    const now = control.clock.now();
    const schedule: ScheduleRecord = {
      id: control.newId(),
      name,
      description,
      groupId: groupOf(control, input),
      rhythm,
      keep: keepOf(keep),
      prefix: input.prefix ?? name.slice(0, MAX_PREFIX_LENGTH),
      enabled,
      nextAt: nextTime(rhythm, now, now),
      lastAt: undefined,
      isRunning: false,
      createdAt: now,
    };
    schedules.insert(schedule);
    if (input.volumes !== undefined) setMembers(control, schedule, input.volumes);
    record({
      kind: 'snapshot-schedule.added',
      subject: `snapshot-schedule/${name}`,
      message: `snapshot schedule ${name} added: ${rhythmText(rhythm)}`,
      data: { ...input },
    });
    return scheduleView(control, schedule);
  });
}

/** @throws Fault NOT_FOUND, INVALID_INPUT, ALREADY_EXISTS, IN_USE (another name while it runs) */
export function updateSnapshotSchedule(
  control: Control,
  name: string,
  input: UpdateSnapshotScheduleInput,
): SnapshotScheduleView {
  const { schedules } = control.catalog;
  return control.change((record) => {
    const before = findSchedule(control.catalog, name);
    const after = changedSchedule(control, before, input);
    schedules.update(after);
    if (input.volumes !== undefined) setMembers(control, after, input.volumes);
    if (input.group !== undefined) schedules.setMembers(after.id, []);
    record({
      kind: 'snapshot-schedule.changed',
      subject: `snapshot-schedule/${after.name}`,
      message: `snapshot schedule ${name}: ${Object.keys(input).join(', ')} changed`,
      data: { ...input, before: name },
    });
    return scheduleView(control, after);
  });
}

/** What it took stays. @throws Fault NOT_FOUND, IN_USE (it runs) */
export function deleteSnapshotSchedule(control: Control, name: string): void {
  control.change((record) => {
    const schedule = findSchedule(control.catalog, name);
    refuseWhileRunning(control, schedule);
    control.catalog.schedules.delete(schedule.id);
    record({
      kind: 'snapshot-schedule.deleted',
      subject: `snapshot-schedule/${name}`,
      message: `snapshot schedule ${name} deleted; the snapshots that it took stay`,
    });
  });
}

/** Now, beside its own times. @throws Fault NOT_FOUND, IN_USE (it runs), LIMIT_EXCEEDED */
export function runSnapshotSchedule(control: Control, name: string): TaskView {
  const schedule = findSchedule(control.catalog, name);
  refuseWhileRunning(control, schedule);
  return showTask(control, startRun(control, schedule, control.clock.now()));
}

function changedSchedule(
  control: Control,
  before: ScheduleRecord,
  input: UpdateSnapshotScheduleInput,
): ScheduleRecord {
  const { name = before.name, description, keep, prefix, enabled } = input;
  if (name !== before.name) {
    refuseWhileRunning(control, before);
    const taken = control.catalog.schedules.byName(parseName(name, 'snapshotSchedule.name'));
    refuseTaken(taken, 'snapshot schedule', name, 'snapshotSchedule.name');
  }
  const rhythm = rhythmOf(input);
  const now = control.clock.now();
  // Also when it is enabled again: what was not wanted meanwhile was not missed.
  const isNewBeginning = rhythm !== undefined || (enabled === true && !before.enabled);
  const groupId = groupOf(control, input);
  return {
    ...before,
    name,
    description: description ?? before.description,
    groupId: input.volumes !== undefined ? undefined : (groupId ?? before.groupId),
    rhythm: rhythm ?? before.rhythm,
    keep: keep === undefined ? before.keep : keepOf(keep),
    prefix: prefix ?? before.prefix,
    enabled: enabled ?? before.enabled,
    nextAt: isNewBeginning ? nextTime(rhythm ?? before.rhythm, now, now) : before.nextAt,
  };
}

function setMembers(control: Control, { id }: ScheduleRecord, volumes: readonly string[]): void {
  const members = membersOf(control, volumes, 'snapshotSchedule.volumes');
  control.catalog.schedules.setMembers(id, members);
}

type WhatAndWhen = Pick<AddSnapshotScheduleInput, 'every' | 'at' | 'group' | 'volumes'>;

function groupOf({ catalog }: Control, { group, volumes }: WhatAndWhen): string | undefined {
  if (group === undefined) return undefined;
  if (volumes !== undefined) throw oneOfTwo('volumes', 'group', 'of what snapshots are taken');
  return findGroup(catalog, group, 'snapshotSchedule.group').id;
}

function rhythmOf({ every, at }: WhatAndWhen): Rhythm | undefined {
  if (every !== undefined && at !== undefined) {
    throw oneOfTwo('every', 'at', 'when snapshots are taken');
  }
  if (every !== undefined) {
    return { every: parseDuration(every, 'snapshotSchedule.every', INTERVAL) };
  }
  return at === undefined ? undefined : { at: parseCron(at, 'snapshotSchedule.at') };
}

function oneOfTwo(first: string, second: string, what: string): Fault {
  return new Fault('INVALID_INPUT', `${first} or ${second}, one of the two, says ${what}`, {
    field: `snapshotSchedule.${first}`,
    expected: `either ${first} or ${second}`,
  });
}

function keepOf(keep: NonNullable<AddSnapshotScheduleInput['keep']>): Keep {
  return Object.fromEntries(Object.entries(keep).filter(([, count]) => count > 0));
}

function refuseWhileRunning(control: Control, schedule: ScheduleRecord): void {
  if (!isRunning(control, schedule)) return;
  throw new Fault('IN_USE', `snapshot schedule ${schedule.name} is running`, {
    field: 'snapshotSchedule.name',
    value: schedule.name,
    expected: 'one that is not (rootcast task list)',
  });
}

function rhythmText(rhythm: Rhythm): string {
  return 'at' in rhythm ? `at ${rhythm.at}` : `every ${durationText(rhythm.every)}`;
}

function scheduleView(control: Control, schedule: ScheduleRecord): SnapshotScheduleView {
  const { id, name, description, groupId, rhythm, keep, prefix, enabled } = schedule;
  const { catalog } = control;
  const members =
    groupId === undefined ? catalog.schedules.members(id) : catalog.volumeGroups.members(groupId);
  return {
    id,
    name,
    description,
    group: groupId === undefined ? null : (catalog.volumeGroups.byId(groupId)?.name ?? null),
    volumes: members.map((member) => addressOf(catalog, member)).sort(),
    every: 'every' in rhythm ? durationText(rhythm.every) : null,
    at: 'at' in rhythm ? rhythm.at : null,
    keep: { ...keep },
    prefix,
    enabled,
    running: isRunning(control, schedule),
    nextAt: enabled ? iso(schedule.nextAt) : null,
    lastAt: isoOrNull(schedule.lastAt),
    createdAt: iso(schedule.createdAt),
  };
}
