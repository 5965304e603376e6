import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { integer, oneOf, optionalText, type Row, text } from '../row.ts';

export const TRACKED_STATES = ['tracked', 'anchor', 'log', 'leaving'] as const;
export type TrackedState = (typeof TRACKED_STATES)[number];

/** A volume or a snapshot of which it may be asked what has changed (control/changes). */
export interface TrackedDisk {
  readonly id: string;
  readonly repositoryId: string;
  /** A snapshot's volume; a volume's own id; undefined: the volume is deleted. */
  readonly volumeId: string | undefined;
  /**
   * tracked: it is there. anchor: its data is to go, and stays until the next snapshot is there. log: its data is
   * gone. leaving: nobody wants it any more, and its data stays until logs that need it are written.
   */
  readonly state: TrackedState;
  /** Bytes. */
  readonly size: number;
  /** Of a snapshot: when it was taken. Milliseconds since the epoch. */
  readonly createdAt: number;
}

/** Snapshots of a tracked volume are tracked from the moment they are inserted (a trigger, schema/changed-blocks.ts). */
export class TrackedDiskTable {
  readonly #save: StatementSync;
  readonly #delete: StatementSync;
  readonly #byId: StatementSync;
  readonly #going: StatementSync;
  readonly #ofVolume: StatementSync;
  readonly #dataless: StatementSync;

  constructor(database: DatabaseSync) {
    this.#save = database.prepare(`
      INSERT INTO tracked_disks (id, repository_id, volume_id, state, size, created_at) VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (id) DO UPDATE SET state = excluded.state, size = excluded.size`);
    this.#delete = database.prepare('DELETE FROM tracked_disks WHERE id = ?');
    this.#byId = database.prepare('SELECT * FROM tracked_disks WHERE id = ?');
    this.#going = database.prepare(`
      SELECT d.* FROM tracked_disks d LEFT JOIN volumes v ON v.id = d.volume_id AND v.head_snapshot_id = d.id
      WHERE d.state = 'leaving' OR d.state = 'anchor' AND v.id IS NULL ORDER BY d.created_at, d.id`);
    this.#ofVolume = database.prepare(`
      SELECT * FROM tracked_disks WHERE volume_id = ? ORDER BY created_at, id`);
    this.#dataless = database.prepare(`
      SELECT * FROM tracked_disks WHERE repository_id = ? AND state IN ('anchor', 'log')
      ORDER BY created_at, id`);
  }

  /** Adds it, or changes its state and size. */
  save({ id, repositoryId, volumeId, state, size, createdAt }: TrackedDisk): void {
    this.#save.run(id, repositoryId, volumeId ?? null, state, size, createdAt);
  }

  delete(id: string): void {
    this.#delete.run(id);
  }

  byId(id: string): TrackedDisk | undefined {
    const row = this.#byId.get(id);
    return row === undefined ? undefined : record(row);
  }

  /** Those whose data is to be deleted, oldest first; anchors only when their volume stands on another snapshot. */
  going(): readonly TrackedDisk[] {
    return this.#going.all().map(record);
  }

  /** The volume itself among them, oldest first. */
  ofVolume(volumeId: string): readonly TrackedDisk[] {
    return this.#ofVolume.all(volumeId).map(record);
  }

  /** Of those snapshots only what has changed can be asked for, oldest first. */
  withoutData(repositoryId: string): readonly TrackedDisk[] {
    return this.#dataless.all(repositoryId).map(record);
  }
}

function record(row: Row): TrackedDisk {
  return {
    id: text(row, 'id'),
    repositoryId: text(row, 'repository_id'),
    volumeId: optionalText(row, 'volume_id'),
    state: oneOf(row, 'state', TRACKED_STATES),
    size: integer(row, 'size'),
    createdAt: integer(row, 'created_at'),
  };
}
