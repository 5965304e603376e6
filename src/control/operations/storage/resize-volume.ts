import { Fault } from '../../../errors/index.ts';
import type { Control } from '../../control.ts';
import type { TaskView } from '../../schemas/activity.ts';
import type { ResizeVolumeInput } from '../../schemas/stored-volume.ts';
import { currentVolume } from '../../storage/current-volume.ts';
import { requireAttached, volumeNameOf, volumeSubject } from '../../storage/names.ts';
import { refuseReplica } from '../../storage/refuse-replica.ts';
import { storedFacts } from '../../storage/stored-facts.ts';
import { inTurn } from '../../storage/turns.ts';
import type { StoredVolume } from '../../storage-port.ts';
import { taskView } from '../task-view.ts';
import { parseVolumeSize, type SizedVolume } from './create-volume.ts';
import { findVolume } from './find-storage.ts';
import { callOf } from './volume-tasks.ts';
import { volumeView } from './volume-view.ts';

/** Larger, also while it is open. @throws Fault NOT_FOUND, INVALID_INPUT (smaller), UNREACHABLE */
export function resizeVolume(
  control: Control,
  repositoryName: string,
  name: string,
  input: ResizeVolumeInput,
): TaskView {
  const { repository, volume } = findVolume(control.catalog, repositoryName, name);
  requireAttached(control, repository);
  refuseReplica(volume, 'resized');
  const size = parseVolumeSize(input.size, 'volume.size', repository);
  refuseShrinking(volume.size, size, input.size);
  const subject = volumeSubject(repositoryName, name);
  const task = control.tasks.start('volume.resize', subject, (report, signal) =>
    inTurn(control, [volume.id], async () => {
      signal.throwIfAborted();
      const current = currentVolume(control, volume.id);
      refuseReplica(current, 'resized');
      refuseShrinking(current.size, size, input.size);
      const keep = (stored: StoredVolume): SizedVolume => resized(control, volume.id, size, stored);
      const call = callOf(report, signal, 'growing');
      return control.storage.resizeVolume(volumeNameOf(current), size, keep, call);
    }),
  );
  return taskView(task);
}

function resized(control: Control, id: string, asked: number, stored: StoredVolume): SizedVolume {
  return control.change((record) => {
    const before = currentVolume(control, id);
    const after = { ...before, ...storedFacts(stored) };
    control.catalog.volumes.update(after);
    const view = volumeView(control, after);
    record({
      kind: 'volume.resized',
      subject: volumeSubject(view.repository, view.name),
      message: `volume ${view.repository}/${view.name} has ${after.size} bytes now`,
      data: { volumeId: id, before: before.size, size: after.size, requestedSize: asked },
    });
    return { volume: view, requestedSize: asked };
  });
}

function refuseShrinking(before: number, size: number, value: number | string): void {
  if (size >= before) return;
  throw new Fault('INVALID_INPUT', 'a volume is never made smaller: what is at its end would go', {
    field: 'volume.size',
    value,
    expected: `at least the ${before} bytes that it has; for less, a new volume`,
  });
}
