import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { CACHE_MODES, MACHINE_ENROLMENTS, type MachineRecord } from './records.ts';
import { integer, oneOf, optionalInteger, type Row, text } from './row.ts';

export class MachineTable {
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  readonly #byId: StatementSync;
  readonly #byName: StatementSync;
  readonly #byMac: StatementSync;
  readonly #ofVdisk: StatementSync;
  readonly #all: StatementSync;
  readonly #count: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(`
      INSERT INTO machines (
        id, name, mac, vdisk_id, cache_mode, quota_bytes, kernel_arguments, enabled, enrolment,
        created_at
      ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#update = database.prepare(`
      UPDATE machines SET mac = ?, vdisk_id = ?, cache_mode = ?, quota_bytes = ?,
        kernel_arguments = ?, enabled = ?
      WHERE id = ?`);
    this.#delete = database.prepare('DELETE FROM machines WHERE id = ?');
    this.#byId = database.prepare('SELECT * FROM machines WHERE id = ?');
    this.#byName = database.prepare('SELECT * FROM machines WHERE name = ?');
    this.#byMac = database.prepare('SELECT * FROM machines WHERE mac = ?');
    this.#ofVdisk = database.prepare('SELECT * FROM machines WHERE vdisk_id = ? ORDER BY name');
    this.#all = database.prepare('SELECT * FROM machines ORDER BY name');
    this.#count = database.prepare('SELECT count(*) AS n FROM machines');
  }

  insert(record: MachineRecord): void {
    this.#insert.run(
      record.id,
      record.name,
      record.mac,
      record.vdiskId,
      record.cacheMode,
      record.quotaBytes ?? null,
      record.kernelArguments,
      record.enabled ? 1 : 0,
      record.enrolment,
      record.createdAt,
    );
  }

  /** Everything but its id, name and origin. */
  update(record: MachineRecord): void {
    this.#update.run(
      record.mac,
      record.vdiskId,
      record.cacheMode,
      record.quotaBytes ?? null,
      record.kernelArguments,
      record.enabled ? 1 : 0,
      record.id,
    );
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

  ofVdisk(vdiskId: string): readonly MachineRecord[] {
    return this.#ofVdisk.all(vdiskId).map(record);
  }

  all(): readonly MachineRecord[] {
    return this.#all.all().map(record);
  }

  count(): number {
    const row = this.#count.get();
    return row === undefined ? 0 : integer(row, 'n');
  }
}

function optional(row: Row | undefined): MachineRecord | undefined {
  return row === undefined ? undefined : record(row);
}

function record(row: Row): MachineRecord {
  return {
    id: text(row, 'id'),
    name: text(row, 'name'),
    mac: text(row, 'mac'),
    vdiskId: text(row, 'vdisk_id'),
    cacheMode: oneOf(row, 'cache_mode', CACHE_MODES),
    quotaBytes: optionalInteger(row, 'quota_bytes'),
    kernelArguments: text(row, 'kernel_arguments'),
    enabled: integer(row, 'enabled') === 1,
    enrolment: oneOf(row, 'enrolment', MACHINE_ENROLMENTS),
    createdAt: integer(row, 'created_at'),
  };
}
