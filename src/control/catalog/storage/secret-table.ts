import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { text } from '../row.ts';

/**
 * Passwords and tokens, apart from everything that is shown: what reads a record cannot come upon one by
 * accident. They go with their owner (schema/storage.ts). The file of the catalog is its owner's alone (database.ts).
 */
export class SecretTable {
  readonly #save: StatementSync;
  readonly #delete: StatementSync;
  readonly #of: StatementSync;

  constructor(database: DatabaseSync) {
    this.#save = database.prepare(
      'INSERT OR REPLACE INTO secrets (owner_id, field, value) VALUES (?, ?, ?)',
    );
    this.#delete = database.prepare('DELETE FROM secrets WHERE owner_id = ? AND field = ?');
    this.#of = database.prepare(
      'SELECT field, value FROM secrets WHERE owner_id = ? ORDER BY field',
    );
  }

  save(ownerId: string, field: string, value: string): void {
    this.#save.run(ownerId, field, value);
  }

  delete(ownerId: string, field: string): void {
    this.#delete.run(ownerId, field);
  }

  /** For whoever uses them, by field. Never to be shown. */
  of(ownerId: string): Readonly<Record<string, string>> {
    return Object.fromEntries(
      this.#of.all(ownerId).map((row) => [text(row, 'field'), text(row, 'value')]),
    );
  }

  /** Which there are: that may be shown. */
  fields(ownerId: string): readonly string[] {
    return this.#of.all(ownerId).map((row) => text(row, 'field'));
  }
}
