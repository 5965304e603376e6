/** What the catalog has forgotten goes from the disk too. */
import type { Removal } from './catalog/records.ts';
import { type Control, recordEvent } from './control.ts';

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
