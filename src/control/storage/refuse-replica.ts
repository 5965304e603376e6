import { Fault } from '../../errors/index.ts';
import type { VolumeRecord } from '../catalog/storage/records.ts';

/**
 * A replica is its replication's to write, and may be half way from one point to the next; its snapshots are whole.
 * @throws Fault IN_USE
 */
export function refuseReplica({ name, role }: VolumeRecord, what: string): void {
  if (role !== 'replica') return;
  throw new Fault('IN_USE', `volume ${name} is a replica: it cannot be ${what}`, {
    field: 'volume.role',
    value: role,
    expected: 'one that is no replica; failover makes a replica a volume',
  });
}
