import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { integer, json, text } from '../row.ts';

/** What was begun between hooks, by ids: names may have changed when it is looked at again. */
export interface HookDebt {
  readonly id: string;
  readonly occasion: {
    readonly of: 'snapshot' | 'replication' | 'failover';
    readonly subject: string;
    readonly volumeIds: readonly string[];
    readonly groupId: string | undefined;
    readonly facts: Readonly<Record<string, string>>;
  };
  readonly createdAt: number;
}

/**
 * Hooks that must be called afterwards: written before the first one before is called, struck out when the last one
 * after was. A crash in between leaves a debt, and no application that stays frozen.
 */
export class HookDebtTable {
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #all: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(
      'INSERT INTO hook_debts (id, occasion, created_at) VALUES (?, ?, ?)',
    );
    this.#delete = database.prepare('DELETE FROM hook_debts WHERE id = ?');
    this.#all = database.prepare('SELECT * FROM hook_debts ORDER BY created_at, id');
  }

  insert({ id, occasion, createdAt }: HookDebt): void {
    this.#insert.run(id, JSON.stringify(occasion), createdAt);
  }

  delete(id: string): void {
    this.#delete.run(id);
  }

  /** Oldest first. */
  all(): readonly HookDebt[] {
    return this.#all.all().map((row) => ({
      id: text(row, 'id'),
      occasion: json(row, 'occasion') as HookDebt['occasion'], // we wrote it
      createdAt: integer(row, 'created_at'),
    }));
  }
}
