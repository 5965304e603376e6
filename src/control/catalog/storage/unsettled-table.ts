import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { integer, oneOf, type Row, text } from '../row.ts';

const KINDS = ['volume', 'snapshot'] as const;

export interface UnsettledObject {
  /** Of the volume or the snapshot; there may be none any more. */
  readonly id: string;
  readonly repositoryId: string;
  readonly kind: (typeof KINDS)[number];
  /** Its deletion was asked for. */
  readonly mayBeGone: boolean;
}

/** What an array was asked to change or delete, where what came of it is not recorded. */
export class UnsettledTable {
  readonly #add: StatementSync;
  readonly #remove: StatementSync;
  readonly #of: StatementSync;

  constructor(database: DatabaseSync) {
    this.#add = database.prepare(`
      INSERT INTO unsettled_objects (id, repository_id, kind, may_be_gone) VALUES (?, ?, ?, ?)
      ON CONFLICT (id) DO UPDATE SET may_be_gone = max(may_be_gone, excluded.may_be_gone)`);
    this.#remove = database.prepare('DELETE FROM unsettled_objects WHERE id = ?');
    this.#of = database.prepare(
      'SELECT * FROM unsettled_objects WHERE repository_id = ? ORDER BY id',
    );
  }

  add({ id, repositoryId, kind, mayBeGone }: UnsettledObject): void {
    this.#add.run(id, repositoryId, kind, mayBeGone ? 1 : 0);
  }

  remove(id: string): void {
    this.#remove.run(id);
  }

  ofRepository(repositoryId: string): readonly UnsettledObject[] {
    return this.#of.all(repositoryId).map(record);
  }
}

function record(row: Row): UnsettledObject {
  return {
    id: text(row, 'id'),
    repositoryId: text(row, 'repository_id'),
    kind: oneOf(row, 'kind', KINDS),
    mayBeGone: integer(row, 'may_be_gone') === 1,
  };
}
