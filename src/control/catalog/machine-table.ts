import type { DatabaseSync, StatementSync } from 'node:sqlite';
import {
  DEFAULT_SETTINGS,
  inherit,
  SETTING_COLUMNS,
  settingsOf,
  settingValues,
} from './machine-settings.ts';
import { MACHINE_ENROLMENTS, type MachineRecord, type MachineRow } from './records.ts';
import { integer, oneOf, optionalInteger, optionalText, type Row, text } from './row.ts';

const COLUMNS = `m.*, ${SETTING_COLUMNS.map((column) => `c.${column} AS c_${column}`).join(', ')}`;
const SELECT = `
  SELECT ${COLUMNS}
  FROM machines AS m LEFT JOIN collections AS c ON c.id = m.collection_id`;

/** What a machine is called; for what is asked of every machine every second. */
export type MachineNames = Pick<MachineRecord, 'id' | 'name' | 'mac'>;

/** Machines, with what they inherit from their collections. */
export class MachineTable {
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #setMaintains: StatementSync;
  readonly #delete: StatementSync;
  readonly #byId: StatementSync;
  readonly #byName: StatementSync;
  readonly #byMac: StatementSync;
  readonly #ofVdisk: StatementSync;
  readonly #ofCollection: StatementSync;
  readonly #all: StatementSync;
  readonly #count: StatementSync;
  readonly #counts: StatementSync;
  readonly #collectionCounts: StatementSync;
  readonly #names: StatementSync;

  constructor(database: DatabaseSync) {
    const columns = SETTING_COLUMNS.join(', ');
    this.#insert = database.prepare(`
      INSERT INTO machines (
        id, name, enrolment, created_at, mac, collection_id, pinned_version, maintains,
        kernel_arguments, ${columns}
      ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ${SETTING_COLUMNS.map(() => '?').join(', ')})`);
    this.#update = database.prepare(`
      UPDATE machines SET mac = ?, collection_id = ?, pinned_version = ?, maintains = ?,
        kernel_arguments = ?,
        ${SETTING_COLUMNS.map((column) => `${column} = ?`).join(', ')}
      WHERE id = ?`);
    this.#setMaintains = database.prepare('UPDATE machines SET maintains = ? WHERE id = ?');
    this.#delete = database.prepare('DELETE FROM machines WHERE id = ?');
    this.#byId = database.prepare(`${SELECT} WHERE m.id = ?`);
    this.#byName = database.prepare(`${SELECT} WHERE m.name = ?`);
    this.#byMac = database.prepare(`${SELECT} WHERE m.mac = ?`);
    // In two halves, each with an index: every vDisk of a list asks.
    this.#ofVdisk = database.prepare(`
      ${SELECT} WHERE m.vdisk_id = ?1
      UNION ALL
      SELECT ${COLUMNS}
      FROM collections AS c JOIN machines AS m ON m.collection_id = c.id
      WHERE c.vdisk_id = ?1 AND m.vdisk_id IS NULL
      ORDER BY name`);
    this.#ofCollection = database.prepare(`${SELECT} WHERE m.collection_id = ? ORDER BY m.name`);
    this.#all = database.prepare(`${SELECT} ORDER BY m.name`);
    this.#count = database.prepare('SELECT count(*) AS n FROM machines');
    this.#counts = database.prepare(`
      SELECT coalesce(m.vdisk_id, c.vdisk_id) AS vdisk_id, count(*) AS n
      FROM machines AS m LEFT JOIN collections AS c ON c.id = m.collection_id GROUP BY 1`);
    this.#collectionCounts = database.prepare(`
      SELECT collection_id, count(*) AS n FROM machines WHERE collection_id IS NOT NULL GROUP BY 1`);
    this.#names = database.prepare('SELECT id, name, mac FROM machines ORDER BY name');
  }

  insert(row: MachineRow): void {
    this.#insert.run(row.id, row.name, row.enrolment, row.createdAt, ...changeable(row));
  }

  /** Everything but its id, name and origin. */
  update(row: MachineRow): void {
    this.#update.run(...changeable(row), row.id);
  }

  /** @param versionId undefined: its disk is its own overlay */
  setMaintains(id: string, versionId: string | undefined): void {
    this.#setMaintains.run(versionId ?? null, id);
  }

  /** Its boots go with it. */
  delete(id: string): void {
    this.#delete.run(id);
  }

  byId(id: string): MachineRecord | undefined {
    return optional(this.#byId.get(id));
  }

  byName(name: string): MachineRecord | undefined {
    return optional(this.#byName.get(name));
  }

  byMac(mac: string): MachineRecord | undefined {
    return optional(this.#byMac.get(mac));
  }

  /** Those that boot from it, whoever says so. */
  ofVdisk(vdiskId: string): readonly MachineRecord[] {
    return this.#ofVdisk.all(vdiskId).map(record);
  }

  ofCollection(collectionId: string): readonly MachineRecord[] {
    return this.#ofCollection.all(collectionId).map(record);
  }

  /** By name. */
  all(): readonly MachineRecord[] {
    return this.#all.all().map(record);
  }

  /** By name; a tenth of what `all` costs. */
  names(): readonly MachineNames[] {
    return this.#names.all().map((row) => ({
      id: text(row, 'id'),
      name: text(row, 'name'),
      mac: text(row, 'mac'),
    }));
  }

  count(): number {
    const row = this.#count.get();
    return row === undefined ? 0 : integer(row, 'n');
  }

  /** Machines of each vDisk that has any. */
  countByVdisk(): ReadonlyMap<string, number> {
    return new Map(this.#counts.all().map((row) => [text(row, 'vdisk_id'), integer(row, 'n')]));
  }

  /** Machines of each collection that has any. */
  countByCollection(): ReadonlyMap<string, number> {
    const rows = this.#collectionCounts.all();
    return new Map(rows.map((row) => [text(row, 'collection_id'), integer(row, 'n')]));
  }
}

function changeable(row: MachineRow): (string | number | null)[] {
  const { mac, collectionId, pinnedVersion, maintains, kernelArguments, own } = row;
  return [
    mac,
    collectionId ?? null,
    pinnedVersion ?? null,
    maintains ?? null,
    kernelArguments,
    ...settingValues(own),
  ];
}

function optional(row: Row | undefined): MachineRecord | undefined {
  return row === undefined ? undefined : record(row);
}

function record(row: Row): MachineRecord {
  const own = settingsOf(row);
  const settings = inherit(own, settingsOf(row, 'c_'));
  return {
    id: text(row, 'id'),
    name: text(row, 'name'),
    mac: text(row, 'mac'),
    collectionId: optionalText(row, 'collection_id'),
    own,
    pinnedVersion: optionalInteger(row, 'pinned_version'),
    maintains: optionalText(row, 'maintains'),
    kernelArguments: text(row, 'kernel_arguments'),
    enrolment: oneOf(row, 'enrolment', MACHINE_ENROLMENTS),
    createdAt: integer(row, 'created_at'),
    // No operation leaves a machine without: neither its own nor its collection's may be taken away.
    vdiskId: settings.vdiskId ?? '',
    class: settings.class ?? DEFAULT_SETTINGS.class,
    cacheMode: settings.cacheMode ?? DEFAULT_SETTINGS.cacheMode,
    quotaBytes: settings.quotaBytes ?? undefined,
    onNewVersion: settings.onNewVersion ?? DEFAULT_SETTINGS.onNewVersion,
    enabled: settings.enabled ?? DEFAULT_SETTINGS.enabled,
    bootLoader: settings.bootLoader ?? DEFAULT_SETTINGS.bootLoader,
  };
}
