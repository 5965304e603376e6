import { Fault } from '../../errors/index.ts';
import type { SnapshotRecord } from '../catalog/storage/records.ts';
import { snapshotGone } from '../changes/going.ts';
import type { Control, RecordEvent } from '../control.ts';
import type { Call } from '../storage-port.ts';
import { whileDying } from './dying.ts';
import { repositoryName, snapshotNameOf, snapshotSubject } from './names.ts';
import { namingClones } from './naming-clones.ts';

export interface SnapshotDeletion {
  /** Throws for one that is to stay: asked when its turn has come, and when its storage is gone. */
  readonly refuse: (snapshot: SnapshotRecord) => void;
  /** In the transaction in which the catalog forgets it. */
  readonly deleted?: (record: RecordEvent, snapshot: SnapshotRecord) => void;
}

/**
 * From the storage and from the catalog, in the turn that its caller has (turnsOf). While it is deleted nothing is
 * promised of it (dying.ts).
 * @throws Fault NOT_FOUND, IN_USE, and what `refuse` throws
 */
export async function deleteStoredSnapshot(
  control: Control,
  id: string,
  how: SnapshotDeletion,
  call: Call,
): Promise<void> {
  const forget = (): void =>
    control.change((record) => {
      const snapshot = currentSnapshot(control, id);
      how.refuse(snapshot);
      forgetSnapshot(control, snapshot);
      how.deleted?.(record, snapshot);
    });
  const snapshot = currentSnapshot(control, id);
  how.refuse(snapshot);
  try {
    await whileDying(control, id, () =>
      control.storage.deleteSnapshot(snapshotNameOf(snapshot), forget, call),
    );
  } catch (error) {
    throw namingClones(control, error, {
      what: `snapshot ${snapshot.volumeName}@${snapshot.name}`,
      field: 'snapshot.clones',
      clones: () => control.catalog.volumes.clonesOfSnapshot(id),
    });
  }
}

/**
 * What waits for each other where a snapshot is deleted or cloned: its volume may be deleted meanwhile, and it is its
 * own from then on.
 */
export function turnsOf({ id, volumeId }: SnapshotRecord): readonly string[] {
  return volumeId === undefined ? [id] : [volumeId, id];
}

/** @throws Fault NOT_FOUND */
export function currentSnapshot({ catalog }: Control, id: string): SnapshotRecord {
  const snapshot = catalog.snapshots.byId(id);
  if (snapshot !== undefined) return snapshot;
  throw new Fault('NOT_FOUND', 'the snapshot is gone', { field: 'snapshot.id', value: id });
}

/** Its storage is gone. Within a transaction. */
export function forgetSnapshot({ catalog }: Control, snapshot: SnapshotRecord): void {
  catalog.volumes.moveHead(snapshot.id, snapshot.parentId);
  for (const clone of catalog.volumes.clonesOfSnapshot(snapshot.id)) {
    catalog.volumes.update({ ...clone, ...parentAfter(snapshot) });
  }
  catalog.snapshots.delete(snapshot);
  snapshotGone(catalog, snapshot.id);
}

/** @param how what is said of it besides */
export function tellDeleted(
  { catalog }: Control,
  record: RecordEvent,
  snapshot: SnapshotRecord,
  how = '',
): void {
  const repository = repositoryName(catalog, snapshot.repositoryId);
  record({
    kind: 'snapshot.deleted',
    subject: snapshotSubject(repository, snapshot),
    message: `snapshot ${repository}/${snapshot.volumeName}@${snapshot.name} deleted${how}`,
    data: { snapshotId: snapshot.id },
  });
}

/** A clone that the storage could part from it shares its blocks with what it came after, or with its volume. */
function parentAfter({ parentId, volumeId }: SnapshotRecord) {
  const parentVolumeId = parentId === undefined ? volumeId : undefined;
  return { parentSnapshotId: parentId, parentVolumeId };
}
