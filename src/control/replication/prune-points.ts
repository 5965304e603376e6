/** Points that have had their time. The last one that both sides have is never touched. */

import { Fault } from '../../errors/index.ts';
import {
  type PointMember,
  type PointRecord,
  SIDES,
  type Side,
} from '../catalog/replication/records.ts';
import type { SnapshotRecord } from '../catalog/storage/records.ts';
import type { Control } from '../control.ts';
import { deleteInTurn } from '../storage/remove-snapshot.ts';
import type { Call } from '../storage-port.ts';
import { toldNames } from '../values/told-names.ts';
import { current, isOnSide, lastCommon, snapshotOf } from './situation.ts';

/**
 * Snapshots beyond what each side keeps are deleted, and of points that came to nothing all of them. What cannot
 * be deleted now (a clone stands on it, the storage does not answer) is tried again after the next point.
 */
export async function prunePoints(control: Control, id: string, call: Call): Promise<void> {
  const { catalog } = control;
  const { sourceSide, keepSource, keepTarget } = current(catalog, id);
  const common = lastCommon(catalog, id);
  for (const side of SIDES) {
    const keep = side === sourceSide ? keepSource : keepTarget;
    const points = catalog.points.ofReplication(id);
    const complete = points.filter((point) => point.state === 'complete' && isOnSide(point, side));
    const old = complete.slice(Math.max(1, keep)).filter((point) => point.id !== common?.id);
    for (const point of old) await deleteOnSide(control, point, side, call);
  }
  await deleteDiscarded(control, id, call);
}

/** Points that came to nothing, as far as they can be deleted now. */
export async function deleteDiscarded(control: Control, id: string, call: Call): Promise<void> {
  const { catalog } = control;
  for (const point of catalog.points.ofReplication(id)) {
    if (point.state !== 'discarded') continue;
    for (const side of SIDES) await deleteOnSide(control, point, side, call);
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
  control: Control,
  member: PointMember,
  side: Side,
  call: Call,
): Promise<void> {
  const { catalog, storage } = control;
  const snapshot = snapshotOf(catalog, member, side);
  if (snapshot === undefined || !storage.isAttached(snapshot.repositoryId)) return;
  const refuse = ({ id, volumeName, name }: SnapshotRecord): void => {
    // A test failover, perhaps; also one that was made while this waited for its turn.
    const clones = catalog.volumes.clonesOfSnapshot(id).map((clone) => clone.name);
    if (clones.length === 0) return;
    throw new Fault('IN_USE', `${toldNames(clones)} stand on ${volumeName}@${name}`, {
      field: 'snapshot.clones',
      value: clones,
      expected: 'no linked clone that stands on it',
    });
  };
  await deleteInTurn(control, snapshot.id, { refuse }, call);
}
