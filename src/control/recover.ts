import type { Control } from './control.ts';
import { removeAllFromDisk } from './removals.ts';
import { payHookDebts } from './storage/hook-debts.ts';
import { collectLayers } from './versions/collect-layers.ts';
import { renewLocks } from './versions/lease-lock.ts';

/**
 * Once at start, before anything is served: tasks that a crash interrupted become failed, deletions it
 * cut short are carried out to their end, and hooks that are still owed are called.
 */
export async function recoverControl(control: Control): Promise<void> {
  control.change((record) => {
    for (const task of control.tasks.failInterrupted()) {
      record({
        kind: 'task.interrupted',
        subject: task.subject,
        message: `${task.kind} was interrupted: the service stopped`,
        data: { taskId: task.id },
      });
    }
  });
  payHookDebts(control);
  control.admission.restore(control.catalog, control.clock.now());
  // Whoever wrote while the service was away is given the time to connect again.
  renewLocks(control.catalog, control.clock.now(), control.maintenanceLeaseMs, () => true);
  await removeAllFromDisk(control, control.catalog.removals.all());
  // A vDisk and its layers go in two steps, and the crash may have come between them.
  await collectLayers(control);
}
