/** Points that have had their time. The last one that both sides have is never touched. */

import { Fault } from '../../errors/index.ts';
import type { PointMember, PointRecord, Side } from '../catalog/replication/records.ts';
import type { Control } from '../control.ts';
import { snapshotNameOf } from '../storage/names.ts';
import type { Call } from '../storage-port.ts';
import { current, isOnSide, lastCommon, snapshotOf } from './situation.ts';

/**
 * Snapshots beyond what each side keeps are deleted, and of points that came to nothing all of them. What cannot
 * be deleted now (a clone stands on it, the storage does not answer) is tried again after the next point.
 */
export async function prunePoints(control: Control, id: string, call: Call): Promise<void> {
  const { catalog } = control;
  const { sourceSide, keepSource, keepTarget } = current(catalog, id);
  const common = lastCommon(catalog, id);
  for (const side of ['left', 'right'] as const) {
    const keep = side === sourceSide ? keepSource : keepTarget;
    const points = catalog.points.ofReplication(id);
    const complete = points.filter((point) => point.state === 'complete' && isOnSide(point, side));
    const old = complete.slice(Math.max(1, keep)).filter((point) => point.id !== common?.id);
    const discarded = points.filter(({ state }) => state === 'discarded');
    for (const point of [...old, ...discarded]) await deleteOnSide(control, point, side, call);
  }
  for (const point of catalog.points.ofReplication(id)) {
    const isEmpty = point.members.every(
      ({ snapshots }) => snapshots.left === undefined && snapshots.right === undefined,
    );
    if (isEmpty && point.state !== 'sending') {
      catalog.transaction(() => catalog.points.delete(point.id));
    }
  }
}

async function deleteOnSide(
  control: Control,
  point: PointRecord,
  side: Side,
  call: Call,
): Promise<void> {
  for (const member of point.members) {
    try {
      await deleteSnapshot(control, member, side, call);
    } catch (error) {
      if (!(error instanceof Fault) || error.code === 'CANCELLED') throw error;
    }
  }
}

async function deleteSnapshot(
  { catalog, storage }: Control,
  member: PointMember,
  side: Side,
  call: Call,
): Promise<void> {
  const snapshot = snapshotOf(catalog, member, side);
  if (snapshot === undefined || !storage.isAttached(snapshot.repositoryId)) return;
  // A linked clone stands on it: a test failover, perhaps.
  if (catalog.volumes.clonesOfSnapshot(snapshot.id).length > 0) return;
  await storage.deleteSnapshot(
    snapshotNameOf(snapshot),
    () =>
      catalog.transaction(() => {
        const latest = catalog.snapshots.byId(snapshot.id);
        if (latest === undefined) return;
        catalog.volumes.moveHead(latest.id, latest.parentId);
        catalog.snapshots.delete(latest);
      }),
    call,
  );
}
