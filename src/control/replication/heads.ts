/**
 * The heads: the volumes that a replica is written into. Nobody but a copy uses them, and what they hold is
 * nothing to rely on between two points: it is the last point, or on its way to the next, and the record says which.
 */

import { Fault } from '../../errors/index.ts';
import type { PointRecord, ReplicationRecord, Side } from '../catalog/replication/records.ts';
import type { Control } from '../control.ts';
import { currentVolume } from '../storage/current-volume.ts';
import { repositoryName, snapshotNameOf, volumeNameOf, volumeSubject } from '../storage/names.ts';
import { storedFacts } from '../storage/stored-facts.ts';
import { inTurn } from '../storage/turns.ts';
import type { Call, StoredVolume } from '../storage-port.ts';
import { changeReplication } from './change-replication.ts';
import { current, snapshotOf, volumeOf } from './situation.ts';

/** Volumes that are still to be made in the other repository: of a new replication, or what a crash left out. */
export async function makeHeads(control: Control, id: string, call: Call): Promise<void> {
  const { catalog, storage } = control;
  const replication = current(catalog, id);
  for (const member of catalog.replications.members(id)) {
    if (member.right !== undefined) continue;
    const source = volumeOf(catalog, member, 'left');
    const volumeId = control.newId();
    const { size, thin } = source;
    const request = { repositoryId: replication.repositories.right, volumeId, size, thin };
    refuseNameTaken(control, request.repositoryId, member.rightName);
    await storage.createVolume(
      { ...request, name: member.rightName },
      (stored) =>
        control.change((record) => {
          refuseNameTaken(control, request.repositoryId, member.rightName);
          keepReplica(control, request.repositoryId, volumeId, member.rightName, stored);
          catalog.replications.setRight(id, member.position, volumeId);
          record({
            kind: 'volume.created',
            subject: volumeSubject(repositoryName(catalog, request.repositoryId), member.rightName),
            message: `volume ${member.rightName} created as a replica of ${source.name}`,
            data: { replication: replication.name },
          });
        }),
      call,
    );
  }
}

/** Somebody may have made a volume of this name since the replication was. */
function refuseNameTaken({ catalog }: Control, repositoryId: string, name: string): void {
  if (catalog.volumes.byName(repositoryId, name) === undefined) return;
  throw new Fault('ALREADY_EXISTS', `the replica's repository has a volume ${name} already`, {
    field: 'volume.name',
    value: name,
    expected:
      'no volume of this name (rename that one: rootcast volume set), for the replica to have it',
  });
}

export function keepReplica(
  { catalog, clock }: Control,
  repositoryId: string,
  id: string,
  name: string,
  stored: StoredVolume,
): void {
  catalog.volumes.insert({
    ...storedFacts(stored),
    ...{ id, repositoryId, name, role: 'replica', description: '' },
    ...{ parentSnapshotId: undefined, parentVolumeId: undefined, headSnapshotId: undefined },
    createdAt: clock.now(),
  });
}

/**
 * Before the first byte of a point is sent: the heads hold what it is a difference to. From then on they hold
 * nothing to rely on, which is recorded before the first byte too.
 */
export async function readyHeads(
  control: Control,
  point: PointRecord,
  side: Side,
  call: Call,
): Promise<PointRecord> {
  if (point.headsReady) return point;
  const { catalog } = control;
  const base = point.basePointId === undefined ? undefined : catalog.points.byId(point.basePointId);
  if (base !== undefined) await revertHeads(control, point.replicationId, base, side, call);
  return catalog.transaction(() => {
    const ready: PointRecord = { ...point, headsReady: true };
    catalog.points.update(ready);
    changeReplication(control, point.replicationId, { headPointId: undefined });
    return ready;
  });
}

/**
 * The volumes of the side hold the point again.
 * @throws Fault IN_USE while one is open; NOT_FOUND: the point is not there
 */
export async function revertHeads(
  control: Control,
  id: string,
  point: PointRecord,
  side: Side,
  call: Call,
): Promise<void> {
  const { catalog, storage } = control;
  if (current(catalog, id).headPointId === point.id) return;
  // Whatever ends it in between: some of them hold this point then, and some another.
  changeReplication(control, id, { headPointId: undefined });
  for (const member of catalog.replications.members(id)) {
    const volume = volumeOf(catalog, member, side);
    const pointMember = point.members[member.position];
    const snapshot = pointMember === undefined ? undefined : snapshotOf(catalog, pointMember, side);
    if (snapshot === undefined) throw pointGone(point);
    await inTurn(control, [volume.id], () =>
      storage.revert(
        volumeNameOf(currentVolume(control, volume.id)),
        snapshotNameOf(snapshot),
        (stored) => keepHead(control, volume.id, stored, snapshot.id),
        call,
      ),
    );
  }
  changeReplication(control, id, { headPointId: point.id });
}

/** At least as large as what is sent. */
export async function growHeads(
  control: Control,
  replication: ReplicationRecord,
  point: PointRecord,
  side: Side,
  call: Call,
): Promise<void> {
  const { catalog, storage } = control;
  for (const member of catalog.replications.members(replication.id)) {
    const volume = volumeOf(catalog, member, side);
    const size = point.members[member.position]?.size ?? 0;
    if (volume.size >= size) continue;
    const keep = (stored: StoredVolume): void =>
      keepHead(control, volume.id, stored, volume.headSnapshotId);
    await inTurn(control, [volume.id], () =>
      storage.resizeVolume(volumeNameOf(currentVolume(control, volume.id)), size, keep, call),
    );
  }
}

function keepHead(
  { catalog }: Control,
  volumeId: string,
  stored: StoredVolume,
  headSnapshotId: string | undefined,
): void {
  catalog.transaction(() => {
    const latest = catalog.volumes.byId(volumeId);
    if (latest === undefined) return;
    catalog.volumes.update({ ...latest, ...storedFacts(stored), headSnapshotId });
  });
}

export function pointGone({ number }: PointRecord): Fault {
  return new Fault('NOT_FOUND', `a snapshot of point ${number} is gone`, {
    field: 'replication.point',
    value: number,
    expected: 'a point whose snapshots are there',
  });
}
