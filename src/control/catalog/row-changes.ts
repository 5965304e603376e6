/**
 * Who is told which rows have changed, for what mirrors a part of the catalog: by triggers, so that no method of a
 * table can forget it, cascades and statements over many rows among them. They are of the connection only (TEMP) and
 * there only while somebody listens, and cost a change of a row some 4 µs.
 *
 * It says that a row may have changed, never how: whoever is told looks. Of a transaction that was rolled back, too.
 */
import type { DatabaseSync } from 'node:sqlite';
import { Fault } from '../../errors/index.ts';

/** The table and the id of its rows, in SQL; `ROW` is the new one, or the old one of a row that was deleted. */
const WATCHED = {
  repositories: ['repositories', 'ROW.id'],
  volumes: ['volumes', 'ROW.id'],
  snapshots: ['volume_snapshots', 'ROW.id'],
  tracked_disks: ['tracked_disks', 'ROW.id'],
  vdisks: ['vdisks', 'ROW.id'],
  versions: ['versions', 'ROW.id'],
  machines: ['machines', 'ROW.id'],
  tasks: ['tasks', 'ROW.id'],
  hosts: ['hosts', 'ROW.id'],
  xen_objects: ['xen_objects', "ROW.class || '/' || ROW.id"],
  xen_users: ['xen_users', 'ROW.name'],
} as const;

export type ChangedTable = keyof typeof WATCHED;

export interface RowChange {
  readonly table: ChangedTable;
  /** Of xen_objects `class/id`, of xen_users the name. */
  readonly id: string;
}

export type RowsListener = (changes: readonly RowChange[]) => void;

const TRIGGERS = (Object.keys(WATCHED) as ChangedTable[]).flatMap((table) => {
  const [stored, id] = WATCHED[table];
  return (['INSERT', 'UPDATE', 'DELETE'] as const).map((what) => {
    const name = `temp.tell_${what.toLowerCase()}_of_${table}`;
    const rowId = id.replaceAll('ROW', what === 'DELETE' ? 'OLD' : 'NEW');
    const tell = `SELECT tell_row_change('${table}/' || ${rowId})`;
    return {
      drop: `DROP TRIGGER IF EXISTS ${name};`,
      create: `CREATE TRIGGER IF NOT EXISTS ${name} AFTER ${what} ON main.${stored} BEGIN ${tell}; END;`,
    };
  });
});
const CREATE = TRIGGERS.map(({ create }) => create).join('\n');
const DROP = TRIGGERS.map(({ drop }) => drop).join('\n');

export class RowChanges {
  readonly #database: DatabaseSync;
  readonly #listeners = new Set<{ readonly tell: RowsListener }>();
  /** `table/id`, as the triggers say it. */
  #changed = new Set<string>();
  #isTelling = false;

  constructor(database: DatabaseSync) {
    this.#database = database;
    database.function('tell_row_change', (row) => {
      this.#note(String(row));
      return null;
    });
  }

  /** @returns ends it */
  listen(tell: RowsListener): () => void {
    if (this.#database.isTransaction) {
      // A rollback would take the triggers along.
      throw new Fault('INTERNAL', 'listeners to changes of rows are added outside of transactions');
    }
    const listener = { tell };
    this.#listeners.add(listener);
    this.#setTriggers();
    return () => {
      if (this.#listeners.delete(listener) && this.#database.isOpen) this.#setTriggers();
    };
  }

  /** What is to be told is told now. To be called when nothing is under way in the database. */
  tell(): void {
    if (this.#isTelling) return; // by a listener that changes something: told when all know what came before
    this.#isTelling = true;
    while (this.#changed.size > 0) {
      const changes = [...this.#changed].map(changeOf);
      this.#changed = new Set();
      for (const listener of [...this.#listeners]) tellOne(listener.tell, changes);
    }
    this.#isTelling = false;
  }

  close(): void {
    this.#listeners.clear();
    this.#changed.clear();
  }

  #setTriggers(): void {
    this.#database.exec(this.#listeners.size > 0 ? CREATE : DROP);
  }

  #note(row: string): void {
    // A transaction tells when it is committed (catalog.ts). What has none, or came to nothing, is told by this.
    if (this.#changed.size === 0) queueMicrotask(() => this.tell());
    this.#changed.add(row);
  }
}

function changeOf(row: string): RowChange {
  const slash = row.indexOf('/');
  // The only caller is a trigger above.
  return { table: row.slice(0, slash) as ChangedTable, id: row.slice(slash + 1) };
}

/** The change is made, and who made it must not hear that it failed: a listener tells of its own failures itself. */
function tellOne(tell: RowsListener, changes: readonly RowChange[]): void {
  try {
    tell(changes);
  } catch {
    // as it says above
  }
}
