import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { integer, type Row, text } from '../row.ts';
import type { GroupRecord } from './records.ts';

/** Volumes that belong together: their snapshots are of one moment. */
export class GroupTable {
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  readonly #byId: StatementSync;
  readonly #byName: StatementSync;
  readonly #all: StatementSync;
  readonly #members: StatementSync;
  readonly #clear: StatementSync;
  readonly #addMember: StatementSync;
  readonly #ofVolume: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(
      'INSERT INTO volume_groups (id, name, description, created_at) VALUES (?, ?, ?, ?)',
    );
    this.#update = database.prepare(
      'UPDATE volume_groups SET name = ?, description = ? WHERE id = ?',
    );
    this.#delete = database.prepare('DELETE FROM volume_groups WHERE id = ?');
    this.#byId = database.prepare('SELECT * FROM volume_groups WHERE id = ?');
    this.#byName = database.prepare('SELECT * FROM volume_groups WHERE name = ?');
    this.#all = database.prepare('SELECT * FROM volume_groups ORDER BY name');
    this.#members = database.prepare(
      'SELECT volume_id FROM volume_group_members WHERE group_id = ? ORDER BY volume_id',
    );
    this.#clear = database.prepare('DELETE FROM volume_group_members WHERE group_id = ?');
    this.#addMember = database.prepare(
      'INSERT INTO volume_group_members (group_id, volume_id) VALUES (?, ?)',
    );
    this.#ofVolume = database.prepare(`
      SELECT volume_groups.* FROM volume_groups JOIN volume_group_members ON group_id = id
      WHERE volume_id = ? ORDER BY name`);
  }

  insert({ id, name, description, createdAt }: GroupRecord): void {
    this.#insert.run(id, name, description, createdAt);
  }

  /** Its name and description. */
  update({ id, name, description }: GroupRecord): void {
    this.#update.run(name, description, id);
  }

  delete(id: string): void {
    this.#delete.run(id);
  }

  byId(id: string): GroupRecord | undefined {
    return optional(this.#byId.get(id));
  }

  byName(name: string): GroupRecord | undefined {
    return optional(this.#byName.get(name));
  }

  /** By name. */
  all(): readonly GroupRecord[] {
    return this.#all.all().map(record);
  }

  /** Ids of volumes. */
  members(id: string): readonly string[] {
    return this.#members.all(id).map((row) => text(row, 'volume_id'));
  }

  setMembers(id: string, volumeIds: readonly string[]): void {
    this.#clear.run(id);
    for (const volumeId of volumeIds) this.#addMember.run(id, volumeId);
  }

  /** Those that it is in, by name. */
  ofVolume(volumeId: string): readonly GroupRecord[] {
    return this.#ofVolume.all(volumeId).map(record);
  }
}

function optional(row: Row | undefined): GroupRecord | undefined {
  return row === undefined ? undefined : record(row);
}

function record(row: Row): GroupRecord {
  return {
    id: text(row, 'id'),
    name: text(row, 'name'),
    description: text(row, 'description'),
    createdAt: integer(row, 'created_at'),
  };
}
