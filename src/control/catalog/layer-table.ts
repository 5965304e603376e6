import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { LayerRecord } from './records.ts';
import { integer, optionalInteger, optionalText, type Row, text } from './row.ts';

/** Sealed layers: a tree, of which versions name some. */
export class LayerTable {
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #byId: StatementSync;
  readonly #all: StatementSync;
  readonly #ofContent: StatementSync;
  readonly #chain: StatementSync;
  readonly #checked: StatementSync;
  readonly #longestUnchecked: StatementSync;
  readonly #resolve: StatementSync;
  readonly #moveAliases: StatementSync;
  readonly #alias: StatementSync;
  readonly #aliases: StatementSync;
  readonly #namesInVdisk: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(`
      INSERT INTO layers (
        id, parent_id, volume_id, content_id, size, data_bytes, own_bytes, verified_at, damaged_chunks,
        created_at
      ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#delete = database.prepare('DELETE FROM layers WHERE id = ?');
    this.#byId = database.prepare('SELECT * FROM layers WHERE id = ?');
    this.#all = database.prepare('SELECT * FROM layers ORDER BY created_at, id');
    this.#ofContent = database.prepare(
      'SELECT * FROM layers WHERE content_id = ? ORDER BY created_at, id',
    );
    this.#chain = database.prepare(`
      WITH RECURSIVE chain AS (
        SELECT *, 0 AS height FROM layers WHERE id = ?
        UNION ALL
        SELECT layers.*, chain.height + 1 FROM layers JOIN chain ON layers.id = chain.parent_id
      ) SELECT * FROM chain ORDER BY height DESC`);
    this.#checked = database.prepare(
      'UPDATE layers SET verified_at = ?, damaged_chunks = ? WHERE id = ?',
    );
    this.#longestUnchecked = database.prepare(`
      SELECT * FROM layers WHERE coalesce(verified_at, created_at) < ?
      ORDER BY coalesce(verified_at, created_at) LIMIT ?`);
    this.#resolve = database.prepare('SELECT layer_id FROM layer_aliases WHERE id = ?');
    this.#moveAliases = database.prepare(
      'UPDATE layer_aliases SET layer_id = ? WHERE layer_id = ?',
    );
    this.#alias = database.prepare('INSERT INTO layer_aliases (id, layer_id) VALUES (?, ?)');
    this.#aliases = database.prepare('SELECT id FROM layer_aliases WHERE layer_id = ?');
    this.#namesInVdisk = database.prepare(`
      SELECT layer_id AS id FROM versions WHERE vdisk_id = ?1 AND layer_id IS NOT NULL
      UNION
      SELECT layer_aliases.id FROM layer_aliases JOIN versions USING (layer_id) WHERE vdisk_id = ?1`);
  }

  insert(record: LayerRecord): void {
    this.#insert.run(
      record.id,
      record.parentId ?? null,
      record.volumeId,
      record.contentId,
      record.size,
      record.dataBytes,
      record.ownBytes,
      record.verifiedAt ?? null,
      record.damagedChunks,
      record.createdAt,
    );
  }

  /** Nothing may stand on it any more; its aliases go with it. */
  delete(id: string): void {
    this.#delete.run(id);
  }

  byId(id: string): LayerRecord | undefined {
    const row = this.#byId.get(id);
    return row === undefined ? undefined : record(row);
  }

  /** Oldest first. */
  all(): readonly LayerRecord[] {
    return this.#all.all().map(record);
  }

  /** Layers from which the same disk is seen. */
  ofContent(contentId: string): readonly LayerRecord[] {
    return this.#ofContent.all(contentId).map(record);
  }

  /** The layer and what it stands on, the base first; empty when there is no such layer. */
  chain(id: string): readonly LayerRecord[] {
    return this.#chain.all(id).map(record);
  }

  checked(id: string, at: number, damagedChunks: number): void {
    this.#checked.run(at, damagedChunks, id);
  }

  /** Those that were not verified since `at`, at most so many, the one that waits for longest first. */
  longestUnchecked(at: number, most: number): readonly LayerRecord[] {
    return this.#longestUnchecked.all(at, most).map(record);
  }

  /** The layer that now holds what this one held: itself, unless a merge has replaced it. */
  resolve(id: string): string {
    const row = this.#resolve.get(id);
    return row === undefined ? id : text(row, 'layer_id');
  }

  /** From now on `id` is another name of `by`, which holds the same. */
  replace(id: string, by: string): void {
    this.#moveAliases.run(by, id);
    this.#alias.run(id, by);
  }

  /** Layers that this one has replaced. */
  aliasesOf(id: string): readonly string[] {
    return this.#aliases.all(id).map((row) => text(row, 'id'));
  }

  /** Layers of all sealed versions of a vDisk, and those that they have replaced. */
  namesInVdisk(vdiskId: string): ReadonlySet<string> {
    return new Set(this.#namesInVdisk.all(vdiskId).map((row) => text(row, 'id')));
  }
}

function record(row: Row): LayerRecord {
  return {
    id: text(row, 'id'),
    parentId: optionalText(row, 'parent_id'),
    volumeId: text(row, 'volume_id'),
    contentId: text(row, 'content_id'),
    size: integer(row, 'size'),
    dataBytes: integer(row, 'data_bytes'),
    ownBytes: integer(row, 'own_bytes'),
    verifiedAt: optionalInteger(row, 'verified_at'),
    damagedChunks: integer(row, 'damaged_chunks'),
    createdAt: integer(row, 'created_at'),
  };
}
