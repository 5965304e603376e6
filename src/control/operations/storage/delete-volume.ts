import { Fault } from '../../../errors/index.ts';
import type { RepositoryRecord, VolumeRecord } from '../../catalog/storage/records.ts';
import { releaseAnchors } from '../../changes/discard.ts';
import type { Control } from '../../control.ts';
import { refuseReplicated } from '../../replication/refuse-replicated.ts';
import type { TaskView } from '../../schemas/activity.ts';
import { currentVolume } from '../../storage/current-volume.ts';
import { whileDying } from '../../storage/dying.ts';
import { requireAttached, volumeNameOf, volumeSubject } from '../../storage/names.ts';
import { namingClones } from '../../storage/naming-clones.ts';
import { inTurn } from '../../storage/turns.ts';
import { toldNames } from '../../values/told-names.ts';
import { taskView } from '../task-view.ts';
import { findVolume } from './find-storage.ts';
import { callOf } from './volume-tasks.ts';

export interface DeletedVolume {
  readonly deleted: string;
  /** Snapshots of it that live on. */
  readonly snapshotsLeft: number;
}

/**
 * Its snapshots live on; whether they can is for the storage to say.
 * @throws Fault NOT_FOUND, IN_USE (a group or a schedule has it, or it is a replica), UNREACHABLE. The task fails
 *   with IN_USE while it is open or mapped, or with what stands on it.
 */
export function deleteVolume(control: Control, repositoryName: string, name: string): TaskView {
  const { repository, volume } = findVolume(control.catalog, repositoryName, name);
  requireAttached(control, repository);
  refuseWanted(control, repository, volume);
  const subject = volumeSubject(repositoryName, name);
  const task = control.tasks.start('volume.delete', subject, (report, signal) =>
    inTurn(control, [volume.id], async () => {
      signal.throwIfAborted();
      const current = currentVolume(control, volume.id);
      // Something may want it since it was asked for; from now on nothing can.
      refuseWanted(control, repository, current);
      const snapshotsLeft = control.catalog.snapshots.countOfVolume(volume.id);
      const call = callOf(report, signal, 'deleting');
      await releaseAnchors(control, volume.id, call);
      try {
        await whileDying(control, volume.id, () =>
          control.storage.deleteVolume(
            volumeNameOf(current),
            () => forget(control, repository, volume.id),
            call,
          ),
        );
      } catch (error) {
        throw namingClones(control, error, {
          what: `volume ${current.name}`,
          field: 'volume.clones',
          clones: () => control.catalog.volumes.clonesOfVolume(current.id),
        });
      }
      return { deleted: `${repositoryName}/${name}`, snapshotsLeft } satisfies DeletedVolume;
    }),
  );
  return taskView(task);
}

function forget(control: Control, repository: RepositoryRecord, id: string): void {
  control.change((record) => {
    const volume = currentVolume(control, id);
    refuseWanted(control, repository, volume);
    const snapshotsLeft = control.catalog.snapshots.countOfVolume(id);
    control.catalog.volumes.delete(id);
    record({
      kind: 'volume.deleted',
      subject: volumeSubject(repository.name, volume.name),
      message: `volume ${repository.name}/${volume.name} deleted${snapshotsLeft === 0 ? '' : `; ${snapshotsLeft} snapshots of it live on`}`,
      data: { volumeId: id, snapshotsLeft },
    });
  });
}

function refuseWanted({ catalog }: Control, { name }: RepositoryRecord, volume: VolumeRecord) {
  const refuse = (who: string, value: unknown, expected: string): never => {
    throw new Fault('IN_USE', `volume ${name}/${volume.name} ${who}`, {
      field: 'volume.name',
      value,
      expected,
    });
  };
  // A replica whose replication was ended by force is of no other use than this.
  refuseReplicated(catalog, { volumeId: volume.id });
  const groups = catalog.volumeGroups.ofVolume(volume.id).map((group) => group.name);
  if (groups.length > 0) {
    const expected = 'no volume group that has it (rootcast volume-group set)';
    refuse(`is in volume group ${toldNames(groups)}`, groups, expected);
  }
  const schedules = catalog.schedules.ofVolume(volume.id).map((schedule) => schedule.name);
  if (schedules.length > 0) {
    const expected = 'no schedule that has it (rootcast snapshot-schedule set)';
    refuse(`is in snapshot schedule ${toldNames(schedules)}`, schedules, expected);
  }
}
