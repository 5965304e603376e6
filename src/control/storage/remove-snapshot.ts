import { Fault } from '../../errors/index.ts';
import type { SnapshotRecord } from '../catalog/storage/records.ts';
import type { Control } from '../control.ts';
import { refuseReplicated } from '../replication/refuse-replicated.ts';
import type { Call } from '../storage-port.ts';
import { whileDying } from './dying.ts';
import { repositoryName, snapshotNameOf, snapshotSubject } from './names.ts';
import { namingClones } from './naming-clones.ts';
import { inTurn } from './turns.ts';

/**
 * Its children are its parent's from then on, and nothing else changes.
 * @throws Fault NOT_FOUND, IN_USE (it is held, it is a point of a replication, or something stands on it that the storage cannot part from it)
 */
export async function removeSnapshot(control: Control, id: string, call: Call): Promise<void> {
  const before = current(control, id);
  await inTurn(control, [before.volumeId ?? id], async () => {
    const snapshot = current(control, id);
    refuseHeld(snapshot);
    refuseReplicated(control.catalog, { snapshotId: id });
    try {
      await whileDying(control, id, () =>
        control.storage.deleteSnapshot(snapshotNameOf(snapshot), () => forget(control, id), call),
      );
    } catch (error) {
      throw namingClones(control, error, {
        what: `snapshot ${snapshot.volumeName}@${snapshot.name}`,
        field: 'snapshot.clones',
        clones: () => control.catalog.volumes.clonesOfSnapshot(id),
      });
    }
  });
}

function forget(control: Control, id: string): void {
  const { catalog } = control;
  control.change((record) => {
    const snapshot = current(control, id);
    refuseHeld(snapshot);
    refuseReplicated(control.catalog, { snapshotId: id });
    catalog.volumes.moveHead(id, snapshot.parentId);
    for (const clone of catalog.volumes.clonesOfSnapshot(id)) {
      catalog.volumes.update({ ...clone, ...parentAfter(snapshot) });
    }
    catalog.snapshots.delete(snapshot);
    const repository = repositoryName(catalog, snapshot.repositoryId);
    record({
      kind: 'snapshot.deleted',
      subject: snapshotSubject(repository, snapshot),
      message: `snapshot ${repository}/${snapshot.volumeName}@${snapshot.name} deleted`,
      data: { snapshotId: id },
    });
  });
}

/** A clone that the storage could part from it shares its blocks with what it came after, or with its volume. */
function parentAfter({ parentId, volumeId }: SnapshotRecord) {
  const parentVolumeId = parentId === undefined ? volumeId : undefined;
  return { parentSnapshotId: parentId, parentVolumeId };
}

function current({ catalog }: Control, id: string): SnapshotRecord {
  const snapshot = catalog.snapshots.byId(id);
  if (snapshot !== undefined) return snapshot;
  throw new Fault('NOT_FOUND', 'the snapshot is gone', { field: 'snapshot.id', value: id });
}

function refuseHeld({ held, volumeName, name }: SnapshotRecord): void {
  if (!held) return;
  throw new Fault('IN_USE', `snapshot ${volumeName}@${name} is held`, {
    field: 'snapshot.held',
    value: true,
    expected: 'one that is released (rootcast snapshot set --release)',
  });
}
