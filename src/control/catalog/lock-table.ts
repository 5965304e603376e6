import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { LockRecord } from './records.ts';
import { integer, optionalText, type Row, text } from './row.ts';

/** Locks with a lease. A row is never deleted while its subject lives: its token only ever grows. */
export class LockTable {
  readonly #byName: StatementSync;
  readonly #held: StatementSync;
  readonly #save: StatementSync;
  readonly #delete: StatementSync;

  constructor(database: DatabaseSync) {
    this.#byName = database.prepare('SELECT * FROM locks WHERE name = ?');
    this.#held = database.prepare('SELECT * FROM locks WHERE holder IS NOT NULL ORDER BY name');
    this.#save = database.prepare(
      'INSERT OR REPLACE INTO locks (name, token, holder, expires_at) VALUES (?, ?, ?, ?)',
    );
    this.#delete = database.prepare('DELETE FROM locks WHERE name = ?');
  }

  byName(name: string): LockRecord | undefined {
    const row = this.#byName.get(name);
    return row === undefined ? undefined : record(row);
  }

  held(): readonly LockRecord[] {
    return this.#held.all().map(record);
  }

  save({ name, token, holder, expiresAt }: LockRecord): void {
    this.#save.run(name, token, holder ?? null, expiresAt);
  }

  /** What it locked is gone. */
  delete(name: string): void {
    this.#delete.run(name);
  }
}

function record(row: Row): LockRecord {
  return {
    name: text(row, 'name'),
    token: integer(row, 'token'),
    holder: optionalText(row, 'holder'),
    expiresAt: integer(row, 'expires_at'),
  };
}
