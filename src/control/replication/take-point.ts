/** The beginning of a point: snapshots of one moment of all volumes that are the source. */
import type { PointRecord, ReplicationRecord, Side } from '../catalog/replication/records.ts';
import type { VolumeRecord } from '../catalog/storage/records.ts';
import type { Control } from '../control.ts';
import type { Call, StoredSnapshot } from '../storage-port.ts';
import { changeReplication } from './change-replication.ts';
import { current, volumeName, volumeOf } from './situation.ts';

export interface SideSnapshots {
  readonly volumes: readonly VolumeRecord[];
  readonly stored: readonly StoredSnapshot[];
}

/**
 * Snapshots of one moment of all volumes of a side, in the catalog when it settles.
 * @param keep in the same transaction
 */
export async function snapshotSide<T>(
  control: Control,
  replication: ReplicationRecord,
  request: { readonly side: Side; readonly name: string; readonly description: string },
  keep: (snapshots: SideSnapshots) => T,
  call: Call,
): Promise<T> {
  const { catalog, storage } = control;
  const volumes = catalog.replications
    .members(replication.id)
    .map((member) => volumeOf(catalog, member, request.side));
  const groupId = volumes.length > 1 ? control.newId() : undefined;
  const of = volumes.map((volume) => ({
    volume: volumeName(volume),
    snapshotId: control.newId(),
    name: request.name,
  }));
  return await storage.snapshot(
    { of },
    (stored) =>
      catalog.transaction(() => {
        for (const [index, snapshot] of stored.entries()) {
          const volume = volumes[index];
          if (volume !== undefined) keepSnapshot(control, volume, snapshot, request, groupId);
        }
        return keep({ volumes, stored });
      }),
    call,
  );
}

function keepSnapshot(
  { catalog }: Control,
  volume: VolumeRecord,
  stored: StoredSnapshot,
  { name, description }: { readonly name: string; readonly description: string },
  groupId: string | undefined,
): void {
  const latest = catalog.volumes.byId(volume.id) ?? volume;
  catalog.snapshots.insert({
    id: stored.snapshotId,
    repositoryId: volume.repositoryId,
    volumeId: volume.id,
    volumeName: latest.name,
    name,
    description,
    parentId: latest.headSnapshotId,
    groupId,
    size: stored.size,
    handle: stored.handle,
    emulated: stored.emulated,
    consistency: 'crash',
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
  return await snapshotSide(
    control,
    replication,
    { side: sourceSide, name, description },
    ({ stored }) => {
      const point: PointRecord = {
        id: control.newId(),
        replicationId,
        number,
        state: 'sending',
        sourceSide,
        basePointId: base?.id,
        headsReady: false,
        damaged: false,
        takenAt: Math.min(...stored.map(({ createdAt }) => createdAt)),
        completedAt: undefined,
        members: stored.map(({ snapshotId, size }, position) => ({
          position,
          snapshots: {
            left: sourceSide === 'left' ? snapshotId : undefined,
            right: sourceSide === 'right' ? snapshotId : undefined,
          },
          size,
          contentId: undefined,
          sum: undefined,
          cursor: undefined,
          figures: undefined,
        })),
      };
      catalog.points.insert(point);
      return point;
    },
    call,
  );
}

/** The same on both sides. A name of a snapshot, as long as names may be. */
export function pointName({ id }: ReplicationRecord, number: number): string {
  return `point-${id.slice(0, 8).toLowerCase()}-${number}`;
}
