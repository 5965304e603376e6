import type { DatabaseSync, StatementSync } from 'node:sqlite';
import {
  BOOT_ENDS,
  BOOT_STAGES,
  type BootEnd,
  type BootRecord,
  type BootStage,
} from './records.ts';
import { integer, oneOf, optionalInteger, type Row, text } from './row.ts';

const STAGE_COLUMNS: Readonly<Record<BootStage, string>> = {
  dhcp: 'dhcp_at',
  loader: 'loader_at',
  queued: 'queued_at',
  admitted: 'admitted_at',
  script: 'script_at',
  kernel: 'kernel_at',
  initrd: 'initrd_at',
  'first-block': 'first_block_at',
  'root-mounted': 'root_mounted_at',
  ready: 'ready_at',
};

export class BootTable {
  readonly #insert: StatementSync;
  readonly #stages: Readonly<Record<BootStage, StatementSync>>;
  readonly #end: StatementSync;
  readonly #prune: StatementSync;
  readonly #last: StatementSync;
  readonly #lastOfEach: StatementSync;
  readonly #underWay: StatementSync;
  readonly #machinesUnderWay: StatementSync;
  readonly #ofMachine: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(`
      INSERT INTO boots (machine_id, vdisk_name, version, started_at) VALUES (?, ?, ?, ?)
      RETURNING id`);
    // The first of each stage counts: firmware asks for a file more than once.
    const stage = (name: BootStage): StatementSync => {
      const column = STAGE_COLUMNS[name];
      return database.prepare(`UPDATE boots SET ${column} = coalesce(${column}, ?) WHERE id = ?`);
    };
    this.#stages = ofEachStage(stage);
    this.#end = database.prepare(
      'UPDATE boots SET ended = ?, ended_at = ?, duration_ms = ? WHERE id = ?',
    );
    this.#prune = database.prepare(`
      DELETE FROM boots WHERE machine_id = ? AND id NOT IN (
        SELECT id FROM boots WHERE machine_id = ? ORDER BY id DESC LIMIT ?)`);
    this.#last = database.prepare(
      'SELECT * FROM boots WHERE machine_id = ? ORDER BY id DESC LIMIT 1',
    );
    this.#lastOfEach = database.prepare(`
      SELECT boots.* FROM machines
      JOIN boots ON boots.id = (SELECT max(id) FROM boots WHERE machine_id = machines.id)`);
    this.#ofMachine = database.prepare('SELECT * FROM boots WHERE machine_id = ? ORDER BY id DESC');
    this.#underWay = database.prepare('SELECT * FROM boots WHERE ended IS NULL ORDER BY id');
    this.#machinesUnderWay = database.prepare(
      'SELECT machine_id FROM boots WHERE ended IS NULL AND started_at > ?',
    );
  }

  /** @returns its id */
  insert(machineId: string, vdiskName: string, version: number, startedAt: number): number {
    const row = this.#insert.get(machineId, vdiskName, version, startedAt);
    return integer(row ?? {}, 'id');
  }

  stage(id: number, stage: BootStage, at: number): void {
    this.#stages[stage].run(at, id);
  }

  end(id: number, how: BootEnd, at: number, durationMs: number | undefined): void {
    this.#end.run(how, at, durationMs ?? null, id);
  }

  /** Keeps the machine's last `keep` boots. */
  prune(machineId: string, keep: number): void {
    this.#prune.run(machineId, machineId, keep);
  }

  last(machineId: string): BootRecord | undefined {
    const row = this.#last.get(machineId);
    return row === undefined ? undefined : record(row);
  }

  /** Of every machine that has booted, by its id: for lists, which would ask for each machine otherwise. */
  lastOfEach(): ReadonlyMap<string, BootRecord> {
    return new Map(this.#lastOfEach.all().map((row) => [text(row, 'machine_id'), record(row)]));
  }

  /** The newest first. */
  ofMachine(machineId: string): readonly BootRecord[] {
    return this.#ofMachine.all(machineId).map(record);
  }

  underWay(): readonly BootRecord[] {
    return this.#underWay.all().map(record);
  }

  /** Ids of those whose boot under way began after a moment. */
  machinesUnderWay(after: number): readonly string[] {
    return this.#machinesUnderWay.all(after).map((row) => text(row, 'machine_id'));
  }
}

function record(row: Row): BootRecord {
  return {
    id: integer(row, 'id'),
    machineId: text(row, 'machine_id'),
    vdiskName: text(row, 'vdisk_name'),
    version: integer(row, 'version'),
    startedAt: integer(row, 'started_at'),
    stages: ofEachStage((stage) => optionalInteger(row, STAGE_COLUMNS[stage])),
    endedAt: optionalInteger(row, 'ended_at'),
    durationMs: optionalInteger(row, 'duration_ms'),
    ended: row['ended'] === null ? undefined : oneOf(row, 'ended', BOOT_ENDS),
  };
}

function ofEachStage<T>(of: (stage: BootStage) => T): Readonly<Record<BootStage, T>> {
  return Object.fromEntries(BOOT_STAGES.map((stage) => [stage, of(stage)])) as Record<BootStage, T>;
}
