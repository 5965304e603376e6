import { Fault } from '../../../errors/index.ts';
import type { Control } from '../../control.ts';
import { isCopying, startCopying } from '../../replicas/copy-layers.ts';
import type { TaskView } from '../../schemas/activity.ts';
import type { ReplicateVdiskInput } from '../../schemas/vdisk-replica.ts';
import { requireAttached } from '../../storage/names.ts';
import { findVdisk } from '../find.ts';
import { findRepository } from '../storage/find-storage.ts';
import { taskView } from '../task-view.ts';

/**
 * From now on every layer of the vDisk is wanted in that repository as well. The task copies what is missing; what
 * is sealed later is copied by itself.
 * @throws Fault NOT_FOUND, UNAVAILABLE (the repository is detached), UNREACHABLE, IN_USE (it is being copied there)
 */
export function replicateVdisk(
  control: Control,
  name: string,
  { repository }: ReplicateVdiskInput,
): TaskView {
  const { catalog, clock } = control;
  const vdisk = findVdisk(catalog, name);
  const target = findRepository(catalog, repository, 'repository');
  requireAttached(control, target);
  const wanted = { vdiskId: vdisk.id, repositoryId: target.id };
  if (isCopying(control, wanted)) {
    throw new Fault('IN_USE', `vDisk ${name} is being copied to ${repository}`, {
      field: 'repository',
      value: repository,
      expected: 'the end of the task that does it (rootcast task list)',
    });
  }
  const before = catalog.replicas.wantedOf(vdisk.id).find((one) => one.repositoryId === target.id);
  control.change((record) => {
    const createdAt = before?.createdAt ?? clock.now();
    catalog.replicas.want({ ...wanted, paused: false, createdAt });
    if (before !== undefined) return;
    record({
      kind: 'vdisk.replicated',
      subject: `vdisk/${name}`,
      message: `vDisk ${name} is replicated to repository ${repository}`,
      data: { repository },
    });
  });
  return taskView(startCopying(control, wanted));
}
