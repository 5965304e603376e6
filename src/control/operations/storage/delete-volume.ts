import { releaseAnchors } from '../../changes/discard.ts';
import type { Control } from '../../control.ts';
import type { TaskView } from '../../schemas/activity.ts';
import { currentVolume } from '../../storage/current-volume.ts';
import { whileDying } from '../../storage/dying.ts';
import { forgetVolume, refuseWanted } from '../../storage/forget-volume.ts';
import { requireAttached, volumeNameOf, volumeSubject } from '../../storage/names.ts';
import { namingClones } from '../../storage/naming-clones.ts';
import { inTurn } from '../../storage/turns.ts';
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
  refuseWanted(control, volume);
  const subject = volumeSubject(repositoryName, name);
  const task = control.tasks.start('volume.delete', subject, (report, signal) =>
    inTurn(control, [volume.id], async () => {
      signal.throwIfAborted();
      const current = currentVolume(control, volume.id);
      // Something may want it since it was asked for; from now on nothing can.
      refuseWanted(control, current);
      const snapshotsLeft = control.catalog.snapshots.countOfVolume(volume.id);
      const call = callOf(report, signal, 'deleting');
      await releaseAnchors(control, volume.id, call);
      try {
        await whileDying(control, volume.id, () =>
          control.storage.deleteVolume(
            volumeNameOf(current),
            () => forgetVolume(control, volume.id),
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
