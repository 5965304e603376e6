/** What the tasks on volumes have in common. */
import { Fault } from '../../../errors/index.ts';
import type { VolumeRecord } from '../../catalog/storage/records.ts';
import type { Call, StoredVolume } from '../../storage-port.ts';
import type { ReportProgress } from '../../tasks/task-runner.ts';

/** As the storage takes it; 100 % is for when it is done. */
export function callOf(report: ReportProgress, signal: AbortSignal, message: string): Call {
  return { signal, progress: (fraction) => report(Math.min(99, fraction * 100), message) };
}

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

/** What the storage says of a volume, as its record has it. */
export function storedFacts({ handle, size, thin, wwid }: StoredVolume) {
  return { handle, size, thin, wwid };
}
