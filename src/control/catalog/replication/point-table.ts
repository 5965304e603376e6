import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { CopyCursor, CopyFigures } from '../../../repositories/index.ts';
import { integer, oneOf, optionalInteger, optionalText, type Row, text } from '../row.ts';
import { POINT_STATES, type PointMember, type PointRecord, SIDES, type Side } from './records.ts';

export class PointTable {
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  readonly #ofReplication: StatementSync;
  readonly #byId: StatementSync;
  readonly #members: StatementSync;
  readonly #insertMember: StatementSync;
  readonly #updateMember: StatementSync;
  readonly #bySnapshot: StatementSync;
  readonly #newestMoment: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(`
      INSERT INTO replication_points (id, replication_id, number, source_side, taken_at, state, base_point_id,
        heads_ready, damaged, completed_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#update = database.prepare(`
      UPDATE replication_points SET state = ?, base_point_id = ?, heads_ready = ?, damaged = ?, completed_at = ?
      WHERE id = ?`);
    this.#delete = database.prepare('DELETE FROM replication_points WHERE id = ?');
    this.#ofReplication = database.prepare(
      'SELECT * FROM replication_points WHERE replication_id = ? ORDER BY number DESC',
    );
    this.#byId = database.prepare('SELECT * FROM replication_points WHERE id = ?');
    this.#members = database.prepare(
      'SELECT * FROM replication_point_members WHERE point_id = ? ORDER BY position',
    );
    this.#insertMember = database.prepare(`
      INSERT INTO replication_point_members (left_snapshot_id, right_snapshot_id, content_id, content_sum,
        cursor, figures, point_id, position, size)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#updateMember = database.prepare(`
      UPDATE replication_point_members SET left_snapshot_id = ?, right_snapshot_id = ?, content_id = ?,
        content_sum = ?, cursor = ?, figures = ?
      WHERE point_id = ? AND position = ?`);
    this.#bySnapshot = database.prepare(`
      SELECT p.* FROM replication_points p JOIN replication_point_members m ON m.point_id = p.id
      WHERE m.left_snapshot_id = ?1 OR m.right_snapshot_id = ?1`);
    this.#newestMoment = database.prepare(`
      SELECT max(taken_at) AS newest FROM replication_points
      WHERE replication_id = ? AND state = 'complete' AND damaged = 0`);
  }

  insert(point: PointRecord): void {
    const { id, replicationId, number, sourceSide, takenAt } = point;
    this.#insert.run(id, replicationId, number, sourceSide, takenAt, ...changeable(point));
    for (const member of point.members) {
      this.#insertMember.run(...progressOf(member), id, member.position, member.size);
    }
  }

  /** What becomes of it; not its members. */
  update(point: PointRecord): void {
    this.#update.run(...changeable(point), point.id);
  }

  updateMember(pointId: string, member: PointMember): void {
    this.#updateMember.run(...progressOf(member), pointId, member.position);
  }

  delete(id: string): void {
    this.#delete.run(id);
  }

  byId(id: string): PointRecord | undefined {
    const row = this.#byId.get(id);
    return row === undefined ? undefined : this.#record(row);
  }

  bySnapshot(snapshotId: string): PointRecord | undefined {
    const row = this.#bySnapshot.get(snapshotId);
    return row === undefined ? undefined : this.#record(row);
  }

  /** Of the source, that is complete on the other side; undefined: none is. */
  newestMoment(replicationId: string): number | undefined {
    return optionalInteger(this.#newestMoment.get(replicationId) ?? { newest: null }, 'newest');
  }

  /** Newest first. */
  ofReplication(replicationId: string): readonly PointRecord[] {
    return this.#ofReplication.all(replicationId).map((row) => this.#record(row));
  }

  #record(row: Row): PointRecord {
    const id = text(row, 'id');
    return {
      id,
      replicationId: text(row, 'replication_id'),
      number: integer(row, 'number'),
      state: oneOf(row, 'state', POINT_STATES),
      sourceSide: oneOf<Side>(row, 'source_side', SIDES),
      basePointId: optionalText(row, 'base_point_id'),
      headsReady: integer(row, 'heads_ready') === 1,
      damaged: integer(row, 'damaged') === 1,
      takenAt: integer(row, 'taken_at'),
      completedAt: optionalInteger(row, 'completed_at'),
      members: this.#members.all(id).map(memberOf),
    };
  }
}

function changeable(point: PointRecord) {
  return [
    point.state,
    point.basePointId ?? null,
    Number(point.headsReady),
    Number(point.damaged),
    point.completedAt ?? null,
  ] as const;
}

function progressOf({ snapshots, contentId, sum, cursor, figures }: PointMember) {
  return [
    snapshots.left ?? null,
    snapshots.right ?? null,
    contentId ?? null,
    sum ?? null,
    cursor === undefined ? null : JSON.stringify(cursor),
    figures === undefined ? null : JSON.stringify(figures),
  ] as const;
}

function memberOf(row: Row): PointMember {
  const cursor = optionalText(row, 'cursor');
  const figures = optionalText(row, 'figures');
  return {
    position: integer(row, 'position'),
    snapshots: {
      left: optionalText(row, 'left_snapshot_id'),
      right: optionalText(row, 'right_snapshot_id'),
    },
    size: integer(row, 'size'),
    contentId: optionalText(row, 'content_id'),
    sum: optionalText(row, 'content_sum'),
    // We wrote them: see progressOf.
    cursor: cursor === undefined ? undefined : (JSON.parse(cursor) as CopyCursor),
    figures: figures === undefined ? undefined : (JSON.parse(figures) as CopyFigures),
  };
}
