import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ArrayRef, VolumeLocator } from '../../../repositories/index.ts';
import { integer, json, optionalText, type Row, text } from '../row.ts';

/** A volume of an array, as the service finds it again. */
export interface NodeVolumeRecord {
  readonly tag: string;
  readonly ref: ArrayRef;
  readonly locator: VolumeLocator;
}

/** The service's own: what a volume is made of (src/volumes/nodes.ts). */
export interface VolumeNodeRecord {
  readonly id: string;
  readonly repositoryId: string;
  readonly parentId: string | undefined;
  readonly data: NodeVolumeRecord;
  readonly map: NodeVolumeRecord | undefined;
  readonly size: number;
  readonly sealed: boolean;
  readonly volumeId: string | undefined;
  readonly snapshotId: string | undefined;
}

export class VolumeNodeTable {
  readonly #save: StatementSync;
  readonly #delete: StatementSync;
  readonly #byId: StatementSync;
  readonly #ofVolume: StatementSync;
  readonly #ofSnapshot: StatementSync;
  readonly #children: StatementSync;
  readonly #chain: StatementSync;
  readonly #hidden: StatementSync;
  readonly #hiddenLeaves: StatementSync;
  readonly #hiddenBelowOne: StatementSync;
  readonly #ofRepository: StatementSync;

  constructor(database: DatabaseSync) {
    this.#save = database.prepare(`
      INSERT INTO volume_nodes (id, repository_id, parent_id, data, map, size, sealed, volume_id, snapshot_id)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (id) DO UPDATE SET parent_id = excluded.parent_id, data = excluded.data, map = excluded.map,
        size = excluded.size, sealed = excluded.sealed, volume_id = excluded.volume_id,
        snapshot_id = excluded.snapshot_id`);
    this.#delete = database.prepare('DELETE FROM volume_nodes WHERE id = ?');
    this.#byId = database.prepare('SELECT * FROM volume_nodes WHERE id = ?');
    this.#ofVolume = database.prepare('SELECT * FROM volume_nodes WHERE volume_id = ?');
    this.#ofSnapshot = database.prepare('SELECT * FROM volume_nodes WHERE snapshot_id = ?');
    this.#children = database.prepare('SELECT * FROM volume_nodes WHERE parent_id = ? ORDER BY id');
    this.#chain = database.prepare(`
      WITH RECURSIVE below (id, parent_id, depth) AS (
        SELECT id, parent_id, 0 FROM volume_nodes WHERE id = ?
        UNION ALL
        SELECT n.id, n.parent_id, depth + 1 FROM volume_nodes n JOIN below ON n.id = below.parent_id
      )
      SELECT volume_nodes.* FROM below JOIN volume_nodes USING (id) ORDER BY depth DESC`);
    this.#hidden = database.prepare(`
      SELECT * FROM volume_nodes WHERE volume_id IS NULL AND snapshot_id IS NULL ORDER BY id`);
    const hidden = 'SELECT id FROM volume_nodes h WHERE volume_id IS NULL AND snapshot_id IS NULL';
    this.#hiddenLeaves = database.prepare(`
      ${hidden} AND NOT EXISTS (SELECT 1 FROM volume_nodes c WHERE c.parent_id = h.id) ORDER BY id`);
    this.#hiddenBelowOne = database.prepare(`
      ${hidden} AND 1 = (SELECT count(*) FROM (SELECT 1 FROM volume_nodes c WHERE c.parent_id = h.id LIMIT 2))
      ORDER BY id`);
    this.#ofRepository = database.prepare(
      'SELECT * FROM volume_nodes WHERE repository_id = ? ORDER BY id',
    );
  }

  /** Adds it, or replaces all but its id and repository. */
  save(node: VolumeNodeRecord): void {
    this.#save.run(
      ...[node.id, node.repositoryId, node.parentId ?? null, JSON.stringify(node.data)],
      node.map === undefined ? null : JSON.stringify(node.map),
      ...[node.size, node.sealed ? 1 : 0, node.volumeId ?? null, node.snapshotId ?? null],
    );
  }

  delete(id: string): void {
    this.#delete.run(id);
  }

  byId(id: string): VolumeNodeRecord | undefined {
    return optional(this.#byId.get(id));
  }

  ofVolume(volumeId: string): VolumeNodeRecord | undefined {
    return optional(this.#ofVolume.get(volumeId));
  }

  ofSnapshot(snapshotId: string): VolumeNodeRecord | undefined {
    return optional(this.#ofSnapshot.get(snapshotId));
  }

  childrenOf(id: string): readonly VolumeNodeRecord[] {
    return this.#children.all(id).map(record);
  }

  /** The node and all that it stands on, the lowest first. */
  chain(id: string): readonly VolumeNodeRecord[] {
    return this.#chain.all(id).map(record);
  }

  ofRepository(repositoryId: string): readonly VolumeNodeRecord[] {
    return this.#ofRepository.all(repositoryId).map(record);
  }

  /** Neither a volume's nor a snapshot. */
  hidden(): readonly VolumeNodeRecord[] {
    return this.#hidden.all().map(record);
  }

  /** Ids of those that nothing stands on. Asked often: no record is read. */
  hiddenLeaves(): readonly string[] {
    return this.#hiddenLeaves.all().map((row) => text(row, 'id'));
  }

  /** Ids of those that one node stands on. */
  hiddenBelowOne(): readonly string[] {
    return this.#hiddenBelowOne.all().map((row) => text(row, 'id'));
  }
}

/** Tags of what may be on an array although nothing here has it. */
export class LeftoverTable {
  readonly #add: StatementSync;
  readonly #remove: StatementSync;
  readonly #of: StatementSync;

  constructor(database: DatabaseSync) {
    this.#add = database.prepare(
      'INSERT OR IGNORE INTO array_leftovers (tag, repository_id) VALUES (?, ?)',
    );
    this.#remove = database.prepare('DELETE FROM array_leftovers WHERE tag = ?');
    this.#of = database.prepare('SELECT * FROM array_leftovers WHERE repository_id = ?');
  }

  add(tag: string, repositoryId: string): void {
    this.#add.run(tag, repositoryId);
  }

  remove(tag: string): void {
    this.#remove.run(tag);
  }

  ofRepository(repositoryId: string): readonly string[] {
    return this.#of.all(repositoryId).map((row) => text(row, 'tag'));
  }
}

const optional = (row: Row | undefined): VolumeNodeRecord | undefined =>
  row === undefined ? undefined : record(row);

function record(row: Row): VolumeNodeRecord {
  return {
    id: text(row, 'id'),
    repositoryId: text(row, 'repository_id'),
    parentId: optionalText(row, 'parent_id'),
    data: json(row, 'data') as NodeVolumeRecord,
    map: row['map'] === null ? undefined : (json(row, 'map') as NodeVolumeRecord),
    size: integer(row, 'size'),
    sealed: integer(row, 'sealed') === 1,
    volumeId: optionalText(row, 'volume_id'),
    snapshotId: optionalText(row, 'snapshot_id'),
  };
}
