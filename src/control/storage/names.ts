/** What repositories, volumes and snapshots are called in events, and towards the service. */
import { Fault } from '../../errors/index.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { RepositoryRecord, SnapshotRecord, VolumeRecord } from '../catalog/storage/records.ts';
import type { Control } from '../control.ts';
import type { SnapshotName, VolumeName } from '../storage-port.ts';

export function repositorySubject(name: string): string {
  return `repository/${name}`;
}

export function volumeSubject(repository: string, volume: string): string {
  return `volume/${repository}/${volume}`;
}

export function snapshotSubject(repository: string, snapshot: SnapshotRecord): string {
  return `snapshot/${repository}/${snapshot.volumeName}@${snapshot.name}`;
}

/** REPOSITORY/VOLUME; for a volume that is gone, its id. */
export function addressOf(catalog: Catalog, volumeId: string): string {
  const volume = catalog.volumes.byId(volumeId);
  if (volume === undefined) return volumeId;
  return `${repositoryName(catalog, volume.repositoryId)}/${volume.name}`;
}

export function repositoryName(catalog: Catalog, repositoryId: string): string {
  return catalog.repositories.byId(repositoryId)?.name ?? repositoryId;
}

/** As the storage port knows them. */
export function volumeNameOf({ id, repositoryId, handle }: VolumeRecord): VolumeName {
  return { repositoryId, volumeId: id, handle };
}

export function snapshotNameOf(snapshot: SnapshotRecord): SnapshotName {
  const { id, repositoryId, volumeId, handle } = snapshot;
  return { repositoryId, volumeId, snapshotId: id, handle };
}

/** @throws Fault UNAVAILABLE (detached), UNREACHABLE */
export function requireAttached({ storage }: Control, repository: RepositoryRecord): void {
  if (storage.isAttached(repository.id)) return;
  const { name, state, reason } = repository;
  const details = { field: 'repository.state', value: state, expected: 'attached' };
  if (state === 'detached') {
    const message = `repository ${name} is detached (rootcast repository attach ${name})`;
    throw new Fault('UNAVAILABLE', message, details);
  }
  const why = reason === undefined ? 'it is not attached yet' : reason;
  throw new Fault('UNREACHABLE', `repository ${name} is not reachable: ${why}`, details);
}
