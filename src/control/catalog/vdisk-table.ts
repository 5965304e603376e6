import type { DatabaseSync, StatementSync } from 'node:sqlite';
import {
  type BootPolicy,
  ON_CACHE_IMPOSSIBLE,
  SSH_HOST_KEYS,
  type VdiskRecord,
} from './records.ts';
import { integer, oneOf, optionalInteger, optionalText, type Row, text } from './row.ts';

const SELECT = 'SELECT * FROM vdisks';

export class VdiskTable {
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #setPolicy: StatementSync;
  readonly #nextVersion: StatementSync;
  readonly #reachVersion: StatementSync;
  readonly #delete: StatementSync;
  readonly #byId: StatementSync;
  readonly #byName: StatementSync;
  readonly #all: StatementSync;
  readonly #count: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(
      `INSERT INTO vdisks (
        id, name, description, pinned_version, repository_id, overlay_repository_id, created_at
      ) VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#update = database.prepare(`
      UPDATE vdisks SET name = ?, description = ?, pinned_version = ?, overlay_repository_id = ?
      WHERE id = ?`);
    this.#setPolicy = database.prepare(
      'UPDATE vdisks SET on_cache_impossible = ?, ssh_host_keys = ? WHERE id = ?',
    );
    this.#nextVersion = database.prepare(`
      UPDATE vdisks SET last_version = last_version + 1 WHERE id = ? RETURNING last_version`);
    this.#reachVersion = database.prepare(
      'UPDATE vdisks SET last_version = max(last_version, ?) WHERE id = ?',
    );
    this.#delete = database.prepare('DELETE FROM vdisks WHERE id = ?');
    this.#byId = database.prepare(`${SELECT} WHERE id = ?`);
    this.#byName = database.prepare(`${SELECT} WHERE name = ?`);
    this.#all = database.prepare(`${SELECT} ORDER BY name`);
    this.#count = database.prepare('SELECT count(*) AS n FROM vdisks');
  }

  insert(record: VdiskRecord): void {
    const { id, name, description, pinnedVersion, repositoryId, createdAt } = record;
    const overlays = record.overlayRepositoryId ?? null;
    const optional = [pinnedVersion ?? null, repositoryId ?? null, overlays] as const;
    this.#insert.run(id, name, description, ...optional, createdAt);
  }

  update({ id, name, description, pinnedVersion, overlayRepositoryId }: VdiskRecord): void {
    this.#update.run(name, description, pinnedVersion ?? null, overlayRepositoryId ?? null, id);
  }

  /** That of a new vDisk is the default (schema/device-caches.ts). */
  bootPolicy(id: string): BootPolicy {
    const row = this.#byId.get(id) ?? {};
    return {
      onCacheImpossible: oneOf(row, 'on_cache_impossible', ON_CACHE_IMPOSSIBLE),
      sshHostKeys: oneOf(row, 'ssh_host_keys', SSH_HOST_KEYS),
    };
  }

  setBootPolicy(id: string, { onCacheImpossible, sshHostKeys }: BootPolicy): void {
    this.#setPolicy.run(onCacheImpossible, sshHostKeys, id);
  }

  /** A number that no version of the vDisk has or had; the first one has 1. */
  nextVersion(id: string): number {
    return integer(this.#nextVersion.get(id) ?? {}, 'last_version');
  }

  /** No version gets this number, or a smaller one, any more: they came from elsewhere. */
  reachVersion(id: string, number: number): void {
    this.#reachVersion.run(number, id);
  }

  /** Its versions go with it. */
  delete(id: string): void {
    this.#delete.run(id);
  }

  byId(id: string): VdiskRecord | undefined {
    return optional(this.#byId.get(id));
  }

  byName(name: string): VdiskRecord | undefined {
    return optional(this.#byName.get(name));
  }

  all(): readonly VdiskRecord[] {
    return this.#all.all().map(record);
  }

  count(): number {
    const row = this.#count.get();
    return row === undefined ? 0 : integer(row, 'n');
  }
}

function optional(row: Row | undefined): VdiskRecord | undefined {
  return row === undefined ? undefined : record(row);
}

function record(row: Row): VdiskRecord {
  return {
    id: text(row, 'id'),
    name: text(row, 'name'),
    description: text(row, 'description'),
    pinnedVersion: optionalInteger(row, 'pinned_version'),
    repositoryId: optionalText(row, 'repository_id'),
    overlayRepositoryId: optionalText(row, 'overlay_repository_id'),
    createdAt: integer(row, 'created_at'),
  };
}
