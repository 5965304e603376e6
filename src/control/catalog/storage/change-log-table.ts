import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { blob, integer, type Row, text } from '../row.ts';

/** Between which two disks. */
export interface ChangeStep {
  readonly fromId: string;
  readonly toId: string;
}

/** What has changed from one disk to a later one, as it is kept. */
export interface ChangeLog extends ChangeStep {
  readonly repositoryId: string;
  /** Bytes of the later one. */
  readonly size: number;
  /** One bit for each 64 KiB of it, the lowest of a byte first; compressed (zstd). */
  readonly bits: Uint8Array;
}

export class ChangeLogTable {
  readonly #insert: StatementSync;
  readonly #get: StatementSync;
  readonly #has: StatementSync;
  readonly #into: StatementSync;
  readonly #outOf: StatementSync;
  readonly #delete: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(`
      INSERT OR REPLACE INTO change_logs (from_id, to_id, repository_id, size, bits) VALUES (?, ?, ?, ?, ?)`);
    this.#get = database.prepare('SELECT * FROM change_logs WHERE from_id = ? AND to_id = ?');
    this.#has = database.prepare('SELECT 1 FROM change_logs WHERE from_id = ? AND to_id = ?');
    this.#into = database.prepare(
      'SELECT from_id FROM change_logs WHERE to_id = ? ORDER BY from_id',
    );
    this.#outOf = database.prepare(
      'SELECT to_id FROM change_logs WHERE from_id = ? ORDER BY to_id',
    );
    this.#delete = database.prepare('DELETE FROM change_logs WHERE from_id = ?1 OR to_id = ?1');
  }

  insert({ fromId, toId, repositoryId, size, bits }: ChangeLog): void {
    this.#insert.run(fromId, toId, repositoryId, size, bits);
  }

  get({ fromId, toId }: ChangeStep): ChangeLog | undefined {
    const row = this.#get.get(fromId, toId);
    return row === undefined ? undefined : record(row);
  }

  has({ fromId, toId }: ChangeStep): boolean {
    return this.#has.get(fromId, toId) !== undefined;
  }

  /** Ids of those that logs lead from to this one. No bits are read. */
  into(toId: string): readonly string[] {
    return this.#into.all(toId).map((row) => text(row, 'from_id'));
  }

  /** Ids of those that logs lead to from this one. */
  outOf(fromId: string): readonly string[] {
    return this.#outOf.all(fromId).map((row) => text(row, 'to_id'));
  }

  /** All that begin or end with it. */
  deleteOf(id: string): void {
    this.#delete.run(id);
  }
}

function record(row: Row): ChangeLog {
  return {
    fromId: text(row, 'from_id'),
    toId: text(row, 'to_id'),
    repositoryId: text(row, 'repository_id'),
    size: integer(row, 'size'),
    bits: blob(row, 'bits'),
  };
}
