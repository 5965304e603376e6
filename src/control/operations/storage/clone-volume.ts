import { Fault } from '../../../errors/index.ts';
import type { RepositoryRecord, VolumeRecord } from '../../catalog/storage/records.ts';
import type { Control } from '../../control.ts';
import type { TaskView } from '../../schemas/activity.ts';
import type { CloneInput, VolumeView } from '../../schemas/stored-volume.ts';
import { currentVolume } from '../../storage/current-volume.ts';
import { turnsOf } from '../../storage/delete-stored-snapshot.ts';
import {
  requireAttached,
  snapshotNameOf,
  volumeNameOf,
  volumeSubject,
} from '../../storage/names.ts';
import { refuseReplica } from '../../storage/refuse-replica.ts';
import { inTurn } from '../../storage/turns.ts';
import type { SnapshotName, StoredVolume, VolumeName } from '../../storage-port.ts';
import { taskView } from '../task-view.ts';
import { keepVolume, newVolume, refuseNewVolume } from './create-volume.ts';
import { findRepository, findSnapshot, findVolume } from './find-storage.ts';
import { callOf, NOTHING_MORE, type WhenKept } from './volume-tasks.ts';

interface Source {
  readonly repository: RepositoryRecord;
  readonly whenKept: WhenKept<VolumeRecord>;
  /** What waits for it, and for what it waits. */
  readonly turns: readonly string[];
  /** As it is when its turn has come. */
  readonly now: () => VolumeName | SnapshotName;
  readonly parent: {
    readonly parentSnapshotId: string | undefined;
    readonly parentVolumeId: string | undefined;
  };
}

/** Of a volume as it is now. @throws Fault NOT_FOUND, INVALID_INPUT, ALREADY_EXISTS, UNREACHABLE */
export function cloneVolume(
  control: Control,
  repositoryName: string,
  name: string,
  input: CloneInput,
  whenKept: WhenKept<VolumeRecord> = NOTHING_MORE,
): TaskView {
  const { repository, volume } = findVolume(control.catalog, repositoryName, name);
  refuseReplica(volume, 'cloned as it is now (a snapshot of it can)');
  return clone(control, input, {
    repository,
    whenKept,
    turns: [volume.id],
    now: () => {
      const current = currentVolume(control, volume.id);
      refuseReplica(current, 'cloned as it is now (a snapshot of it can)');
      return volumeNameOf(current);
    },
    parent: { parentVolumeId: volume.id, parentSnapshotId: undefined },
  });
}

/** @param address VOLUME@SNAPSHOT, or an id. @throws Fault NOT_FOUND, INVALID_INPUT, ALREADY_EXISTS, UNREACHABLE */
export function cloneSnapshot(
  control: Control,
  repositoryName: string,
  address: string,
  input: CloneInput,
  whenKept: WhenKept<VolumeRecord> = NOTHING_MORE,
): TaskView {
  const { repository, snapshot } = findSnapshot(control.catalog, repositoryName, address);
  return clone(control, input, {
    repository,
    whenKept,
    turns: turnsOf(snapshot),
    now: () => {
      const current = control.catalog.snapshots.byId(snapshot.id);
      if (current !== undefined) return snapshotNameOf(current);
      throw new Fault('NOT_FOUND', 'the snapshot was deleted meanwhile', { value: address });
    },
    parent: { parentSnapshotId: snapshot.id, parentVolumeId: undefined },
  });
}

function clone(control: Control, input: CloneInput, source: Source): TaskView {
  const { name, description = '' } = input;
  const target =
    input.repository === undefined
      ? source.repository
      : findRepository(control.catalog, input.repository, 'clone.repository');
  const isElsewhere = target.id !== source.repository.id;
  const { kind = isElsewhere ? 'full' : 'linked' } = input;
  if (isElsewhere && kind === 'linked') {
    throw new Fault('INVALID_INPUT', 'a linked clone cannot be in another repository', {
      field: 'clone.kind',
      value: kind,
      expected: `full, or repository ${source.repository.name}`,
    });
  }
  requireAttached(control, source.repository);
  refuseNewVolume(control, target, name);
  const subject = volumeSubject(target.name, name);
  const task = control.tasks.start('volume.clone', subject, (report, signal) =>
    inTurn(control, source.turns, async () => {
      signal.throwIfAborted();
      const volumeId = control.newId();
      const from = source.now();
      const request = { source: from, repositoryId: target.id, volumeId, name, kind };
      const keep = (stored: StoredVolume): VolumeView => {
        const given = { id: volumeId, repository: target, name, description };
        const parent = kind === 'linked' ? source.parent : {};
        const made = { ...newVolume(control, given, stored), ...parent };
        return keepVolume(control, made, { how: 'cloned', whenKept: source.whenKept });
      };
      return control.storage.clone(request, keep, callOf(report, signal, 'cloning'));
    }),
  );
  return taskView(task);
}
