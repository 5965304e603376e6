import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { integer, type Row, text } from './row.ts';

/** One name, without its value. */
export interface PersonalitySize {
  readonly name: string;
  /** UTF-8 bytes of name and value. */
  readonly bytes: number;
}

export interface MachineSizes {
  /** Its name. */
  readonly machine: string;
  readonly sizes: readonly PersonalitySize[];
}

const BYTES = 'octet_length(p.name) + octet_length(p.value) AS bytes';

/** Names and values that a machine is handed when it boots; of a machine or of a collection. */
export class PersonalityTable {
  readonly #of: StatementSync;
  readonly #set: StatementSync;
  readonly #delete: StatementSync;
  readonly #clear: StatementSync;
  readonly #sizes: StatementSync;
  readonly #sizesInCollection: StatementSync;

  constructor(database: DatabaseSync) {
    this.#of = database.prepare(
      'SELECT name, value FROM personality WHERE owner_id = ? ORDER BY name',
    );
    this.#set = database.prepare(
      'INSERT OR REPLACE INTO personality (owner_id, name, value) VALUES (?, ?, ?)',
    );
    this.#delete = database.prepare('DELETE FROM personality WHERE owner_id = ? AND name = ?');
    this.#clear = database.prepare('DELETE FROM personality WHERE owner_id = ?');
    this.#sizes = database.prepare(
      `SELECT p.name, ${BYTES} FROM personality AS p WHERE p.owner_id = ? ORDER BY p.name`,
    );
    this.#sizesInCollection = database.prepare(`
      SELECT m.name AS machine, p.name, ${BYTES}
      FROM machines AS m JOIN personality AS p ON p.owner_id = m.id
      WHERE m.collection_id = ? ORDER BY m.name, p.name`);
  }

  /** By name. */
  of(ownerId: string): ReadonlyMap<string, string> {
    const rows = this.#of.all(ownerId);
    return new Map(rows.map((row) => [text(row, 'name'), text(row, 'value')]));
  }

  set(ownerId: string, name: string, value: string): void {
    this.#set.run(ownerId, name, value);
  }

  delete(ownerId: string, name: string): void {
    this.#delete.run(ownerId, name);
  }

  /** Its owner is gone. */
  clear(ownerId: string): void {
    this.#clear.run(ownerId);
  }

  /** By name. */
  sizes(ownerId: string): readonly PersonalitySize[] {
    return this.#sizes.all(ownerId).map(size);
  }

  /** Of each machine in a collection that has any, by name; read as it is asked for. */
  *sizesInCollection(collectionId: string): Generator<MachineSizes> {
    let of: { readonly machine: string; readonly sizes: PersonalitySize[] } | undefined;
    for (const row of this.#sizesInCollection.iterate(collectionId)) {
      const machine = text(row, 'machine');
      if (of !== undefined && of.machine !== machine) {
        yield of;
        of = undefined;
      }
      of ??= { machine, sizes: [] };
      of.sizes.push(size(row));
    }
    if (of !== undefined) yield of;
  }
}

function size(row: Row): PersonalitySize {
  return { name: text(row, 'name'), bytes: integer(row, 'bytes') };
}
