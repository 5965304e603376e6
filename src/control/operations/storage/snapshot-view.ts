import type { SnapshotRecord } from '../../catalog/storage/records.ts';
import type { Control } from '../../control.ts';
import type { SnapshotView } from '../../schemas/snapshot.ts';
import { repositoryName } from '../../storage/names.ts';
import { iso } from '../time-view.ts';

export function snapshotView({ catalog }: Control, snapshot: SnapshotRecord): SnapshotView {
  const { id, name, description, parentId, groupId, size, emulated, held, createdAt } = snapshot;
  const repository = repositoryName(catalog, snapshot.repositoryId);
  const volume =
    snapshot.volumeId === undefined ? undefined : catalog.volumes.byId(snapshot.volumeId);
  const schedule =
    snapshot.scheduleId === undefined ? undefined : catalog.schedules.byId(snapshot.scheduleId);
  return {
    id,
    repository,
    volume: volume?.name ?? null,
    volumeWas: volume?.name ?? snapshot.volumeName,
    name,
    description,
    parent: parentId ?? null,
    groupId: groupId ?? null,
    size,
    emulated,
    consistency: snapshot.consistency,
    schedule: schedule?.name ?? null,
    held,
    clones: catalog.volumes
      .clonesOfSnapshot(id)
      .map((clone) => `${repositoryName(catalog, clone.repositoryId)}/${clone.name}`),
    export: volume === undefined ? null : `volume/${repository}/${volume.name}@${name}`,
    createdAt: iso(createdAt),
  };
}
