import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { integer, json, optionalInteger, optionalText, type Row, text } from '../row.ts';
import type { Keep, Rhythm, ScheduleRecord } from './records.ts';

export class ScheduleTable {
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  readonly #byId: StatementSync;
  readonly #byName: StatementSync;
  readonly #all: StatementSync;
  readonly #due: StatementSync;
  readonly #members: StatementSync;
  readonly #clear: StatementSync;
  readonly #addMember: StatementSync;
  readonly #ofVolume: StatementSync;
  readonly #ofGroup: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(`
      INSERT INTO snapshot_schedules (id, created_at, name, description, group_id, rhythm, keep, prefix,
        enabled, next_at, last_at, is_running)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#update = database.prepare(`
      UPDATE snapshot_schedules SET name = ?, description = ?, group_id = ?, rhythm = ?, keep = ?, prefix = ?,
        enabled = ?, next_at = ?, last_at = ?, is_running = ?
      WHERE id = ?`);
    this.#delete = database.prepare('DELETE FROM snapshot_schedules WHERE id = ?');
    this.#byId = database.prepare('SELECT * FROM snapshot_schedules WHERE id = ?');
    this.#byName = database.prepare('SELECT * FROM snapshot_schedules WHERE name = ?');
    this.#all = database.prepare('SELECT * FROM snapshot_schedules ORDER BY name');
    this.#due = database.prepare(
      'SELECT * FROM snapshot_schedules WHERE enabled = 1 AND (next_at <= ? OR is_running = 1) ORDER BY next_at',
    );
    this.#members = database.prepare(
      'SELECT volume_id FROM snapshot_schedule_members WHERE schedule_id = ? ORDER BY volume_id',
    );
    this.#clear = database.prepare('DELETE FROM snapshot_schedule_members WHERE schedule_id = ?');
    this.#addMember = database.prepare(
      'INSERT INTO snapshot_schedule_members (schedule_id, volume_id) VALUES (?, ?)',
    );
    this.#ofVolume = database.prepare(`
      SELECT snapshot_schedules.* FROM snapshot_schedules JOIN snapshot_schedule_members ON schedule_id = id
      WHERE volume_id = ? ORDER BY name`);
    this.#ofGroup = database.prepare(
      'SELECT * FROM snapshot_schedules WHERE group_id = ? ORDER BY name',
    );
  }

  insert(schedule: ScheduleRecord): void {
    this.#insert.run(schedule.id, schedule.createdAt, ...changeable(schedule));
  }

  /** Everything but its id and origin. */
  update(schedule: ScheduleRecord): void {
    this.#update.run(...changeable(schedule), schedule.id);
  }

  /** What it took stays. */
  delete(id: string): void {
    this.#delete.run(id);
  }

  byId(id: string): ScheduleRecord | undefined {
    return optional(this.#byId.get(id));
  }

  byName(name: string): ScheduleRecord | undefined {
    return optional(this.#byName.get(name));
  }

  /** By name. */
  all(): readonly ScheduleRecord[] {
    return this.#all.all().map(record);
  }

  /** Those whose time has come, and those with a run of which the end is not known. */
  due(now: number): readonly ScheduleRecord[] {
    return this.#due.all(now).map(record);
  }

  /** Ids of volumes. */
  members(id: string): readonly string[] {
    return this.#members.all(id).map((row) => text(row, 'volume_id'));
  }

  setMembers(id: string, volumeIds: readonly string[]): void {
    this.#clear.run(id);
    for (const volumeId of volumeIds) this.#addMember.run(id, volumeId);
  }

  ofVolume(volumeId: string): readonly ScheduleRecord[] {
    return this.#ofVolume.all(volumeId).map(record);
  }

  ofGroup(groupId: string): readonly ScheduleRecord[] {
    return this.#ofGroup.all(groupId).map(record);
  }
}

function changeable(schedule: ScheduleRecord) {
  const { name, description, groupId, rhythm, keep, prefix } = schedule;
  return [
    name,
    description,
    groupId ?? null,
    JSON.stringify(rhythm),
    JSON.stringify(keep),
    prefix,
    schedule.enabled ? 1 : 0,
    schedule.nextAt,
    schedule.lastAt ?? null,
    schedule.isRunning ? 1 : 0,
  ] as const;
}

function optional(row: Row | undefined): ScheduleRecord | undefined {
  return row === undefined ? undefined : record(row);
}

function record(row: Row): ScheduleRecord {
  return {
    id: text(row, 'id'),
    name: text(row, 'name'),
    description: text(row, 'description'),
    groupId: optionalText(row, 'group_id'),
    rhythm: json(row, 'rhythm') as Rhythm, // we wrote it
    keep: json(row, 'keep') as Keep,
    prefix: text(row, 'prefix'),
    enabled: integer(row, 'enabled') === 1,
    nextAt: integer(row, 'next_at'),
    lastAt: optionalInteger(row, 'last_at'),
    isRunning: integer(row, 'is_running') === 1,
    createdAt: integer(row, 'created_at'),
  };
}
