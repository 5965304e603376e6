import { Fault } from '../../errors/index.ts';
import type { Catalog } from '../catalog/catalog.ts';

/**
 * Before a volume or a snapshot is deleted. Of a replication's volumes the replica is nobody's to change (its role); its
 * source may be grown and reverted as it likes: the next point says what it is by then.
 * @throws Fault IN_USE: a replication stands on it
 */
export function refuseReplicated(
  catalog: Catalog,
  what: { readonly volumeId: string } | { readonly snapshotId: string },
): void {
  const replication =
    'volumeId' in what
      ? catalog.replications.byVolume(what.volumeId)
      : replicationOfSnapshot(catalog, what.snapshotId);
  if (replication === undefined) return;
  const isVolume = 'volumeId' in what;
  const field = isVolume ? 'volume.replication' : 'snapshot.replication';
  const of = isVolume ? 'the volume is part' : 'the snapshot is a point';
  throw new Fault('IN_USE', `${of} of replication ${replication.name}`, {
    field,
    value: replication.name,
    expected: 'something that no replication stands on (rootcast replication delete)',
  });
}

function replicationOfSnapshot(catalog: Catalog, snapshotId: string) {
  const point = catalog.points.bySnapshot(snapshotId);
  return point === undefined ? undefined : catalog.replications.byId(point.replicationId);
}
