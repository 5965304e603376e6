import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ArrayInfo, CapabilitySet, SettingValue } from '../../../repositories/index.ts';
import { integer, json, oneOf, optionalText, type Row, text } from '../row.ts';
import { REPOSITORY_STATES, type RepositoryRecord, SPACE_LEVELS } from './records.ts';

export class RepositoryTable {
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  readonly #byId: StatementSync;
  readonly #byName: StatementSync;
  readonly #all: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(`
      INSERT INTO repositories (id, kind, created_at, name, description, settings, state, reason, info,
        capabilities, warning_percent, critical_percent, space_level)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#update = database.prepare(`
      UPDATE repositories SET name = ?, description = ?, settings = ?, state = ?, reason = ?, info = ?,
        capabilities = ?, warning_percent = ?, critical_percent = ?, space_level = ?
      WHERE id = ?`);
    this.#delete = database.prepare('DELETE FROM repositories WHERE id = ?');
    this.#byId = database.prepare('SELECT * FROM repositories WHERE id = ?');
    this.#byName = database.prepare('SELECT * FROM repositories WHERE name = ?');
    this.#all = database.prepare('SELECT * FROM repositories ORDER BY name');
  }

  insert(repository: RepositoryRecord): void {
    const { id, kind, createdAt } = repository;
    this.#insert.run(id, kind, createdAt, ...changeable(repository));
  }

  /** Everything but its id, kind and origin. */
  update(repository: RepositoryRecord): void {
    this.#update.run(...changeable(repository), repository.id);
  }

  /** It must have no volumes and no snapshots any more. */
  delete(id: string): void {
    this.#delete.run(id);
  }

  byId(id: string): RepositoryRecord | undefined {
    return optional(this.#byId.get(id));
  }

  byName(name: string): RepositoryRecord | undefined {
    return optional(this.#byName.get(name));
  }

  /** By name. */
  all(): readonly RepositoryRecord[] {
    return this.#all.all().map(record);
  }
}

function changeable(repository: RepositoryRecord) {
  const { name, description, settings, state, reason, info, capabilities } = repository;
  return [
    name,
    description,
    JSON.stringify(settings),
    state,
    reason ?? null,
    info === undefined ? null : JSON.stringify(info),
    capabilities === undefined ? null : JSON.stringify(capabilities),
    repository.warningPercent,
    repository.criticalPercent,
    repository.spaceLevel,
  ] as const;
}

function optional(row: Row | undefined): RepositoryRecord | undefined {
  return row === undefined ? undefined : record(row);
}

function record(row: Row): RepositoryRecord {
  const info = optionalText(row, 'info');
  const capabilities = optionalText(row, 'capabilities');
  return {
    id: text(row, 'id'),
    name: text(row, 'name'),
    description: text(row, 'description'),
    kind: text(row, 'kind'),
    settings: json(row, 'settings') as Readonly<Record<string, SettingValue>>, // we wrote it
    state: oneOf(row, 'state', REPOSITORY_STATES),
    reason: optionalText(row, 'reason'),
    info: info === undefined ? undefined : (JSON.parse(info) as ArrayInfo),
    capabilities:
      capabilities === undefined ? undefined : (JSON.parse(capabilities) as CapabilitySet),
    warningPercent: integer(row, 'warning_percent'),
    criticalPercent: integer(row, 'critical_percent'),
    spaceLevel: oneOf(row, 'space_level', SPACE_LEVELS),
    createdAt: integer(row, 'created_at'),
  };
}
