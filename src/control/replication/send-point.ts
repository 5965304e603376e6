/**
 * One run of a replication: a point is taken, or the one that was being sent goes on; it is copied; and when the
 * replica's snapshots are there, they and the word that the point is complete come into the catalog in one
 * transaction. Whatever ends it before leaves the points before as they were.
 */

import { Fault } from '../../errors/index.ts';
import type {
  PointMember,
  PointRecord,
  ReplicationRecord,
  Side,
} from '../catalog/replication/records.ts';
import type { Control } from '../control.ts';
import { snapshotNameOf, volumeNameOf } from '../storage/names.ts';
import type { Call, SnapshotName } from '../storage-port.ts';
import type { ReportProgress } from '../tasks/task-runner.ts';
import { changeReplication } from './change-replication.ts';
import { growHeads, makeHeads, pointGone, readyHeads } from './heads.ts';
import {
  current,
  isOnSide,
  lastCommon,
  partsOf,
  sendingPoint,
  snapshotOf,
  targetSide,
  volumeOf,
} from './situation.ts';
import { pointName, snapshotSide, takePoint } from './take-point.ts';

/** Of the percent of a task, what goes before and after the copying. */
const COPY_FROM = 5;
const COPY_TO = 95;

interface Sending {
  readonly control: Control;
  readonly replication: ReplicationRecord;
  readonly point: PointRecord;
  readonly report: ReportProgress;
  readonly signal: AbortSignal;
  readonly call: Call;
}

/** @returns the point, complete. @throws Fault */
export async function sendPoint(
  control: Control,
  id: string,
  report: ReportProgress,
  signal: AbortSignal,
): Promise<PointRecord> {
  const call: Call = { signal, progress: () => undefined };
  partsOf(control);
  await makeHeads(control, id, call);
  const taken = resumable(control, id) ?? (await freshPoint(control, id, call));
  report(COPY_FROM, `point ${taken.number} is taken`);
  const replication = current(control.catalog, id);
  const target = targetSide(replication);
  const point = await readyHeads(control, taken, target, call);
  await growHeads(control, replication, point, target, call);
  const sending: Sending = { control, replication, point, report, signal, call };
  for (const { position } of point.members) await sendMember(sending, position);
  report(COPY_TO, `point ${point.number} is copied`);
  return await completePoint(sending);
}

/** The point that was being sent, if it can go on; if not, it is discarded. */
function resumable(control: Control, id: string): PointRecord | undefined {
  const { catalog } = control;
  const point = sendingPoint(catalog, id);
  if (point === undefined) return undefined;
  const { sourceSide } = current(catalog, id);
  const base = point.basePointId === undefined ? undefined : catalog.points.byId(point.basePointId);
  const hasBase =
    point.basePointId === undefined ||
    (base?.state === 'complete' && !base.damaged && isOnSide(base, sourceSide));
  if (point.sourceSide === sourceSide && isOnSide(point, sourceSide) && hasBase) return point;
  discardPoint(control, point);
  return undefined;
}

async function freshPoint(control: Control, id: string, call: Call): Promise<PointRecord> {
  return await takePoint(control, id, lastCommon(control.catalog, id), call);
}

/** Its snapshots are deleted with the next look at old points. */
export function discardPoint({ catalog }: Control, point: PointRecord): void {
  catalog.transaction(() => catalog.points.update({ ...point, state: 'discarded' }));
}

/** As far as it was not sent yet. */
async function sendMember(sending: Sending, position: number): Promise<void> {
  const { control, point } = sending;
  const member = latest(control, point.id, position);
  if (member.contentId !== undefined) return;
  const base = latestPoint(control, point.id).basePointId;
  try {
    await copyMember(sending, position, base);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const mayBeOfBase = error.code === 'NOT_FOUND' || error.code === 'UNSUPPORTED';
    if (base !== undefined && mayBeOfBase) {
      // What differs cannot be told, or the point before is gone: then all of it is sent.
      sendAll(control, point.id);
      return await sendMember(sending, position);
    }
    if (error.code === 'NOT_FOUND') discardPoint(control, latestPoint(control, point.id));
    throw error;
  }
}

async function copyMember(
  sending: Sending,
  position: number,
  basePointId: string | undefined,
): Promise<void> {
  const { control, replication, point, signal } = sending;
  const { catalog } = control;
  const { replicator } = partsOf(control);
  const member = latest(control, point.id, position);
  const pair = catalog.replications.members(replication.id)[position];
  const source = snapshotOf(catalog, member, replication.sourceSide);
  if (pair === undefined || source === undefined) throw pointGone(point);
  const target = volumeOf(catalog, pair, targetSide(replication));
  const since = baseOf(control, basePointId, position, replication.sourceSide);
  // What a head holds that was used before is known only as a difference to a point.
  const isUsed = catalog.points
    .ofReplication(replication.id)
    .some(({ id, state }) => id !== point.id && state !== 'sending');
  const { cursor } = member;
  const copied = await replicator.copy(
    {
      replicationId: replication.id,
      source: snapshotNameOf(source),
      size: source.size,
      target: volumeNameOf(target),
      since,
      compare: replication.compare || (since === undefined && (isUsed || cursor !== undefined)),
      verification: replication.verification,
      cursor,
    },
    {
      signal,
      record: (at) => keepMember(control, point.id, position, { cursor: at, figures: at.figures }),
      progress: (fraction) => {
        const share = (position + fraction) / point.members.length;
        sending.report(COPY_FROM + (COPY_TO - COPY_FROM) * share, `sending point ${point.number}`);
      },
    },
  );
  const { contentId, sum, figures } = copied;
  keepMember(control, point.id, position, { contentId, sum, figures, cursor: undefined });
}

function baseOf(
  { catalog }: Control,
  basePointId: string | undefined,
  position: number,
  side: Side,
): { readonly base: SnapshotName; readonly sum: string } | undefined {
  const point = basePointId === undefined ? undefined : catalog.points.byId(basePointId);
  const member = point?.members[position];
  if (point === undefined || member?.sum === undefined) return undefined;
  const snapshot = snapshotOf(catalog, member, side);
  if (snapshot === undefined) throw pointGone(point);
  return { base: snapshotNameOf(snapshot), sum: member.sum };
}

/** Nothing is relied on any more: every member that is not done begins again, and is compared. */
function sendAll({ catalog }: Control, pointId: string): void {
  catalog.transaction(() => {
    const point = catalog.points.byId(pointId);
    if (point === undefined) return;
    catalog.points.update({ ...point, basePointId: undefined });
    for (const member of point.members) {
      if (member.contentId === undefined) {
        catalog.points.updateMember(pointId, { ...member, cursor: undefined });
      }
    }
  });
}

function keepMember(
  control: Control,
  pointId: string,
  position: number,
  change: Partial<PointMember>,
): void {
  control.catalog.transaction(() => {
    const member = latest(control, pointId, position);
    control.catalog.points.updateMember(pointId, { ...member, ...change });
  });
}

function latestPoint({ catalog }: Control, pointId: string): PointRecord {
  const point = catalog.points.byId(pointId);
  if (point !== undefined) return point;
  throw new Fault('NOT_FOUND', 'the replication was deleted');
}

function latest(control: Control, pointId: string, position: number): PointMember {
  const point = latestPoint(control, pointId);
  const member = point.members[position];
  if (member === undefined) throw pointGone(point);
  return member;
}

/** From then on it can be read: all members of it, or none. */
async function completePoint(sending: Sending): Promise<PointRecord> {
  const { control, replication, call } = sending;
  const { catalog, clock } = control;
  const side = targetSide(replication);
  const { number } = sending.point;
  const name = pointName(replication, number);
  const description = `point ${number} of replication ${replication.name}`;
  return await snapshotSide(
    control,
    replication,
    { side, name, description },
    (stored) => {
      const point = latestPoint(control, sending.point.id);
      for (const member of point.members) {
        const snapshots = { ...member.snapshots, [side]: stored[member.position]?.snapshotId };
        catalog.points.updateMember(point.id, { ...member, snapshots });
      }
      const completedAt = clock.now();
      catalog.points.update({ ...point, state: 'complete', completedAt });
      const figures = point.members.map((member) => member.figures);
      changeReplication(
        control,
        replication.id,
        {
          ...{ state: 'idle-consistent', reason: undefined, headPointId: point.id, failures: 0 },
        },
        {
          kind: 'replication.point-complete',
          message: `point ${number} of replication ${replication.name} is complete`,
          data: { number, takenAt: new Date(point.takenAt).toISOString(), figures },
        },
      );
      return latestPoint(control, point.id);
    },
    call,
  );
}
