import { Fault } from '../../../errors/index.ts';
import type { SnapshotRecord, VolumeRecord } from '../../catalog/storage/records.ts';
import type { Control } from '../../control.ts';
import type { TaskView } from '../../schemas/activity.ts';
import type { RevertVolumeInput, VolumeView } from '../../schemas/stored-volume.ts';
import { currentVolume } from '../../storage/current-volume.ts';
import {
  requireAttached,
  snapshotNameOf,
  volumeNameOf,
  volumeSubject,
} from '../../storage/names.ts';
import { refuseReplica } from '../../storage/refuse-replica.ts';
import { storedFacts } from '../../storage/stored-facts.ts';
import { inTurn } from '../../storage/turns.ts';
import type { StoredVolume } from '../../storage-port.ts';
import { taskView } from '../task-view.ts';
import { findVolume } from './find-storage.ts';
import { callOf } from './volume-tasks.ts';
import { volumeView } from './volume-view.ts';

/**
 * The volume is as it was when the snapshot was taken; what was written since is gone. Its snapshots stay, and
 * its next one is the child of this one.
 * @throws Fault NOT_FOUND, UNREACHABLE. The task fails with IN_USE while it is open.
 */
export function revertVolume(
  control: Control,
  repositoryName: string,
  name: string,
  input: RevertVolumeInput,
): TaskView {
  const { repository, volume } = findVolume(control.catalog, repositoryName, name);
  requireAttached(control, repository);
  refuseReplica(volume, 'reverted');
  const { id: snapshotId } = snapshotOf(control, volume, input.snapshot);
  const subject = volumeSubject(repositoryName, name);
  const task = control.tasks.start('volume.revert', subject, (report, signal) =>
    inTurn(control, [volume.id], async () => {
      signal.throwIfAborted();
      const current = currentVolume(control, volume.id);
      refuseReplica(current, 'reverted');
      const snapshot = snapshotOf(control, volume, snapshotId);
      const keep = (stored: StoredVolume): VolumeView =>
        reverted(control, volume.id, snapshot, stored);
      const call = callOf(report, signal, 'reverting');
      return control.storage.revert(volumeNameOf(current), snapshotNameOf(snapshot), keep, call);
    }),
  );
  return taskView(task);
}

function reverted(
  control: Control,
  id: string,
  snapshot: SnapshotRecord,
  stored: StoredVolume,
): VolumeView {
  return control.change((record) => {
    const before = currentVolume(control, id);
    const after = { ...before, ...storedFacts(stored), headSnapshotId: snapshot.id };
    control.catalog.volumes.update(after);
    const view = volumeView(control, after);
    record({
      kind: 'volume.reverted',
      subject: volumeSubject(view.repository, view.name),
      message: `volume ${view.repository}/${view.name} is as it was at ${snapshot.name}`,
      data: { volumeId: id, snapshotId: snapshot.id, before: before.size, size: after.size },
    });
    return view;
  });
}

/** @param address its name, VOLUME@NAME, or its id */
function snapshotOf({ catalog }: Control, volume: VolumeRecord, address: string): SnapshotRecord {
  const prefix = `${volume.name}@`;
  const name = address.startsWith(prefix) ? address.slice(prefix.length) : address;
  const snapshot = catalog.snapshots.byName(volume.id, name) ?? catalog.snapshots.byId(address);
  if (snapshot?.volumeId === volume.id) return snapshot;
  throw new Fault('NOT_FOUND', `volume ${volume.name} has no snapshot ${address}`, {
    field: 'snapshot',
    value: address,
    expected: 'the name of a snapshot of this volume (rootcast snapshot list)',
  });
}
