import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { BootRule, BootRuleOwner, BootRuleRecord } from './records.ts';
import { integer, optionalInteger, optionalText, type Row, text } from './row.ts';

/** Machines that wait to be admitted: the order must survive a restart, so it is kept. */
export class BootQueueTable {
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #all: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(
      'INSERT OR REPLACE INTO boot_queue (machine_id, asked_at) VALUES (?, ?)',
    );
    this.#delete = database.prepare('DELETE FROM boot_queue WHERE machine_id = ?');
    this.#all = database.prepare('SELECT * FROM boot_queue ORDER BY asked_at, rowid');
  }

  insert(machineId: string, askedAt: number): void {
    this.#insert.run(machineId, askedAt);
  }

  delete(machineId: string): void {
    this.#delete.run(machineId);
  }

  /** Who asked first comes first. */
  all(): readonly { readonly machineId: string; readonly askedAt: number }[] {
    return this.#all.all().map((row) => ({
      machineId: text(row, 'machine_id'),
      askedAt: integer(row, 'asked_at'),
    }));
  }
}

const OWNER_COLUMNS: Readonly<Record<BootRuleOwner, string>> = {
  machine: 'machine_id',
  collection: 'collection_id',
  vdisk: 'vdisk_id',
};

/** How many of a collection's or a vDisk's machines boot at once, and who goes first. */
export class BootRuleTable {
  readonly #save: Readonly<Record<BootRuleOwner, StatementSync>>;
  readonly #delete: Readonly<Record<BootRuleOwner, StatementSync>>;
  readonly #of: Readonly<Record<BootRuleOwner, StatementSync>>;
  readonly #all: StatementSync;

  constructor(database: DatabaseSync) {
    const each = (sql: (column: string) => string): Record<BootRuleOwner, StatementSync> => ({
      machine: database.prepare(sql(OWNER_COLUMNS.machine)),
      collection: database.prepare(sql(OWNER_COLUMNS.collection)),
      vdisk: database.prepare(sql(OWNER_COLUMNS.vdisk)),
    });
    this.#save = each(
      (column) => `INSERT OR REPLACE INTO boot_rules (${column}, most, priority) VALUES (?, ?, ?)`,
    );
    this.#delete = each((column) => `DELETE FROM boot_rules WHERE ${column} = ?`);
    this.#of = each((column) => `SELECT most, priority FROM boot_rules WHERE ${column} = ?`);
    this.#all = database.prepare('SELECT * FROM boot_rules');
  }

  /** One that says nothing is forgotten. */
  save(owner: BootRuleOwner, id: string, { most, priority }: BootRule): void {
    if (most === undefined && priority === undefined) this.#delete[owner].run(id);
    else this.#save[owner].run(id, most ?? null, priority ?? null);
  }

  of(owner: BootRuleOwner, id: string): BootRule {
    const row = this.#of[owner].get(id);
    return row === undefined ? { most: undefined, priority: undefined } : rule(row);
  }

  all(): readonly BootRuleRecord[] {
    return this.#all.all().flatMap((row) => {
      const owners = ['machine', 'collection', 'vdisk'] as const;
      const owner = owners.find((one) => optionalText(row, OWNER_COLUMNS[one]) !== undefined);
      if (owner === undefined) return [];
      return [{ owner, id: text(row, OWNER_COLUMNS[owner]), ...rule(row) }];
    });
  }
}

function rule(row: Row): BootRule {
  return { most: optionalInteger(row, 'most'), priority: optionalInteger(row, 'priority') };
}
