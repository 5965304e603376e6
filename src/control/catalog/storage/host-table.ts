import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { integer, json, type Row, text } from '../row.ts';
import type { HostRecord } from './records.ts';

/** Machines that arrays show volumes to. */
export class HostTable {
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  readonly #byId: StatementSync;
  readonly #byName: StatementSync;
  readonly #all: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(`
      INSERT INTO hosts (id, created_at, name, description, iqns, addresses)
      VALUES (?, ?, ?, ?, ?, ?)`);
    this.#update = database.prepare(
      'UPDATE hosts SET name = ?, description = ?, iqns = ?, addresses = ? WHERE id = ?',
    );
    this.#delete = database.prepare('DELETE FROM hosts WHERE id = ?');
    this.#byId = database.prepare('SELECT * FROM hosts WHERE id = ?');
    this.#byName = database.prepare('SELECT * FROM hosts WHERE name = ?');
    this.#all = database.prepare('SELECT * FROM hosts ORDER BY name');
  }

  insert(host: HostRecord): void {
    this.#insert.run(host.id, host.createdAt, ...changeable(host));
  }

  /** Everything but its id and origin. */
  update(host: HostRecord): void {
    this.#update.run(...changeable(host), host.id);
  }

  delete(id: string): void {
    this.#delete.run(id);
  }

  byId(id: string): HostRecord | undefined {
    const row = this.#byId.get(id);
    return row === undefined ? undefined : record(row);
  }

  byName(name: string): HostRecord | undefined {
    const row = this.#byName.get(name);
    return row === undefined ? undefined : record(row);
  }

  /** By name. */
  all(): readonly HostRecord[] {
    return this.#all.all().map(record);
  }
}

function changeable({ name, description, iqns, addresses }: HostRecord) {
  return [name, description, JSON.stringify(iqns), JSON.stringify(addresses)] as const;
}

function record(row: Row): HostRecord {
  return {
    id: text(row, 'id'),
    name: text(row, 'name'),
    description: text(row, 'description'),
    iqns: json(row, 'iqns') as readonly string[], // we wrote it
    addresses: json(row, 'addresses') as readonly string[],
    createdAt: integer(row, 'created_at'),
  };
}
