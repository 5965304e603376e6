import { Fault } from '../../../errors/index.ts';
import type { Control } from '../../control.ts';
import type { TaskView } from '../../schemas/activity.ts';
import type {
  AttachRepositoryInput,
  ForceInput,
  RepositoryView,
} from '../../schemas/repository.ts';
import { attachNow } from '../../storage/attach.ts';
import { repositorySubject } from '../../storage/names.ts';
import { measureSpace } from '../../storage/observe-repositories.ts';
import { refuseLayers } from '../../storage/refuse-layers.ts';
import { refuseOverlays } from '../../storage/refuse-overlays.ts';
import { inTurn } from '../../storage/turns.ts';
import { taskView } from '../task-view.ts';
import { findRepository } from './find-storage.ts';
import { repositoryView } from './repository-view.ts';

/**
 * Attaches one that was detached, or that another server has taken meanwhile (`takeOver`).
 * @throws Fault NOT_FOUND, IN_USE (it is attached), LIMIT_EXCEEDED. The task fails with what Storage.attach throws.
 */
export function attachRepository(
  control: Control,
  name: string,
  { takeOver = false }: AttachRepositoryInput,
): TaskView {
  const { id } = findRepository(control.catalog, name);
  if (control.storage.isAttached(id)) {
    throw new Fault('IN_USE', `repository ${name} is attached already`, {
      field: 'repository.state',
      value: 'attached',
      expected: 'one that is detached or unreachable',
    });
  }
  const task = control.tasks.start('repository.attach', repositorySubject(name), (_, signal) =>
    run(control, id, takeOver, signal),
  );
  return taskView(task);
}

async function run(
  control: Control,
  id: string,
  takeOver: boolean,
  signal: AbortSignal,
): Promise<RepositoryView> {
  const attached = await inTurn(control, [id], () =>
    attachNow(control, id, { create: false, takeOver }, signal),
  );
  await measureSpace(control, id).catch(() => undefined); // it is attached all the same
  return repositoryView(control, control.catalog.repositories.byId(id) ?? attached);
}

const MAY_WRITE =
  'a data worker did not let go of it in time, and may write to it until this service is restarted';

/**
 * Lets go of it, and of its lease when no data worker has anything of it any more; nothing on the storage changes. It is
 * not attached again at the next start.
 * @throws Fault NOT_FOUND; without `force`: IN_USE (a volume of it is open or changed, a write cache in it is open, or a
 *   vDisk that lies in it is read), UNAVAILABLE (a data worker does not let go of it in time)
 */
export async function detachRepository(
  control: Control,
  name: string,
  { force = false }: ForceInput = {},
): Promise<RepositoryView> {
  const { id } = findRepository(control.catalog, name);
  return inTurn(control, [id], async () => {
    if (!force) {
      refuseOverlays(control, { id, name, isOpen: true });
      refuseLayers(control, { id, name, isOpen: true });
    }
    await endOverlays(control, id);
    const isParted =
      !control.storage.isAttached(id) || (await control.storage.detach(id, { force }));
    // Whoever came back meanwhile has something that fails, and would go on with it when it is attached again.
    await endOverlays(control, id);
    return control.change((record) => {
      const { reason: _, ...repository } = findRepository(control.catalog, name);
      const detached = { ...repository, state: 'detached', reason: undefined } as const;
      control.catalog.repositories.update(detached);
      control.spaces.delete(id);
      record({
        kind: 'repository.detached',
        subject: repositorySubject(name),
        message: `repository ${name} is detached${force ? ', by force' : ''}${isParted ? '' : `: ${MAY_WRITE}`}`,
        data: { force, mayStillWrite: !isParted },
      });
      return repositoryView(control, detached);
    });
  });
}

/** By force: with their last writes settled, as long as that takes no longer than it may. */
async function endOverlays({ dataPlane }: Control, repositoryId: string): Promise<void> {
  const owners = [...dataPlane.openOverlaysIn(repositoryId)];
  await Promise.allSettled(owners.map((ownerId) => dataPlane.endConnections(ownerId)));
}
