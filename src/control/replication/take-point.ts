/** The beginning of a point: snapshots of one moment of all volumes that are the source. */

import type { PointRecord, ReplicationRecord, Side } from '../catalog/replication/records.ts';
import type { Control } from '../control.ts';
import { currentVolume } from '../storage/current-volume.ts';
import { withHooks } from '../storage/hooks.ts';
import { volumeNameOf } from '../storage/names.ts';
import { inTurn } from '../storage/turns.ts';
import type { Call, StoredSnapshot } from '../storage-port.ts';
import { changeReplication } from './change-replication.ts';
import { current, occasionOf, volumeOf } from './situation.ts';

export interface SideRequest {
  readonly side: Side;
  readonly name: string;
  readonly description: string;
  /** Applications of the volume were told; undefined: they were not. */
  readonly isQuiesced?: (volumeId: string) => boolean;
}

/**
 * Snapshots of one moment of all volumes of a side, in the catalog when it settles.
 * @param keep in the same transaction
 */
export async function snapshotSide<T>(
  control: Control,
  replication: ReplicationRecord,
  request: SideRequest,
  keep: (stored: readonly StoredSnapshot[]) => T,
  call: Call,
): Promise<T> {
  const { catalog, storage } = control;
  const volumes = catalog.replications
    .members(replication.id)
    .map((member) => volumeOf(catalog, member, request.side));
  const groupId = volumes.length > 1 ? control.newId() : undefined;
  const ids = volumes.map(({ id }) => id);
  return await inTurn(control, ids, () => {
    const of = ids.map((id) => ({
      volume: volumeNameOf(currentVolume(control, id)),
      snapshotId: control.newId(),
      name: request.name,
    }));
    const keepAll = (stored: readonly StoredSnapshot[]): T =>
      catalog.transaction(() => {
        for (const [index, snapshot] of stored.entries()) {
          const volumeId = ids[index];
          if (volumeId !== undefined) keepSnapshot(control, volumeId, snapshot, request, groupId);
        }
        return keep(stored);
      });
    return storage.snapshot({ of }, keepAll, call);
  });
}

function keepSnapshot(
  control: Control,
  volumeId: string,
  stored: StoredSnapshot,
  { name, description, isQuiesced }: SideRequest,
  groupId: string | undefined,
): void {
  const { catalog } = control;
  const latest = currentVolume(control, volumeId);
  catalog.snapshots.insert({
    id: stored.snapshotId,
    repositoryId: latest.repositoryId,
    volumeId,
    volumeName: latest.name,
    name,
    description,
    parentId: latest.headSnapshotId ?? latest.parentSnapshotId,
    groupId,
    size: stored.size,
    handle: stored.handle,
    emulated: stored.emulated,
    consistency: isQuiesced?.(volumeId) === true ? 'application' : 'crash',
    scheduleId: undefined,
    held: true,
    createdAt: stored.createdAt,
  });
  catalog.volumes.update({ ...latest, headSnapshotId: stored.snapshotId });
}

/** A new point, to be sent. @throws Fault of the storage */
export async function takePoint(
  control: Control,
  replicationId: string,
  base: PointRecord | undefined,
  call: Call,
): Promise<PointRecord> {
  const { catalog } = control;
  const replication = current(catalog, replicationId);
  const { sourceSide } = replication;
  const number = replication.lastPoint + 1;
  const name = pointName(replication, number);
  // Before: a number is never given twice, also when the snapshots came to nothing.
  changeReplication(control, replicationId, { lastPoint: number });
  const description = `point ${number} of replication ${replication.name}`;
  let takenAt = control.clock.now();
  const keep = (stored: readonly StoredSnapshot[]): PointRecord => {
    const given = { id: control.newId(), number, takenAt, basePointId: base?.id };
    const point = newPoint(replicationId, sourceSide, { ...given, state: 'sending' }, stored);
    catalog.points.insert(point);
    return point;
  };
  const occasion = occasionOf(control, replication, 'snapshot', { ROOTCAST_SNAPSHOT: name });
  // As with other snapshots: two that freeze the same application would thaw it for each other.
  const turns = occasion.volumes.map((volume) => `hooks/${volume.id}`);
  const { value } = await inTurn(control, turns, () =>
    withHooks(control, occasion, call.signal, ({ isQuiesced }) => {
      // By our clock, which its age is told by; that of an array may be another.
      takenAt = control.clock.now();
      const request = { side: sourceSide, name, description, isQuiesced };
      return snapshotSide(control, replication, request, keep, call);
    }),
  );
  return value;
}

/** Nothing of it is sent yet. @param stored the snapshots that it is, on the side */
export function newPoint(
  replicationId: string,
  side: Side,
  given: Pick<PointRecord, 'id' | 'number' | 'state' | 'takenAt' | 'basePointId'>,
  stored: readonly StoredSnapshot[],
): PointRecord {
  return {
    ...given,
    replicationId,
    sourceSide: side,
    ...{ headsReady: false, damaged: false, completedAt: undefined },
    members: stored.map(({ snapshotId, size }, position) => ({
      position,
      snapshots: {
        left: side === 'left' ? snapshotId : undefined,
        right: side === 'right' ? snapshotId : undefined,
      },
      size,
      ...{ contentId: undefined, sum: undefined, cursor: undefined, figures: undefined },
    })),
  };
}

/** The same on both sides. A name of a snapshot, as long as names may be. */
export function pointName({ id }: ReplicationRecord, number: number): string {
  return `point-${id.slice(0, 8).toLowerCase()}-${number}`;
}
