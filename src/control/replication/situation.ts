/** What the parts of a replication are called in storage, and which points both sides have. */
import { Fault } from '../../errors/index.ts';
import type { Catalog } from '../catalog/catalog.ts';
import {
  otherSide,
  type PointMember,
  type PointRecord,
  type ReplicationMember,
  type ReplicationRecord,
  type Side,
} from '../catalog/replication/records.ts';
import type { SnapshotRecord, VolumeRecord } from '../catalog/storage/records.ts';
import type { Control } from '../control.ts';
import type { ReplicationParts } from '../replication-port.ts';
import type { HookOccasion } from '../storage/hooks.ts';

/** @throws Fault UNAVAILABLE */
export function partsOf({ replication }: Control): ReplicationParts {
  if (replication !== undefined) return replication;
  throw new Fault('UNAVAILABLE', 'this service replicates nothing', {
    field: 'replication',
    expected: 'a service that was built with it',
  });
}

/** As it is now. @throws Fault NOT_FOUND: it was deleted meanwhile */
export function current(catalog: Catalog, id: string): ReplicationRecord {
  const found = catalog.replications.byId(id);
  if (found !== undefined) return found;
  throw new Fault('NOT_FOUND', 'the replication was deleted', {
    field: 'replication.id',
    value: id,
    expected: 'a replication (rootcast replication list)',
  });
}

export const subjectOf = ({ name }: { readonly name: string }): string => `replication/${name}`;

export const targetSide = ({ sourceSide }: ReplicationRecord): Side => otherSide(sourceSide);

/** Of the side; a volume that is still to be made is left out. */
export function volumesOf(
  catalog: Catalog,
  members: readonly ReplicationMember[],
  side: Side,
): readonly VolumeRecord[] {
  return members.flatMap((member) => {
    const id = member[side];
    const volume = id === undefined ? undefined : catalog.volumes.byId(id);
    return volume === undefined ? [] : [volume];
  });
}

/** @throws Fault NOT_FOUND: it is still to be made */
export function volumeOf(catalog: Catalog, member: ReplicationMember, side: Side): VolumeRecord {
  const id = member[side];
  const volume = id === undefined ? undefined : catalog.volumes.byId(id);
  if (volume !== undefined) return volume;
  throw new Fault('NOT_FOUND', `the replica ${member.rightName} was not made yet`, {
    field: 'replication.volumes',
    expected: 'a replication that has sent a point',
  });
}

export function snapshotOf(
  catalog: Catalog,
  { snapshots }: PointMember,
  side: Side,
): SnapshotRecord | undefined {
  const id = snapshots[side];
  return id === undefined ? undefined : catalog.snapshots.byId(id);
}

/** It can be read on the side, all of it. */
export function isOnSide({ members }: PointRecord, side: Side): boolean {
  return members.every(({ snapshots }) => snapshots[side] !== undefined);
}

/** The newest complete point that can be read on the side. */
export function newestPoint(
  catalog: Catalog,
  replicationId: string,
  side: Side,
): PointRecord | undefined {
  return catalog.points
    .ofReplication(replicationId)
    .find((point) => point.state === 'complete' && !point.damaged && isOnSide(point, side));
}

/** The newest point that both sides have: differences are sent from there. */
export function lastCommon(catalog: Catalog, replicationId: string): PointRecord | undefined {
  return catalog.points
    .ofReplication(replicationId)
    .find(
      (point) =>
        point.state === 'complete' &&
        !point.damaged &&
        isOnSide(point, 'left') &&
        isOnSide(point, 'right'),
    );
}

export function noPoint(replication: string): Fault {
  return new Fault('NOT_FOUND', `replication ${replication} has no complete point`, {
    field: 'replication.points',
    value: 0,
    expected: 'a replication of which a point is complete',
  });
}

export function sendingPoint(catalog: Catalog, replicationId: string): PointRecord | undefined {
  return catalog.points.ofReplication(replicationId).find(({ state }) => state === 'sending');
}

/** For hooks: of the volumes that are the source now. */
export function occasionOf(
  { catalog }: Control,
  replication: ReplicationRecord,
  of: HookOccasion['of'],
  facts: Readonly<Record<string, string>>,
): HookOccasion {
  const members = catalog.replications.members(replication.id);
  return {
    of,
    subject: subjectOf(replication),
    volumes: volumesOf(catalog, members, replication.sourceSide),
    facts: { ROOTCAST_REPLICATION: replication.name, ...facts },
  };
}
