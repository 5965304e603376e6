import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { EventRecord } from './records.ts';
import { integer, json, type Row, text } from './row.ts';

/** Which events: newest first, at most `limit`, older than id `before`, about `subject`. */
export interface EventQuery {
  readonly limit: number;
  readonly before: number | undefined;
  readonly subject: string | undefined;
}

export class EventTable {
  readonly #insert: StatementSync;
  readonly #prune: StatementSync;
  readonly #find: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(
      'INSERT INTO events (at, kind, subject, message, data) VALUES (?, ?, ?, ?, ?) RETURNING id',
    );
    this.#prune = database.prepare('DELETE FROM events WHERE id <= ?');
    this.#find = database.prepare(`
      SELECT * FROM events
      WHERE id < ?1 AND (?2 IS NULL OR subject = ?2) ORDER BY id DESC LIMIT ?3`);
  }

  /** Keeps the newest `keep`. */
  insert(event: Omit<EventRecord, 'id'>, keep: number): EventRecord {
    const data = JSON.stringify(event.data);
    const row = this.#insert.get(event.at, event.kind, event.subject, event.message, data);
    const id = integer(row ?? {}, 'id');
    this.#prune.run(id - keep);
    return { id, ...event };
  }

  find(query: EventQuery): readonly EventRecord[] {
    const before = query.before ?? Number.MAX_SAFE_INTEGER;
    return this.#find.all(before, query.subject ?? null, query.limit).map(record);
  }
}

function record(row: Row): EventRecord {
  const data = json(row, 'data');
  return {
    id: integer(row, 'id'),
    at: integer(row, 'at'),
    kind: text(row, 'kind'),
    subject: text(row, 'subject'),
    message: text(row, 'message'),
    data: typeof data === 'object' && data !== null ? { ...data } : {},
  };
}
