import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { TraceRecord } from './records.ts';
import { blob, integer, type Row, text } from './row.ts';

/** Traces of single boots, by content. */
export class TraceTable {
  readonly #insert: StatementSync;
  readonly #prune: StatementSync;
  readonly #ofContent: StatementSync;
  readonly #mark: StatementSync;
  readonly #contents: StatementSync;
  readonly #delete: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(`
      INSERT INTO boot_traces (content_id, recorded_at, machine, unit_bytes, units)
      VALUES (?, ?, ?, ?, ?)`);
    this.#prune = database.prepare(`
      DELETE FROM boot_traces WHERE content_id = ? AND id NOT IN (
        SELECT id FROM boot_traces WHERE content_id = ? ORDER BY id DESC LIMIT ?)`);
    this.#ofContent = database.prepare(
      'SELECT * FROM boot_traces WHERE content_id = ? ORDER BY id',
    );
    this.#mark = database.prepare(
      'SELECT count(*) AS n, coalesce(max(id), 0) AS last FROM boot_traces WHERE content_id = ?',
    );
    this.#contents = database.prepare(
      'SELECT content_id FROM boot_traces GROUP BY content_id ORDER BY max(id) DESC',
    );
    this.#delete = database.prepare('DELETE FROM boot_traces WHERE content_id = ?');
  }

  /** Keeps the content's last `keep`. */
  insert({ contentId, recordedAt, machine, unitBytes, units }: TraceRecord, keep: number): void {
    this.#insert.run(contentId, recordedAt, machine, unitBytes, units);
    this.#prune.run(contentId, contentId, keep);
  }

  /** Oldest first. */
  ofContent(contentId: string): readonly TraceRecord[] {
    return this.#ofContent.all(contentId).map(record);
  }

  /** How many there are, and something that changes whenever they do. */
  mark(contentId: string): { readonly count: number; readonly last: number } {
    const row = this.#mark.get(contentId) ?? {};
    return { count: integer(row, 'n'), last: integer(row, 'last') };
  }

  /** Those that have any, the one recorded last first. */
  contents(): readonly string[] {
    return this.#contents.all().map((row) => text(row, 'content_id'));
  }

  /** @returns how many there were */
  delete(contentId: string): number {
    return Number(this.#delete.run(contentId).changes);
  }
}

function record(row: Row): TraceRecord {
  return {
    contentId: text(row, 'content_id'),
    recordedAt: integer(row, 'recorded_at'),
    machine: text(row, 'machine'),
    unitBytes: integer(row, 'unit_bytes'),
    units: blob(row, 'units'),
  };
}
