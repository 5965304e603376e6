import type { DatabaseSync, StatementSync } from 'node:sqlite';
import {
  DEVICE_CACHE_MODES,
  DEVICE_CACHE_STATES,
  GOT_CACHES,
  type MachineCacheRecord,
  ON_CACHE_IMPOSSIBLE,
} from './records.ts';
import { integer, oneOf, optionalInteger, type Row, text } from './row.ts';

/** What the machine says of its cache. */
export type CacheFigures = Pick<
  MachineCacheRecord,
  'got' | 'state' | 'reason' | 'sizeBytes' | 'usedBytes'
>;

export type NewMachineCache = Pick<
  MachineCacheRecord,
  'machineId' | 'layerId' | 'asked' | 'onImpossible'
>;

/** Machines that booted last with a write cache of their own; one row each. */
export class MachineCacheTable {
  readonly #begin: StatementSync;
  readonly #report: StatementSync;
  readonly #delete: StatementSync;
  readonly #of: StatementSync;
  readonly #all: StatementSync;

  constructor(database: DatabaseSync) {
    this.#begin = database.prepare(`
      INSERT OR REPLACE INTO machine_caches (
        machine_id, layer_id, asked, on_impossible, state, reason, size_bytes, used_bytes
      ) VALUES (?, ?, ?, ?, 'waiting', '', 0, 0)`);
    this.#report = database.prepare(`
      UPDATE machine_caches SET got = ?, state = ?, reason = ?, size_bytes = ?, used_bytes = ?, reported_at = ?
      WHERE machine_id = ?`);
    this.#delete = database.prepare('DELETE FROM machine_caches WHERE machine_id = ?');
    this.#of = database.prepare('SELECT * FROM machine_caches WHERE machine_id = ?');
    this.#all = database.prepare('SELECT * FROM machine_caches');
  }

  /** A boot: what was said in the one before is forgotten. */
  begin({ machineId, layerId, asked, onImpossible }: NewMachineCache): void {
    this.#begin.run(machineId, layerId, asked, onImpossible);
  }

  report(machineId: string, figures: CacheFigures, at: number): void {
    const { got, state, reason, sizeBytes, usedBytes } = figures;
    this.#report.run(got ?? null, state, reason, sizeBytes, usedBytes, at, machineId);
  }

  /** Its cache is the server's from now on. */
  delete(machineId: string): void {
    this.#delete.run(machineId);
  }

  of(machineId: string): MachineCacheRecord | undefined {
    const row = this.#of.get(machineId);
    return row === undefined ? undefined : record(row);
  }

  all(): readonly MachineCacheRecord[] {
    return this.#all.all().map(record);
  }
}

function record(row: Row): MachineCacheRecord {
  return {
    machineId: text(row, 'machine_id'),
    layerId: text(row, 'layer_id'),
    asked: oneOf(row, 'asked', DEVICE_CACHE_MODES),
    onImpossible: oneOf(row, 'on_impossible', ON_CACHE_IMPOSSIBLE),
    got: row['got'] === null ? undefined : oneOf(row, 'got', GOT_CACHES),
    state: oneOf(row, 'state', DEVICE_CACHE_STATES),
    reason: text(row, 'reason'),
    sizeBytes: integer(row, 'size_bytes'),
    usedBytes: integer(row, 'used_bytes'),
    reportedAt: optionalInteger(row, 'reported_at'),
  };
}
