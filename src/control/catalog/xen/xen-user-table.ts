import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { integer, oneOf, optionalInteger, type Row, text } from '../row.ts';
import { XEN_ROLES, type XenUserRecord } from './records.ts';

export class XenUserTable {
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  readonly #byName: StatementSync;
  readonly #all: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(`
      INSERT INTO xen_users (name, created_at, role, password, enabled, last_login_at)
      VALUES (?, ?, ?, ?, ?, ?)`);
    this.#update = database.prepare(`
      UPDATE xen_users SET role = ?, password = ?, enabled = ?, last_login_at = ? WHERE name = ?`);
    this.#delete = database.prepare('DELETE FROM xen_users WHERE name = ?');
    this.#byName = database.prepare('SELECT * FROM xen_users WHERE name = ?');
    this.#all = database.prepare('SELECT * FROM xen_users ORDER BY name');
  }

  insert(user: XenUserRecord): void {
    this.#insert.run(user.name, user.createdAt, ...changeable(user));
  }

  /** Everything but its name and origin. */
  update(user: XenUserRecord): void {
    this.#update.run(...changeable(user), user.name);
  }

  delete(name: string): void {
    this.#delete.run(name);
  }

  byName(name: string): XenUserRecord | undefined {
    const row = this.#byName.get(name);
    return row === undefined ? undefined : record(row);
  }

  /** By name. */
  all(): readonly XenUserRecord[] {
    return this.#all.all().map(record);
  }
}

function changeable({ role, password, enabled, lastLoginAt }: XenUserRecord) {
  return [role, password, enabled ? 1 : 0, lastLoginAt ?? null] as const;
}

function record(row: Row): XenUserRecord {
  return {
    name: text(row, 'name'),
    role: oneOf(row, 'role', XEN_ROLES),
    password: text(row, 'password'),
    enabled: integer(row, 'enabled') === 1,
    createdAt: integer(row, 'created_at'),
    lastLoginAt: optionalInteger(row, 'last_login_at'),
  };
}
