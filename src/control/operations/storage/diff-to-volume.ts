import { Fault } from '../../../errors/index.ts';
import type { SnapshotRecord, VolumeRecord } from '../../catalog/storage/records.ts';
import type { ChangedBlocks } from '../../changes/changed-blocks.ts';
import { settleInTurn } from '../../changes/settle.ts';
import { addChanges, nameOf } from '../../changes/step-changes.ts';
import type { Control } from '../../control.ts';
import { currentVolume } from '../../storage/current-volume.ts';
import { volumeNameOf } from '../../storage/names.ts';
import { refuseReplica } from '../../storage/refuse-replica.ts';
import { inTurn } from '../../storage/turns.ts';
import type { Call, StoredSnapshot } from '../../storage-port.ts';

/**
 * What has changed in a volume since a snapshot of it, up to now: whatever was flushed before the call. Where the storage
 * tells it only up to snapshots, one is taken for it, which is gone when this settles, or soon after a crash.
 * @param changed of the volume's size; what has changed is added
 * @throws Fault NOT_FOUND, IN_USE (it has become a replica), UNREACHABLE, UNAVAILABLE, NO_SPACE
 */
export async function diffToVolume(
  control: Control,
  changed: ChangedBlocks,
  { fromId, volumeId }: { readonly fromId: string; readonly volumeId: string },
  call: Call,
): Promise<void> {
  const from = nameOf(control, fromId);
  try {
    const to = volumeNameOf(currentVolume(control, volumeId));
    await addChanges(control, changed, { from, to }, call);
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'UNSUPPORTED') throw error;
    await withMoment(control, volumeId, call, (snapshotId) =>
      addChanges(control, changed, { from, to: nameOf(control, snapshotId) }, call),
    );
  }
}

/** With a snapshot that nobody wants, from its first moment on: the reaper of a crash finds it (changes/settle.ts). */
async function withMoment<T>(
  control: Control,
  volumeId: string,
  call: Call,
  work: (snapshotId: string) => Promise<T>,
): Promise<T> {
  const snapshotId = control.newId();
  await inTurn(control, [volumeId], async () => {
    const current = currentVolume(control, volumeId);
    refuseReplica(current, 'what a snapshot is taken of');
    const volume = volumeNameOf(current);
    const of = [{ volume, snapshotId, name: nameOfMoment(snapshotId) }];
    const keep = ([stored]: readonly StoredSnapshot[]): void =>
      keepMoment(control, volumeId, stored);
    await control.storage.snapshot({ of }, keep, call);
  });
  try {
    return await work(snapshotId);
  } finally {
    // Cancelled or not: it goes. Where it cannot now, it is tried again.
    const ending = { signal: new AbortController().signal, progress: () => undefined };
    await inTurn(control, [volumeId, snapshotId], () =>
      settleInTurn(control, snapshotId, ending),
    ).catch(() => undefined);
  }
}

function keepMoment(control: Control, volumeId: string, stored: StoredSnapshot | undefined): void {
  if (stored === undefined) throw new Fault('INTERNAL', 'a snapshot is missing in the answer');
  const { catalog } = control;
  catalog.transaction(() => {
    const volume = currentVolume(control, volumeId);
    const snapshot = momentOf(volume, stored, control.clock.now());
    catalog.snapshots.insert(snapshot);
    catalog.volumes.update({ ...volume, headSnapshotId: snapshot.id });
    const { id, repositoryId, size, createdAt } = snapshot;
    catalog.trackedDisks.save({ id, repositoryId, volumeId, size, createdAt, state: 'leaving' });
  });
}

function momentOf(
  volume: VolumeRecord,
  { snapshotId, size, handle, emulated }: StoredSnapshot,
  createdAt: number,
): SnapshotRecord {
  return {
    id: snapshotId,
    ...{ repositoryId: volume.repositoryId, volumeId: volume.id, volumeName: volume.name },
    name: nameOfMoment(snapshotId),
    description: 'taken to see what has changed, and gone when that is seen',
    parentId: volume.headSnapshotId ?? volume.parentSnapshotId,
    ...{ groupId: undefined, scheduleId: undefined, held: false, consistency: 'crash' },
    ...{ size, handle, emulated, createdAt },
  };
}

function nameOfMoment(snapshotId: string): string {
  return `changes-${snapshotId}`;
}
