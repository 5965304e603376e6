import type { Removal } from './catalog/records.ts';
import { type Control, recordEvent } from './control.ts';
import { payHookDebts } from './storage/hook-debts.ts';
import { renewLocks } from './versions/lease-lock.ts';

/**
 * Once at start, before anything is served: tasks that a crash interrupted become failed, deletions it
 * cut short are carried out, and hooks that are still owed are called.
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
}

/** One that cannot be deleted is told, and keeps the others not. */
export async function removeAllFromDisk(
  control: Control,
  removals: readonly Removal[],
): Promise<void> {
  for (const removal of removals) {
    try {
      await removeFromDisk(control, removal);
    } catch (error) {
      // Tried again at the next start; what it holds is disk space only.
      recordEvent(control, {
        kind: 'service.removal-failed',
        subject: 'service',
        message: `could not delete ${removal.kind} ${removal.id}: ${String(error)}`,
        data: { ...removal },
      });
    }
  }
}

/** Deletes what the catalog has already forgotten (catalog/removal-table.ts). */
export async function removeFromDisk(control: Control, removal: Removal): Promise<void> {
  switch (removal.kind) {
    case 'layer':
      await control.images.removeLayer(removal.id, removal.volumeId);
      break;
    case 'machine':
      await control.dataPlane.removeOverlay(removal.id);
      break;
  }
  control.catalog.removals.delete(removal);
}
