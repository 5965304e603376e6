/** After a forced failover: does the old source hold what was never sent? */

import { Fault } from '../../errors/index.ts';
import type { PointMember, PointRecord } from '../catalog/replication/records.ts';
import type { SnapshotRecord } from '../catalog/storage/records.ts';
import type { Control } from '../control.ts';
import { snapshotNameOf } from '../storage/names.ts';
import type { Call } from '../storage-port.ts';
import { changeReplication } from './change-replication.ts';
import { refuseWriters } from './fence.ts';
import { deleteDiscarded } from './prune-points.ts';
import { current, lastCommon, partsOf, snapshotOf, targetSide } from './situation.ts';
import { newPoint, snapshotSide } from './take-point.ts';

/**
 * Compares the old source with the last common point, and records what was found. What it is compared by is a
 * snapshot of it that is deleted again.
 * @returns true: it was changed since, or there is nothing to compare it with
 * @throws Fault IN_USE: somebody can still write it (a host that its array has it mapped to), so that what is found
 *   now is nothing to rely on
 */
export async function lookForDivergence(
  control: Control,
  id: string,
  call: Call,
): Promise<boolean> {
  const replication = current(control.catalog, id);
  if (replication.diverged !== undefined) return replication.diverged;
  await refuseWriters(control, id, targetSide(replication));
  const point = lastCommon(control.catalog, id);
  const diverged = point === undefined || (await differs(control, id, point, call));
  changeReplication(
    control,
    id,
    diverged
      ? {
          ...{ diverged, state: 'split-brain' },
          reason: 'the old source holds what was never sent: resync says what is thrown away',
        }
      : { diverged, headPointId: point?.id },
    diverged
      ? {
          kind: 'replication.diverged',
          message: `both sides of replication ${replication.name} hold changes that the other has not`,
        }
      : undefined,
  );
  return diverged;
}

async function differs(
  control: Control,
  id: string,
  point: PointRecord,
  call: Call,
): Promise<boolean> {
  const look = await takeLook(control, id, point, call);
  try {
    for (const member of point.members) {
      const now = snapshotOf(
        control.catalog,
        look.members[member.position] ?? member,
        look.sourceSide,
      );
      if (now === undefined || (await memberDiffers(control, id, member, now, call))) return true;
    }
    return false;
  } finally {
    await deleteDiscarded(control, id, call);
  }
}

/** Discarded from its beginning: whatever ends the look, its snapshots are deleted then, or after the next point. */
async function takeLook(
  control: Control,
  id: string,
  point: PointRecord,
  call: Call,
): Promise<PointRecord> {
  const replication = current(control.catalog, id);
  const side = targetSide(replication);
  const number = replication.lastPoint + 1;
  changeReplication(control, id, { lastPoint: number });
  const request = {
    side,
    name: `look-${control.newId().slice(0, 8).toLowerCase()}`,
    description: `what replication ${replication.name} compares with point ${point.number}`,
  };
  const takenAt = control.clock.now();
  return await snapshotSide(
    control,
    replication,
    request,
    (stored) => {
      const given = { id: control.newId(), number, takenAt, basePointId: undefined };
      const look = newPoint(id, side, { ...given, state: 'discarded' }, stored);
      control.catalog.points.insert(look);
      return look;
    },
    call,
  );
}

async function memberDiffers(
  control: Control,
  id: string,
  member: PointMember,
  now: SnapshotRecord,
  call: Call,
): Promise<boolean> {
  const { catalog, storage } = control;
  const from = snapshotOf(catalog, member, targetSide(current(catalog, id)));
  if (from === undefined) return true;
  const range = { offset: 0, length: Math.max(now.size, member.size), limit: 1 };
  try {
    const changes = await storage.diff({
      ...range,
      from: snapshotNameOf(from),
      to: snapshotNameOf(now),
    });
    if (changes.length === 0) return false;
  } catch (error) {
    if (!(error instanceof Fault && error.code === 'UNSUPPORTED')) throw error;
  }
  // What may differ may be the same: its content says.
  const watch = { signal: call.signal, progress: () => undefined };
  const request = { replicationId: id, snapshot: snapshotNameOf(now), size: member.size };
  const { contentId } = await partsOf(control).replicator.read(request, watch);
  return contentId !== member.contentId;
}
