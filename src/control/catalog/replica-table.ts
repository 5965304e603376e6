import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { integer, type Row, text } from './row.ts';

/** A repository in which copies of all layers of a vDisk are wanted. */
export interface VdiskReplicaRecord {
  readonly vdiskId: string;
  readonly repositoryId: string;
  /** Nothing is copied until somebody asks for it again. */
  readonly paused: boolean;
  readonly createdAt: number;
}

/** A whole and verified copy of a layer; as immutable as the layer is. */
export interface LayerReplicaRecord {
  readonly layerId: string;
  readonly repositoryId: string;
  /** In that repository. */
  readonly volumeId: string;
  readonly verifiedAt: number;
  readonly createdAt: number;
}

export class ReplicaTable {
  readonly #want: StatementSync;
  readonly #unwant: StatementSync;
  readonly #wanted: StatementSync;
  readonly #wantedOf: StatementSync;
  readonly #wantedIn: StatementSync;
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #all: StatementSync;
  readonly #ofLayer: StatementSync;
  readonly #count: StatementSync;

  constructor(database: DatabaseSync) {
    this.#want = database.prepare(`
      INSERT INTO vdisk_replicas (vdisk_id, repository_id, paused, created_at) VALUES (?, ?, ?, ?)
      ON CONFLICT (vdisk_id, repository_id) DO UPDATE SET paused = excluded.paused`);
    this.#unwant = database.prepare(
      'DELETE FROM vdisk_replicas WHERE vdisk_id = ? AND repository_id = ?',
    );
    this.#wanted = database.prepare('SELECT * FROM vdisk_replicas ORDER BY created_at, vdisk_id');
    this.#wantedOf = database.prepare(
      'SELECT * FROM vdisk_replicas WHERE vdisk_id = ? ORDER BY created_at, repository_id',
    );
    this.#wantedIn = database.prepare('SELECT * FROM vdisk_replicas WHERE repository_id = ?');
    this.#insert = database.prepare(`
      INSERT INTO layer_replicas (layer_id, repository_id, volume_id, verified_at, created_at)
      VALUES (?, ?, ?, ?, ?)`);
    this.#delete = database.prepare(
      'DELETE FROM layer_replicas WHERE layer_id = ? AND repository_id = ?',
    );
    this.#all = database.prepare('SELECT * FROM layer_replicas ORDER BY layer_id, repository_id');
    this.#ofLayer = database.prepare(
      'SELECT * FROM layer_replicas WHERE layer_id = ? ORDER BY created_at, repository_id',
    );
    this.#count = database.prepare(
      'SELECT count(*) AS n FROM layer_replicas WHERE repository_id = ?',
    );
  }

  /** Adds it, or changes whether it is paused. */
  want({ vdiskId, repositoryId, paused, createdAt }: VdiskReplicaRecord): void {
    this.#want.run(vdiskId, repositoryId, paused ? 1 : 0, createdAt);
  }

  /** @returns whether it was wanted */
  unwant(vdiskId: string, repositoryId: string): boolean {
    return this.#unwant.run(vdiskId, repositoryId).changes > 0;
  }

  /** Oldest first. */
  wanted(): readonly VdiskReplicaRecord[] {
    return this.#wanted.all().map(wanted);
  }

  wantedOf(vdiskId: string): readonly VdiskReplicaRecord[] {
    return this.#wantedOf.all(vdiskId).map(wanted);
  }

  wantedIn(repositoryId: string): readonly VdiskReplicaRecord[] {
    return this.#wantedIn.all(repositoryId).map(wanted);
  }

  insert({ layerId, repositoryId, volumeId, verifiedAt, createdAt }: LayerReplicaRecord): void {
    this.#insert.run(layerId, repositoryId, volumeId, verifiedAt, createdAt);
  }

  /** Its volume becomes a leftover of the repository. */
  delete({ layerId, repositoryId }: Pick<LayerReplicaRecord, 'layerId' | 'repositoryId'>): void {
    this.#delete.run(layerId, repositoryId);
  }

  all(): readonly LayerReplicaRecord[] {
    return this.#all.all().map(record);
  }

  /** Oldest first. */
  ofLayer(layerId: string): readonly LayerReplicaRecord[] {
    return this.#ofLayer.all(layerId).map(record);
  }

  /** Copies that lie in a repository. */
  count(repositoryId: string): number {
    return integer(this.#count.get(repositoryId) ?? {}, 'n');
  }
}

function wanted(row: Row): VdiskReplicaRecord {
  return {
    vdiskId: text(row, 'vdisk_id'),
    repositoryId: text(row, 'repository_id'),
    paused: integer(row, 'paused') === 1,
    createdAt: integer(row, 'created_at'),
  };
}

function record(row: Row): LayerReplicaRecord {
  return {
    layerId: text(row, 'layer_id'),
    repositoryId: text(row, 'repository_id'),
    volumeId: text(row, 'volume_id'),
    verifiedAt: integer(row, 'verified_at'),
    createdAt: integer(row, 'created_at'),
  };
}
