import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { text } from './row.ts';

/** Names and values that a machine is handed when it boots; of a machine or of a collection. */
export class PersonalityTable {
  readonly #of: StatementSync;
  readonly #set: StatementSync;
  readonly #delete: StatementSync;
  readonly #clear: StatementSync;

  constructor(database: DatabaseSync) {
    this.#of = database.prepare(
      'SELECT name, value FROM personality WHERE owner_id = ? ORDER BY name',
    );
    this.#set = database.prepare(
      'INSERT OR REPLACE INTO personality (owner_id, name, value) VALUES (?, ?, ?)',
    );
    this.#delete = database.prepare('DELETE FROM personality WHERE owner_id = ? AND name = ?');
    this.#clear = database.prepare('DELETE FROM personality WHERE owner_id = ?');
  }

  /** By name. */
  of(ownerId: string): ReadonlyMap<string, string> {
    const rows = this.#of.all(ownerId);
    return new Map(rows.map((row) => [text(row, 'name'), text(row, 'value')]));
  }

  set(ownerId: string, name: string, value: string): void {
    this.#set.run(ownerId, name, value);
  }

  delete(ownerId: string, name: string): void {
    this.#delete.run(ownerId, name);
  }

  /** Its owner is gone. */
  clear(ownerId: string): void {
    this.#clear.run(ownerId);
  }
}
