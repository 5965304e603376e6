import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { REPLICATION_STATES } from '../../../repositories/index.ts';
import { integer, oneOf, optionalInteger, optionalText, type Row, text } from '../row.ts';
import {
  FAILOVERS,
  REPLICATION_MODES,
  type ReplicationMember,
  type ReplicationRecord,
  SIDES,
  VERIFICATIONS,
} from './records.ts';

const CHANGEABLE = [
  ...['name', 'description', 'source_side', 'interval_ms', 'rpo_ms', 'bytes_per_second', 'compare'],
  ...['verification', 'keep_source', 'keep_target', 'state', 'reason', 'paused', 'failover'],
  ...['diverged', 'head_point_id', 'is_running', 'next_at', 'failures', 'rpo_missed', 'synced_at'],
  'last_point',
] as const;

export class ReplicationTable {
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  readonly #byId: StatementSync;
  readonly #byName: StatementSync;
  readonly #byVolume: StatementSync;
  readonly #all: StatementSync;
  readonly #count: StatementSync;
  readonly #members: StatementSync;
  readonly #insertMember: StatementSync;
  readonly #setRight: StatementSync;
  readonly #insertTest: StatementSync;
  readonly #tests: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(`
      INSERT INTO replications (id, mode, left_repository_id, right_repository_id, created_at,
        ${CHANGEABLE.join(', ')})
      VALUES (?, ?, ?, ?, ?, ${CHANGEABLE.map(() => '?').join(', ')})`);
    this.#update = database.prepare(
      `UPDATE replications SET ${CHANGEABLE.map((name) => `${name} = ?`).join(', ')} WHERE id = ?`,
    );
    this.#delete = database.prepare('DELETE FROM replications WHERE id = ?');
    this.#byId = database.prepare('SELECT * FROM replications WHERE id = ?');
    this.#byName = database.prepare('SELECT * FROM replications WHERE name = ?');
    this.#byVolume = database.prepare(`
      SELECT r.* FROM replications r JOIN replication_members m ON m.replication_id = r.id
      WHERE m.left_volume_id = ?1 OR m.right_volume_id = ?1`);
    this.#all = database.prepare('SELECT * FROM replications ORDER BY name');
    this.#count = database.prepare('SELECT count(*) AS n FROM replications');
    this.#members = database.prepare(
      'SELECT * FROM replication_members WHERE replication_id = ? ORDER BY position',
    );
    this.#insertMember = database.prepare(`
      INSERT INTO replication_members (replication_id, position, left_volume_id, right_volume_id, right_name)
      VALUES (?, ?, ?, ?, ?)`);
    this.#setRight = database.prepare(`
      UPDATE replication_members SET right_volume_id = ? WHERE replication_id = ? AND position = ?`);
    this.#insertTest = database.prepare(
      'INSERT INTO replication_tests (volume_id, replication_id, point_number) VALUES (?, ?, ?)',
    );
    this.#tests = database.prepare(
      'SELECT * FROM replication_tests WHERE replication_id = ? ORDER BY rowid',
    );
  }

  insert(replication: ReplicationRecord, members: readonly ReplicationMember[]): void {
    const { id, mode, repositories, createdAt } = replication;
    const { left, right } = repositories;
    this.#insert.run(id, mode, left, right, createdAt, ...changeable(replication));
    for (const member of members) {
      this.#insertMember.run(
        id,
        member.position,
        member.left,
        member.right ?? null,
        member.rightName,
      );
    }
  }

  /** Everything but its id, mode, repositories and origin. */
  update(replication: ReplicationRecord): void {
    this.#update.run(...changeable(replication), replication.id);
  }

  /** Its points go with it, the snapshots stay. */
  delete(id: string): void {
    this.#delete.run(id);
  }

  byId(id: string): ReplicationRecord | undefined {
    return optional(this.#byId.get(id));
  }

  byName(name: string): ReplicationRecord | undefined {
    return optional(this.#byName.get(name));
  }

  /** The one that a volume is in, on either side. */
  byVolume(volumeId: string): ReplicationRecord | undefined {
    return optional(this.#byVolume.get(volumeId));
  }

  /** By name. */
  all(): readonly ReplicationRecord[] {
    return this.#all.all().map(record);
  }

  count(): number {
    return integer(this.#count.get() ?? {}, 'n');
  }

  members(id: string): readonly ReplicationMember[] {
    return this.#members.all(id).map((row) => ({
      position: integer(row, 'position'),
      left: text(row, 'left_volume_id'),
      right: optionalText(row, 'right_volume_id'),
      rightName: text(row, 'right_name'),
    }));
  }

  /** The replica's volume is there, or is no part of it any more. */
  setRight(id: string, position: number, volumeId: string | undefined): void {
    this.#setRight.run(volumeId ?? null, id, position);
  }

  addTest(id: string, volumeId: string, pointNumber: number): void {
    this.#insertTest.run(volumeId, id, pointNumber);
  }

  /** Volumes that test failovers have made and that are still there. */
  tests(id: string): readonly { readonly volumeId: string; readonly pointNumber: number }[] {
    return this.#tests.all(id).map((row) => ({
      volumeId: text(row, 'volume_id'),
      pointNumber: integer(row, 'point_number'),
    }));
  }
}

function changeable(replication: ReplicationRecord) {
  return [
    replication.name,
    replication.description,
    replication.sourceSide,
    replication.intervalMs ?? null,
    replication.rpoMs ?? null,
    replication.bytesPerSecond ?? null,
    Number(replication.compare),
    replication.verification,
    replication.keepSource,
    replication.keepTarget,
    replication.state,
    replication.reason ?? null,
    Number(replication.paused),
    replication.failover,
    replication.diverged === undefined ? null : Number(replication.diverged),
    replication.headPointId ?? null,
    Number(replication.isRunning),
    replication.nextAt ?? null,
    replication.failures,
    Number(replication.rpoMissed),
    replication.syncedAt ?? null,
    replication.lastPoint,
  ] as const;
}

function optional(row: Row | undefined): ReplicationRecord | undefined {
  return row === undefined ? undefined : record(row);
}

function record(row: Row): ReplicationRecord {
  const diverged = optionalInteger(row, 'diverged');
  return {
    id: text(row, 'id'),
    name: text(row, 'name'),
    description: text(row, 'description'),
    mode: oneOf(row, 'mode', REPLICATION_MODES),
    repositories: {
      left: text(row, 'left_repository_id'),
      right: text(row, 'right_repository_id'),
    },
    sourceSide: oneOf(row, 'source_side', SIDES),
    intervalMs: optionalInteger(row, 'interval_ms'),
    rpoMs: optionalInteger(row, 'rpo_ms'),
    bytesPerSecond: optionalInteger(row, 'bytes_per_second'),
    compare: integer(row, 'compare') === 1,
    verification: oneOf(row, 'verification', VERIFICATIONS),
    keepSource: integer(row, 'keep_source'),
    keepTarget: integer(row, 'keep_target'),
    state: oneOf(row, 'state', REPLICATION_STATES),
    reason: optionalText(row, 'reason'),
    paused: integer(row, 'paused') === 1,
    failover: oneOf(row, 'failover', FAILOVERS),
    diverged: diverged === undefined ? undefined : diverged === 1,
    headPointId: optionalText(row, 'head_point_id'),
    isRunning: integer(row, 'is_running') === 1,
    nextAt: optionalInteger(row, 'next_at'),
    failures: integer(row, 'failures'),
    rpoMissed: integer(row, 'rpo_missed') === 1,
    syncedAt: optionalInteger(row, 'synced_at'),
    lastPoint: integer(row, 'last_point'),
    createdAt: integer(row, 'created_at'),
  };
}
