import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { StorageHandle } from '../../storage-port.ts';
import { integer, json, oneOf, optionalText, type Row, text } from '../row.ts';
import { VOLUME_ROLES, type VolumeRecord } from './records.ts';

export class VolumeTable {
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  readonly #deleteOfRepository: StatementSync;
  readonly #byId: StatementSync;
  readonly #byName: StatementSync;
  readonly #page: StatementSync;
  readonly #clonesOfSnapshot: StatementSync;
  readonly #clonesOfVolume: StatementSync;
  readonly #moveHead: StatementSync;
  readonly #count: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(`
      INSERT INTO volumes (id, repository_id, created_at, name, description, size, thin, wwid, handle, role,
        parent_snapshot_id, parent_volume_id, head_snapshot_id)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#update = database.prepare(`
      UPDATE volumes SET name = ?, description = ?, size = ?, thin = ?, wwid = ?, handle = ?, role = ?,
        parent_snapshot_id = ?, parent_volume_id = ?, head_snapshot_id = ?
      WHERE id = ?`);
    this.#delete = database.prepare('DELETE FROM volumes WHERE id = ?');
    this.#deleteOfRepository = database.prepare('DELETE FROM volumes WHERE repository_id = ?');
    this.#byId = database.prepare('SELECT * FROM volumes WHERE id = ?');
    this.#byName = database.prepare('SELECT * FROM volumes WHERE repository_id = ? AND name = ?');
    this.#page = database.prepare(
      'SELECT * FROM volumes WHERE repository_id = ? AND name > ? ORDER BY name LIMIT ?',
    );
    this.#clonesOfSnapshot = database.prepare(
      'SELECT * FROM volumes WHERE parent_snapshot_id = ? ORDER BY name',
    );
    this.#clonesOfVolume = database.prepare(
      'SELECT * FROM volumes WHERE parent_volume_id = ? ORDER BY name',
    );
    this.#moveHead = database.prepare(
      'UPDATE volumes SET head_snapshot_id = ? WHERE head_snapshot_id = ?',
    );
    this.#count = database.prepare('SELECT count(*) AS n FROM volumes WHERE repository_id = ?');
  }

  insert(volume: VolumeRecord): void {
    this.#insert.run(volume.id, volume.repositoryId, volume.createdAt, ...changeable(volume));
  }

  /** Everything but its id, repository and origin. */
  update(volume: VolumeRecord): void {
    this.#update.run(...changeable(volume), volume.id);
  }

  /** Its snapshots stay. */
  delete(id: string): void {
    this.#delete.run(id);
  }

  deleteOfRepository(repositoryId: string): void {
    this.#deleteOfRepository.run(repositoryId);
  }

  byId(id: string): VolumeRecord | undefined {
    return optional(this.#byId.get(id));
  }

  byName(repositoryId: string, name: string): VolumeRecord | undefined {
    return optional(this.#byName.get(repositoryId, name));
  }

  /** By name. @param after a name: only those behind it */
  page(repositoryId: string, after: string, limit: number): readonly VolumeRecord[] {
    return this.#page.all(repositoryId, after, limit).map(record);
  }

  /** Linked clones that stand on it. */
  clonesOfSnapshot(snapshotId: string): readonly VolumeRecord[] {
    return this.#clonesOfSnapshot.all(snapshotId).map(record);
  }

  clonesOfVolume(volumeId: string): readonly VolumeRecord[] {
    return this.#clonesOfVolume.all(volumeId).map(record);
  }

  /** Whose next snapshot would have been the child of one is that of the other now. */
  moveHead(from: string, to: string | undefined): void {
    this.#moveHead.run(to ?? null, from);
  }

  count(repositoryId: string): number {
    return integer(this.#count.get(repositoryId) ?? {}, 'n');
  }
}

function changeable(volume: VolumeRecord) {
  return [
    volume.name,
    volume.description,
    volume.size,
    volume.thin ? 1 : 0,
    volume.wwid ?? null,
    JSON.stringify(volume.handle),
    volume.role,
    volume.parentSnapshotId ?? null,
    volume.parentVolumeId ?? null,
    volume.headSnapshotId ?? null,
  ] as const;
}

function optional(row: Row | undefined): VolumeRecord | undefined {
  return row === undefined ? undefined : record(row);
}

function record(row: Row): VolumeRecord {
  return {
    id: text(row, 'id'),
    repositoryId: text(row, 'repository_id'),
    name: text(row, 'name'),
    description: text(row, 'description'),
    size: integer(row, 'size'),
    thin: integer(row, 'thin') === 1,
    wwid: optionalText(row, 'wwid'),
    handle: json(row, 'handle') as StorageHandle, // an object: we wrote it
    role: oneOf(row, 'role', VOLUME_ROLES),
    parentSnapshotId: optionalText(row, 'parent_snapshot_id'),
    parentVolumeId: optionalText(row, 'parent_volume_id'),
    headSnapshotId: optionalText(row, 'head_snapshot_id'),
    createdAt: integer(row, 'created_at'),
  };
}
