/** The recovery point objective: how old what the replica has may be, and whether it is older. */
import type { ReplicationRecord } from '../catalog/replication/records.ts';
import type { Control } from '../control.ts';
import { durationText } from '../values/duration.ts';
import { changeReplication } from './change-replication.ts';

/** The moment of the source that the replica has; undefined: it has nothing. */
export function newestMoment(
  { catalog }: Pick<Control, 'catalog'>,
  { id, mode, syncedAt }: ReplicationRecord,
): number | undefined {
  return mode === 'array' ? syncedAt : catalog.points.newestMoment(id);
}

/** Told once when it is exceeded, and once when it is met again. */
export function observeObjective(
  control: Control,
  replication: ReplicationRecord,
  now: number,
): void {
  const { rpoMs, failover, name, id } = replication;
  // Failed over: nothing is protected, and that has been told.
  if (rpoMs === undefined || failover !== 'none') {
    if (replication.rpoMissed) changeReplication(control, id, { rpoMissed: false });
    return;
  }
  const moment = newestMoment(control, replication);
  // One that has nothing yet is as old as itself.
  const age = now - (moment ?? replication.createdAt);
  const isMissed = age > rpoMs;
  if (isMissed === replication.rpoMissed) return;
  const seconds = Math.floor(age / 1000);
  const limit = durationText(rpoMs);
  changeReplication(
    control,
    id,
    { rpoMissed: isMissed },
    isMissed
      ? {
          kind: 'replication.rpo-missed',
          message: `what the replica of ${name} has is ${seconds} s old: more than ${limit}`,
          data: { ageSeconds: seconds, rpo: limit },
        }
      : {
          kind: 'replication.rpo-met',
          message: `what the replica of ${name} has is ${seconds} s old: less than ${limit} again`,
          data: { ageSeconds: seconds, rpo: limit },
        },
  );
}
