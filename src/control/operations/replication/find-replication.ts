import { Fault } from '../../../errors/index.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { PointRecord, ReplicationRecord } from '../../catalog/replication/records.ts';
import { newestPoint, targetSide } from '../../replication/situation.ts';

/** @throws Fault NOT_FOUND */
export function findReplication(catalog: Catalog, name: string): ReplicationRecord {
  const replication = catalog.replications.byName(name);
  if (replication !== undefined) return replication;
  throw new Fault('NOT_FOUND', `there is no replication ${name}`, {
    field: 'replication.name',
    value: name,
    expected: 'the name of a replication (rootcast replication list)',
  });
}

/** A complete point that the replica has; the newest unless it is named. @throws Fault NOT_FOUND */
export function findPoint(
  catalog: Catalog,
  replication: ReplicationRecord,
  number: number | undefined,
): PointRecord {
  const point =
    number === undefined
      ? newestPoint(catalog, replication.id, targetSide(replication))
      : catalog.points
          .ofReplication(replication.id)
          .find((candidate) => candidate.number === number && candidate.state === 'complete');
  if (point !== undefined) return point;
  const which = number === undefined ? 'complete point' : `complete point ${number}`;
  throw new Fault('NOT_FOUND', `replication ${replication.name} has no ${which}`, {
    field: 'replication.point',
    value: number ?? null,
    expected: 'a point that is complete (rootcast replication show)',
  });
}
