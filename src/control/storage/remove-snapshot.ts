import { Fault } from '../../errors/index.ts';
import type { SnapshotRecord } from '../catalog/storage/records.ts';
import type { Control, RecordEvent } from '../control.ts';
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
  const refuse = (snapshot: SnapshotRecord): void => {
    refuseHeld(snapshot);
    refuseReplicated(control.catalog, { snapshotId: id });
  };
  const deleted = (record: RecordEvent, snapshot: SnapshotRecord): void => {
    const repository = repositoryName(control.catalog, snapshot.repositoryId);
    record({
      kind: 'snapshot.deleted',
      subject: snapshotSubject(repository, snapshot),
      message: `snapshot ${repository}/${snapshot.volumeName}@${snapshot.name} deleted`,
      data: { snapshotId: id },
    });
  };
  await deleteInTurn(control, id, { refuse, deleted }, call);
}

/**
 * Every deletion of a snapshot, also those of which nobody is told: in the turn of its volume, and while it is
 * deleted nothing is promised of it (dying.ts).
 * @param how.refuse throws for one that is to stay: asked when its turn has come, and when its storage is gone
 * @param how.deleted in the transaction in which the catalog forgets it
 * @throws Fault NOT_FOUND, IN_USE, and what `refuse` throws
 */
export async function deleteInTurn(
  control: Control,
  id: string,
  how: {
    readonly refuse: (snapshot: SnapshotRecord) => void;
    readonly deleted?: (record: RecordEvent, snapshot: SnapshotRecord) => void;
  },
  call: Call,
): Promise<void> {
  const before = current(control, id);
  const forget = (): void =>
    control.change((record) => {
      const snapshot = current(control, id);
      how.refuse(snapshot);
      forgetSnapshot(control, snapshot);
      how.deleted?.(record, snapshot);
    });
  await inTurn(control, turnsOf(before), async () => {
    const snapshot = current(control, id);
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
  });
}

/**
 * What waits for each other where a snapshot is deleted or cloned: its volume may be deleted meanwhile, and it is its
 * own from then on.
 */
export function turnsOf({ id, volumeId }: SnapshotRecord): readonly string[] {
  return volumeId === undefined ? [id] : [volumeId, id];
}

function forgetSnapshot({ catalog }: Control, snapshot: SnapshotRecord): void {
  catalog.volumes.moveHead(snapshot.id, snapshot.parentId);
  for (const clone of catalog.volumes.clonesOfSnapshot(snapshot.id)) {
    catalog.volumes.update({ ...clone, ...parentAfter(snapshot) });
  }
  catalog.snapshots.delete(snapshot);
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
