import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { type FaultRecord, TASK_STATES, type TaskRecord } from './records.ts';
import { integer, oneOf, optionalInteger, optionalText, type Row, text } from './row.ts';

export class TaskTable {
  readonly #save: StatementSync;
  readonly #prune: StatementSync;
  readonly #byId: StatementSync;
  readonly #all: StatementSync;
  readonly #running: StatementSync;

  constructor(database: DatabaseSync) {
    this.#save = database.prepare(`
      INSERT OR REPLACE INTO tasks
        (id, kind, subject, actor, state, percent, message, result, error, created_at, ended_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    // A row that is saved anew gets the highest rowid: of those that have ended they are in the order of their ends.
    this.#prune = database.prepare(`
      DELETE FROM tasks WHERE state <> 'running' AND rowid <= (
        SELECT rowid FROM tasks WHERE state <> 'running' ORDER BY rowid DESC LIMIT 1 OFFSET ?)`);
    this.#byId = database.prepare('SELECT * FROM tasks WHERE id = ?');
    this.#all = database.prepare('SELECT * FROM tasks ORDER BY created_at DESC, id');
    this.#running = database.prepare("SELECT * FROM tasks WHERE state = 'running'");
  }

  save(task: TaskRecord): void {
    this.#save.run(
      task.id,
      task.kind,
      task.subject,
      task.actor,
      task.state,
      task.percent,
      task.message,
      task.result === undefined ? null : JSON.stringify(task.result),
      task.error === undefined ? null : JSON.stringify(task.error),
      task.createdAt,
      task.endedAt ?? null,
    );
  }

  /** Keeps the `keep` that have ended last, whatever the clock said: who waits for one that has just ended finds it. */
  prune(keep: number): void {
    this.#prune.run(keep);
  }

  byId(id: string): TaskRecord | undefined {
    const row = this.#byId.get(id);
    return row === undefined ? undefined : record(row);
  }

  /** Newest first. */
  all(): readonly TaskRecord[] {
    return this.#all.all().map(record);
  }

  running(): readonly TaskRecord[] {
    return this.#running.all().map(record);
  }
}

function record(row: Row): TaskRecord {
  const result = optionalText(row, 'result');
  return {
    id: text(row, 'id'),
    kind: text(row, 'kind'),
    subject: text(row, 'subject'),
    actor: text(row, 'actor'),
    state: oneOf(row, 'state', TASK_STATES),
    percent: integer(row, 'percent'),
    message: text(row, 'message'),
    result: result === undefined ? undefined : JSON.parse(result),
    error: fault(optionalText(row, 'error')),
    createdAt: integer(row, 'created_at'),
    endedAt: optionalInteger(row, 'ended_at'),
  };
}

function fault(stored: string | undefined): FaultRecord | undefined {
  if (stored === undefined) return undefined;
  const value: Partial<FaultRecord> = JSON.parse(stored); // we wrote it: see save
  return {
    code: String(value.code),
    message: String(value.message),
    field: value.field,
    value: value.value,
    expected: value.expected,
  };
}
