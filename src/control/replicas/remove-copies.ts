/** Copies that no vDisk wants any more go: first out of the catalog, so that nobody opens them, then off the array. */
import type { LayerReplicaRecord } from '../catalog/replica-table.ts';
import { type Control, recordEvent } from '../control.ts';
import { layersOfVdisk } from './wanted-copies.ts';

/** @returns how many went; one that is being read stays until it is not */
export async function removeUnwantedCopies(control: Control): Promise<number> {
  const { catalog, replicas } = control;
  if (catalog.replicas.all().length === 0) return 0; // nearly always, every two seconds
  const doomed = catalog.transaction(() => {
    const wanted = new Set<string>();
    for (const { vdiskId, repositoryId } of catalog.replicas.wanted()) {
      for (const { id } of layersOfVdisk(catalog, vdiskId)) wanted.add(`${id} ${repositoryId}`);
    }
    const unwanted = catalog.replicas
      .all()
      .filter(({ layerId, repositoryId }) => !wanted.has(`${layerId} ${repositoryId}`))
      .filter(({ layerId, repositoryId }) => !replicas.isRead(layerId, repositoryId));
    for (const replica of unwanted) catalog.replicas.delete(replica);
    return unwanted;
  });
  await deleteVolumes(control, doomed);
  return doomed.length;
}

/** Of copies that the catalog has forgotten. One that cannot be deleted is told, and stays a leftover. */
export async function deleteVolumes(
  control: Control,
  copies: readonly Pick<LayerReplicaRecord, 'repositoryId' | 'volumeId'>[],
): Promise<void> {
  for (const { repositoryId, volumeId } of copies) {
    try {
      await control.replicas.remove(repositoryId, volumeId);
    } catch (error) {
      recordEvent(control, {
        kind: 'service.removal-failed',
        subject: 'service',
        message: `could not delete volume ${volumeId} of a replica; it goes when its repository is attached again: ${String(error)}`,
        data: { repositoryId, volumeId },
      });
    }
  }
}
