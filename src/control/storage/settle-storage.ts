import { isGoing } from '../changes/settle.ts';
import type { Control } from '../control.ts';
import type { StoredVolume } from '../storage-port.ts';
import { forgetSnapshot, tellDeleted } from './delete-stored-snapshot.ts';
import { forgetVolume } from './forget-volume.ts';
import { repositoryName, volumeSubject } from './names.ts';
import { storedFacts } from './stored-facts.ts';

/**
 * Records what storage has done when nobody was there to be told: this service had ended, or the answer was lost.
 * @throws Fault UNAVAILABLE: it is not attached
 */
export function settleStorage(control: Control, repositoryId: string): Promise<void> {
  return control.storage.settle(repositoryId, {
    changed: (volumeId, stored) => keepChanged(control, volumeId, stored),
    gone: (what, id) => {
      if (what === 'volume') forgetVolume(control, id);
      else keepSnapshotGone(control, id);
    },
  });
}

function keepChanged(control: Control, volumeId: string, stored: StoredVolume): void {
  const { catalog } = control;
  control.change((record) => {
    const before = catalog.volumes.byId(volumeId);
    if (before === undefined) return;
    catalog.volumes.update({ ...before, ...storedFacts(stored) });
    if (stored.size === before.size) return;
    const repository = repositoryName(catalog, before.repositoryId);
    record({
      kind: 'volume.resized',
      subject: volumeSubject(repository, before.name),
      message: `volume ${repository}/${before.name} has ${stored.size} bytes: nobody was told when it got them`,
      data: { volumeId, before: before.size, size: stored.size },
    });
  });
}

function keepSnapshotGone(control: Control, id: string): void {
  const { catalog } = control;
  control.change((record) => {
    const snapshot = catalog.snapshots.byId(id);
    if (snapshot === undefined) return;
    const disk = catalog.trackedDisks.byId(id);
    forgetSnapshot(control, snapshot);
    // Whoever discarded or deleted it was told when they did.
    if (disk !== undefined && isGoing(disk)) return;
    tellDeleted(control, record, snapshot, ': nobody was told when it went');
  });
}
