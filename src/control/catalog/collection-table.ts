import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { SETTING_COLUMNS, settingsOf, settingValues } from './machine-settings.ts';
import type { CollectionRecord } from './records.ts';
import { integer, type Row, text } from './row.ts';

/** Machines that are treated alike. */
export class CollectionTable {
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  readonly #byId: StatementSync;
  readonly #byName: StatementSync;
  readonly #all: StatementSync;
  readonly #ofVdisk: StatementSync;
  readonly #count: StatementSync;

  constructor(database: DatabaseSync) {
    const columns = SETTING_COLUMNS.join(', ');
    this.#insert = database.prepare(`
      INSERT INTO collections (id, created_at, name, description, kernel_arguments, ${columns})
      VALUES (?, ?, ?, ?, ?, ${SETTING_COLUMNS.map(() => '?').join(', ')})`);
    this.#update = database.prepare(`
      UPDATE collections SET name = ?, description = ?, kernel_arguments = ?,
        ${SETTING_COLUMNS.map((column) => `${column} = ?`).join(', ')}
      WHERE id = ?`);
    this.#delete = database.prepare('DELETE FROM collections WHERE id = ?');
    this.#byId = database.prepare('SELECT * FROM collections WHERE id = ?');
    this.#byName = database.prepare('SELECT * FROM collections WHERE name = ?');
    this.#all = database.prepare('SELECT * FROM collections ORDER BY name');
    this.#ofVdisk = database.prepare('SELECT * FROM collections WHERE vdisk_id = ? ORDER BY name');
    this.#count = database.prepare('SELECT count(*) AS n FROM collections');
  }

  insert({ id, createdAt, ...record }: CollectionRecord): void {
    const { name, description, kernelArguments, settings } = record;
    const values = settingValues(settings);
    this.#insert.run(id, createdAt, name, description, kernelArguments, ...values);
  }

  /** Everything but its id and origin. */
  update({ id, name, description, kernelArguments, settings }: CollectionRecord): void {
    this.#update.run(name, description, kernelArguments, ...settingValues(settings), id);
  }

  /** Nothing may be in it any more. */
  delete(id: string): void {
    this.#delete.run(id);
  }

  byId(id: string): CollectionRecord | undefined {
    return optional(this.#byId.get(id));
  }

  byName(name: string): CollectionRecord | undefined {
    return optional(this.#byName.get(name));
  }

  /** By name. */
  all(): readonly CollectionRecord[] {
    return this.#all.all().map(record);
  }

  /** Those that name the vDisk. */
  ofVdisk(vdiskId: string): readonly CollectionRecord[] {
    return this.#ofVdisk.all(vdiskId).map(record);
  }

  count(): number {
    const row = this.#count.get();
    return row === undefined ? 0 : integer(row, 'n');
  }
}

function optional(row: Row | undefined): CollectionRecord | undefined {
  return row === undefined ? undefined : record(row);
}

function record(row: Row): CollectionRecord {
  return {
    id: text(row, 'id'),
    name: text(row, 'name'),
    description: text(row, 'description'),
    settings: settingsOf(row),
    kernelArguments: text(row, 'kernel_arguments'),
    createdAt: integer(row, 'created_at'),
  };
}
