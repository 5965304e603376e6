import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Removal } from './records.ts';
import { oneOf, text } from './row.ts';

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
    this.#insert = database.prepare('INSERT OR IGNORE INTO removals (kind, id) VALUES (?, ?)');
    this.#delete = database.prepare('DELETE FROM removals WHERE kind = ? AND id = ?');
    this.#all = database.prepare('SELECT kind, id FROM removals ORDER BY kind, id');
  }

  insert(removal: Removal): void {
    this.#insert.run(removal.kind, removal.id);
  }

  delete(removal: Removal): void {
    this.#delete.run(removal.kind, removal.id);
  }

  all(): readonly Removal[] {
    return this.#all.all().map((row) => ({
      kind: oneOf(row, 'kind', ['layer', 'machine'] as const),
      id: text(row, 'id'),
    }));
  }
}
