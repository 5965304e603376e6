/** Which disks are tracked: volumes that somebody wants to ask of what has changed, and the snapshots of those. */
import { Fault } from '../../errors/index.ts';
import type { TrackedDisk } from '../catalog/storage/tracked-disk-table.ts';
import type { Control } from '../control.ts';
import { currentVolume } from '../storage/current-volume.ts';
import { refuseReplica } from '../storage/refuse-replica.ts';

/** Its next snapshots are tracked too. Again: fine. @throws Fault NOT_FOUND, IN_USE (it is a replica) */
export function trackChanges(control: Control, volumeId: string): void {
  const { catalog } = control;
  catalog.transaction(() => {
    const volume = currentVolume(control, volumeId);
    refuseReplica(volume, 'tracked');
    const { id, repositoryId, size, createdAt } = volume;
    catalog.trackedDisks.save({
      ...{ id, repositoryId, volumeId: id, size, createdAt },
      state: 'tracked',
    });
  });
}

/** Its snapshots stay as they are; the next ones are not tracked. Again: fine. @throws Fault NOT_FOUND */
export function untrackChanges(control: Control, volumeId: string): void {
  const { catalog } = control;
  catalog.transaction(() => {
    currentVolume(control, volumeId);
    catalog.trackedDisks.delete(volumeId);
  });
}

/**
 * Of a volume or a snapshot, also one whose data is gone; undefined: it is not tracked, or nobody wants it any
 * more (its storage may still be there, and is nobody's business).
 */
export function trackedDisk({ catalog }: Control, id: string): TrackedDisk | undefined {
  const disk = catalog.trackedDisks.byId(id);
  return disk?.state === 'leaving' ? undefined : disk;
}

/** Whether it is a snapshot that only logs still need: it is to be shown to nobody as a disk. */
export function isLeaving({ catalog }: Control, snapshotId: string): boolean {
  return catalog.trackedDisks.byId(snapshotId)?.state === 'leaving';
}

/** Snapshots of a repository of which only the changes are left, or will be. Oldest first. */
export function disksWithoutData(
  { catalog }: Control,
  repositoryId: string,
): readonly TrackedDisk[] {
  return catalog.trackedDisks.withoutData(repositoryId);
}

/** @throws Fault NOT_FOUND, INVALID_INPUT */
export function requireTracked(control: Control, id: string): TrackedDisk {
  const disk = trackedDisk(control, id);
  if (disk !== undefined) return disk;
  const { catalog } = control;
  const details = { field: 'disk', value: id };
  if (catalog.volumes.byId(id) === undefined && catalog.snapshots.byId(id) === undefined) {
    throw new Fault('NOT_FOUND', 'there is no such volume or snapshot', details);
  }
  throw new Fault('INVALID_INPUT', 'its changes are not tracked', {
    ...details,
    expected: 'a volume that is tracked, or a snapshot that was taken while it was',
  });
}
