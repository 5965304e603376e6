import type { Control } from '../../control.ts';
import type { TaskView } from '../../schemas/activity.ts';
import type { VolumeView } from '../../schemas/stored-volume.ts';
import { currentVolume } from '../../storage/current-volume.ts';
import { requireAttached, volumeNameOf, volumeSubject } from '../../storage/names.ts';
import { refuseReplica } from '../../storage/refuse-replica.ts';
import { storedFacts } from '../../storage/stored-facts.ts';
import { inTurn } from '../../storage/turns.ts';
import type { StoredVolume } from '../../storage-port.ts';
import { taskView } from '../task-view.ts';
import { findVolume } from './find-storage.ts';
import { callOf } from './volume-tasks.ts';
import { volumeView } from './volume-view.ts';

/** A linked clone gets all of its blocks for itself; one that has them already stays as it is. @throws Fault NOT_FOUND, UNREACHABLE */
export function splitVolume(control: Control, repositoryName: string, name: string): TaskView {
  const { repository, volume } = findVolume(control.catalog, repositoryName, name);
  requireAttached(control, repository);
  refuseReplica(volume, 'split');
  const subject = volumeSubject(repositoryName, name);
  const task = control.tasks.start('volume.split', subject, (report, signal) =>
    inTurn(control, [volume.id], async () => {
      signal.throwIfAborted();
      const keep = (stored: StoredVolume): VolumeView => parted(control, volume.id, stored);
      const call = callOf(report, signal, 'splitting');
      const current = currentVolume(control, volume.id);
      refuseReplica(current, 'split');
      return control.storage.split(volumeNameOf(current), keep, call);
    }),
  );
  return taskView(task);
}

function parted(control: Control, id: string, stored: StoredVolume): VolumeView {
  return control.change((record) => {
    const before = currentVolume(control, id);
    const stoodOn = volumeView(control, before).parent;
    const after = {
      ...before,
      ...storedFacts(stored),
      parentSnapshotId: undefined,
      parentVolumeId: undefined,
    };
    control.catalog.volumes.update(after);
    const view = volumeView(control, after);
    record({
      kind: 'volume.split',
      subject: volumeSubject(view.repository, view.name),
      message: `volume ${view.repository}/${view.name} stands on nothing any more`,
      data: { volumeId: id, before: stoodOn },
    });
    return view;
  });
}
