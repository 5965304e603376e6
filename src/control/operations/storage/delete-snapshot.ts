import type { Control } from '../../control.ts';
import type { TaskView } from '../../schemas/activity.ts';
import { requireAttached, snapshotSubject } from '../../storage/names.ts';
import { removeSnapshot } from '../../storage/remove-snapshot.ts';
import { taskView } from '../task-view.ts';
import { findSnapshot } from './find-storage.ts';
import { callOf } from './volume-tasks.ts';

/** @throws Fault NOT_FOUND, UNREACHABLE. The task fails with IN_USE: it is held, or something stands on it. */
export function deleteSnapshot(
  control: Control,
  repositoryName: string,
  address: string,
): TaskView {
  const { repository, snapshot } = findSnapshot(control.catalog, repositoryName, address);
  requireAttached(control, repository);
  const subject = snapshotSubject(repositoryName, snapshot);
  const task = control.tasks.start('snapshot.delete', subject, async (report, signal) => {
    signal.throwIfAborted();
    await removeSnapshot(control, snapshot.id, callOf(report, signal, 'deleting'));
    return { deleted: `${repositoryName}/${snapshot.volumeName}@${snapshot.name}` };
  });
  return taskView(task);
}
