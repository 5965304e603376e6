import type { ReplicationRecord } from '../catalog/replication/records.ts';
import type { Control, NewEvent } from '../control.ts';
import { current, subjectOf } from './situation.ts';

/**
 * What is given changes; another state is told by an event. Everything in one transaction.
 * @throws Fault NOT_FOUND: it was deleted meanwhile
 */
export function changeReplication(
  control: Control,
  id: string,
  change: Partial<ReplicationRecord>,
  event?: Omit<NewEvent, 'subject'>,
): ReplicationRecord {
  return control.change((record) => {
    const before = current(control.catalog, id);
    const after: ReplicationRecord = { ...before, ...change };
    control.catalog.replications.update(after);
    const subject = subjectOf(after);
    if (after.state !== before.state) {
      const why = after.reason === undefined ? '' : `: ${after.reason}`;
      record({
        kind: 'replication.state',
        subject,
        message: `replication ${after.name} is ${after.state} now, and was ${before.state}${why}`,
        data: {
          state: after.state,
          before: before.state,
          ...(after.reason === undefined ? {} : { reason: after.reason }),
        },
      });
    }
    if (event !== undefined) record({ ...event, subject });
    return after;
  });
}
