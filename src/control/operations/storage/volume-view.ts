import type { VolumeRecord } from '../../catalog/storage/records.ts';
import type { Control } from '../../control.ts';
import type { VolumeView } from '../../schemas/stored-volume.ts';
import { addressOf, repositoryName } from '../../storage/names.ts';
import { iso } from '../time-view.ts';

export function volumeView({ catalog }: Control, volume: VolumeRecord): VolumeView {
  const { id, name, description, size, thin, wwid, role, createdAt } = volume;
  const repository = repositoryName(catalog, volume.repositoryId);
  return {
    id,
    repository,
    name,
    description,
    size,
    thin,
    wwid: wwid ?? null,
    role,
    parent: parentOf({ catalog }, volume),
    snapshots: catalog.snapshots.countOfVolume(id),
    groups: catalog.volumeGroups.ofVolume(id).map((group) => group.name),
    export: `volume/${repository}/${name}`,
    createdAt: iso(createdAt),
  };
}

function parentOf({ catalog }: Pick<Control, 'catalog'>, volume: VolumeRecord): string | null {
  if (volume.parentSnapshotId !== undefined) {
    const snapshot = catalog.snapshots.byId(volume.parentSnapshotId);
    if (snapshot !== undefined) return `${snapshot.volumeName}@${snapshot.name}`;
  }
  if (volume.parentVolumeId === undefined) return null;
  return addressOf(catalog, volume.parentVolumeId).split('/').at(-1) ?? null;
}
