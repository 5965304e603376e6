import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { integer, type Row, text } from './row.ts';

/** An overlay in another repository than the service's own. */
export interface OverlayPlaceRecord {
  /** A machine, or a version in maintenance. */
  readonly ownerId: string;
  /** Of the generation. */
  readonly number: number;
  /** The layer that it stands on, as it was called then. */
  readonly layerId: string;
  readonly repositoryId: string;
  /** Tags of its two volumes in that repository. */
  readonly dataTag: string;
  readonly mapTag: string;
}

/**
 * Which overlays there are in repositories that may be away when the service starts. A row is written when the overlay
 * is whole, in the transaction in which its tags are leftovers no more; when it goes, they are again (a trigger).
 */
export class OverlayPlaceTable {
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #deleteByData: StatementSync;
  readonly #all: StatementSync;
  readonly #ofRepository: StatementSync;
  readonly #count: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(`
      INSERT INTO overlay_places (owner_id, number, layer_id, repository_id, data_tag, map_tag)
      VALUES (?, ?, ?, ?, ?, ?)`);
    this.#delete = database.prepare('DELETE FROM overlay_places WHERE owner_id = ? AND number = ?');
    this.#deleteByData = database.prepare(
      'DELETE FROM overlay_places WHERE repository_id = ? AND data_tag = ?',
    );
    this.#all = database.prepare('SELECT * FROM overlay_places ORDER BY owner_id, number');
    this.#ofRepository = database.prepare(
      'SELECT * FROM overlay_places WHERE repository_id = ? ORDER BY owner_id, number',
    );
    this.#count = database.prepare(
      'SELECT count(*) AS n FROM overlay_places WHERE repository_id = ?',
    );
  }

  insert(place: OverlayPlaceRecord): void {
    const { ownerId, number, layerId, repositoryId, dataTag, mapTag } = place;
    this.#insert.run(ownerId, number, layerId, repositoryId, dataTag, mapTag);
  }

  /** Its volumes are leftovers from now on. */
  delete({ ownerId, number }: Pick<OverlayPlaceRecord, 'ownerId' | 'number'>): void {
    this.#delete.run(ownerId, number);
  }

  /** The same for the one with this data volume, if there is one. */
  deleteByData(repositoryId: string, dataTag: string): void {
    this.#deleteByData.run(repositoryId, dataTag);
  }

  /** By owner, the oldest first. */
  all(): readonly OverlayPlaceRecord[] {
    return this.#all.all().map(record);
  }

  ofRepository(repositoryId: string): readonly OverlayPlaceRecord[] {
    return this.#ofRepository.all(repositoryId).map(record);
  }

  count(repositoryId: string): number {
    return integer(this.#count.get(repositoryId) ?? {}, 'n');
  }
}

function record(row: Row): OverlayPlaceRecord {
  return {
    ownerId: text(row, 'owner_id'),
    number: integer(row, 'number'),
    layerId: text(row, 'layer_id'),
    repositoryId: text(row, 'repository_id'),
    dataTag: text(row, 'data_tag'),
    mapTag: text(row, 'map_tag'),
  };
}
