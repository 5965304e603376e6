import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { EventRecord } from './records.ts';
import { integer, json, type Row, text } from './row.ts';

/** Which events: newest first, at most `limit`, older than id `before`, about `subject`, of people. */
export interface EventQuery {
  readonly limit: number;
  readonly before: number | undefined;
  readonly subject: string | undefined;
  /** Only what somebody did: the audit. */
  readonly byActors: boolean;
}

export class EventTable {
  readonly #insert: StatementSync;
  readonly #prune: StatementSync;
  readonly #find: StatementSync;
  readonly #findByActors: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(
      `INSERT INTO events (at, actor, kind, subject, message, data) VALUES (?, ?, ?, ?, ?, ?)
      RETURNING id`,
    );
    this.#prune = database.prepare('DELETE FROM events WHERE id <= ?');
    this.#find = database.prepare(`
      SELECT * FROM events
      WHERE id < ?1 AND (?2 IS NULL OR subject = ?2) ORDER BY id DESC LIMIT ?3`);
    this.#findByActors = database.prepare(`
      SELECT * FROM events
      WHERE actor <> 'service' AND id < ?1 AND (?2 IS NULL OR subject = ?2)
      ORDER BY id DESC LIMIT ?3`);
  }

  /** Keeps the newest `keep`. */
  insert(event: Omit<EventRecord, 'id'>, keep: number): EventRecord {
    const data = JSON.stringify(event.data);
    const { at, actor, kind, subject, message } = event;
    const row = this.#insert.get(at, actor, kind, subject, message, data);
    const id = integer(row ?? {}, 'id');
    this.#prune.run(id - keep);
    return { id, ...event };
  }

  find(query: EventQuery): readonly EventRecord[] {
    const before = query.before ?? Number.MAX_SAFE_INTEGER;
    const statement = query.byActors ? this.#findByActors : this.#find;
    return statement.all(before, query.subject ?? null, query.limit).map(record);
  }
}

function record(row: Row): EventRecord {
  const data = json(row, 'data');
  return {
    id: integer(row, 'id'),
    at: integer(row, 'at'),
    actor: text(row, 'actor'),
    kind: text(row, 'kind'),
    subject: text(row, 'subject'),
    message: text(row, 'message'),
    data: typeof data === 'object' && data !== null ? { ...data } : {},
  };
}
