import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { StorageHandle } from '../../storage-port.ts';
import { integer, json, oneOf, optionalText, type Row, text } from '../row.ts';
import { CONSISTENCIES, type SnapshotRecord } from './records.ts';

/** Where a page begins: behind this one. */
export interface SnapshotCursor {
  readonly createdAt: number;
  readonly id: string;
}

export interface SnapshotQuery {
  readonly repositoryId: string;
  /** undefined: of all; null: of volumes that are deleted. */
  readonly volumeId: string | null | undefined;
  readonly after: SnapshotCursor | undefined;
  readonly limit: number;
}

export class SnapshotTable {
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #keepOnly: StatementSync;
  readonly #delete: StatementSync;
  readonly #deleteOfRepository: StatementSync;
  readonly #byId: StatementSync;
  readonly #byName: StatementSync;
  readonly #page: StatementSync;
  readonly #pageOfVolume: StatementSync;
  readonly #pageOrphaned: StatementSync;
  readonly #ofSchedule: StatementSync;
  readonly #childrenOf: StatementSync;
  readonly #moveChildren: StatementSync;
  readonly #count: StatementSync;
  readonly #countOfVolume: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(`
      INSERT INTO volume_snapshots (id, repository_id, volume_id, volume_name, parent_id, group_id, size,
        emulated, consistency, schedule_id, created_at, handle, name, description, held)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#update = database.prepare(
      'UPDATE volume_snapshots SET name = ?, description = ?, held = ? WHERE id = ?',
    );
    this.#keepOnly = database.prepare(`
      UPDATE volume_snapshots SET name = ?2, description = ?3, held = 0, schedule_id = NULL, group_id = NULL
      WHERE id = ?1`);
    this.#delete = database.prepare('DELETE FROM volume_snapshots WHERE id = ?');
    this.#deleteOfRepository = database.prepare(
      'DELETE FROM volume_snapshots WHERE repository_id = ?',
    );
    this.#byId = database.prepare('SELECT * FROM volume_snapshots WHERE id = ?');
    this.#byName = database.prepare(
      'SELECT * FROM volume_snapshots WHERE volume_id = ? AND name = ?',
    );
    const page = (condition: string): StatementSync =>
      database.prepare(`
        SELECT * FROM volume_snapshots WHERE repository_id = ?1 AND (created_at, id) > (?2, ?3) ${condition}
        ORDER BY created_at, id LIMIT ?4`);
    this.#page = page('');
    this.#pageOfVolume = page('AND volume_id = ?5');
    this.#pageOrphaned = page('AND volume_id IS NULL');
    this.#ofSchedule = database.prepare(`
      SELECT * FROM volume_snapshots WHERE schedule_id = ? AND volume_id = ? ORDER BY created_at, id`);
    this.#childrenOf = database.prepare(
      'SELECT * FROM volume_snapshots WHERE parent_id = ? ORDER BY created_at, id',
    );
    this.#moveChildren = database.prepare(
      'UPDATE volume_snapshots SET parent_id = ? WHERE parent_id = ?',
    );
    this.#count = database.prepare(
      'SELECT count(*) AS n FROM volume_snapshots WHERE repository_id = ?',
    );
    this.#countOfVolume = database.prepare(
      'SELECT count(*) AS n FROM volume_snapshots WHERE volume_id = ?',
    );
  }

  insert(snapshot: SnapshotRecord): void {
    this.#insert.run(
      snapshot.id,
      snapshot.repositoryId,
      snapshot.volumeId ?? null,
      snapshot.volumeName,
      snapshot.parentId ?? null,
      snapshot.groupId ?? null,
      snapshot.size,
      snapshot.emulated ? 1 : 0,
      snapshot.consistency,
      snapshot.scheduleId ?? null,
      snapshot.createdAt,
      JSON.stringify(snapshot.handle),
      snapshot.name,
      snapshot.description,
      snapshot.held ? 1 : 0,
    );
  }

  /** Its name, its description, and whether it is held. */
  update({ id, name, description, held }: SnapshotRecord): void {
    this.#update.run(name, description, held ? 1 : 0, id);
  }

  /** It stays for our own sake: no schedule's, no group's, and its name is free. */
  keepOnly(id: string, name: string, description: string): void {
    this.#keepOnly.run(id, name, description);
  }

  /** Its children are its parent's from then on. */
  delete({ id, parentId }: SnapshotRecord): void {
    this.#moveChildren.run(parentId ?? null, id);
    this.#delete.run(id);
  }

  deleteOfRepository(repositoryId: string): void {
    this.#deleteOfRepository.run(repositoryId);
  }

  byId(id: string): SnapshotRecord | undefined {
    return optional(this.#byId.get(id));
  }

  byName(volumeId: string, name: string): SnapshotRecord | undefined {
    return optional(this.#byName.get(volumeId, name));
  }

  /** Oldest first. */
  page({ repositoryId, volumeId, after, limit }: SnapshotQuery): readonly SnapshotRecord[] {
    const from = [repositoryId, after?.createdAt ?? -1, after?.id ?? '', limit] as const;
    if (volumeId === undefined) return this.#page.all(...from).map(record);
    if (volumeId === null) return this.#pageOrphaned.all(...from).map(record);
    return this.#pageOfVolume.all(...from, volumeId).map(record);
  }

  /** Those that a schedule took of a volume, oldest first. */
  ofSchedule(scheduleId: string, volumeId: string): readonly SnapshotRecord[] {
    return this.#ofSchedule.all(scheduleId, volumeId).map(record);
  }

  /** Those that came after it, also of volumes that were cloned from it. */
  childrenOf(id: string): readonly SnapshotRecord[] {
    return this.#childrenOf.all(id).map(record);
  }

  count(repositoryId: string): number {
    return integer(this.#count.get(repositoryId) ?? {}, 'n');
  }

  countOfVolume(volumeId: string): number {
    return integer(this.#countOfVolume.get(volumeId) ?? {}, 'n');
  }
}

function optional(row: Row | undefined): SnapshotRecord | undefined {
  return row === undefined ? undefined : record(row);
}

function record(row: Row): SnapshotRecord {
  return {
    id: text(row, 'id'),
    repositoryId: text(row, 'repository_id'),
    volumeId: optionalText(row, 'volume_id'),
    volumeName: text(row, 'volume_name'),
    name: text(row, 'name'),
    description: text(row, 'description'),
    parentId: optionalText(row, 'parent_id'),
    groupId: optionalText(row, 'group_id'),
    size: integer(row, 'size'),
    handle: json(row, 'handle') as StorageHandle, // an object: we wrote it
    emulated: integer(row, 'emulated') === 1,
    consistency: oneOf(row, 'consistency', CONSISTENCIES),
    scheduleId: optionalText(row, 'schedule_id'),
    held: integer(row, 'held') === 1,
    createdAt: integer(row, 'created_at'),
  };
}
