import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Removal } from './records.ts';
import { oneOf, optionalText, text } from './row.ts';

/**
 * Deletions that the catalog has decided and the disk has yet to carry out. Written in the
 * transaction that deletes the record, struck out when the bytes are gone: a crash in between
 * leaves work to do, never bytes that nobody knows of.
 */
export class RemovalTable {
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #all: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(
      'INSERT OR IGNORE INTO removals (kind, id, volume_id) VALUES (?, ?, ?)',
    );
    this.#delete = database.prepare('DELETE FROM removals WHERE kind = ? AND id = ?');
    this.#all = database.prepare('SELECT * FROM removals ORDER BY kind, id');
  }

  insert(removal: Removal): void {
    const volumeId = removal.kind === 'layer' ? removal.volumeId : null;
    this.#insert.run(removal.kind, removal.id, volumeId);
  }

  delete(removal: Removal): void {
    this.#delete.run(removal.kind, removal.id);
  }

  all(): readonly Removal[] {
    return this.#all.all().map((row): Removal => {
      const kind = oneOf(row, 'kind', ['layer', 'machine'] as const);
      const id = text(row, 'id');
      // One from before a layer's volume had a name of its own.
      return kind === 'layer'
        ? { kind, id, volumeId: optionalText(row, 'volume_id') ?? id }
        : { kind, id };
    });
  }
}
