import { Fault } from '../../errors/index.ts';
import type { Control } from '../control.ts';
import type { ReplicationHooks } from '../replication-port.ts';
import { current, partsOf, volumesOf } from './situation.ts';

type Moment = Parameters<ReplicationHooks['run']>[0];

/**
 * Hooks of the volumes that are the source when it is called.
 * @throws Fault HOOK_FAILED before something; afterwards there is nothing left to abort
 */
export async function replicationHooks(
  control: Control,
  id: string,
  moment: Moment,
  signal: AbortSignal,
  facts: Readonly<Record<string, string | number>> = {},
): Promise<void> {
  const { hooks } = partsOf(control);
  if (hooks === undefined) return;
  const replication = current(control.catalog, id);
  const members = control.catalog.replications.members(id);
  const volumeIds = volumesOf(control.catalog, members, replication.sourceSide).map(
    (volume) => volume.id,
  );
  const told = Object.entries({ replication: replication.name, ...facts }).map(
    ([name, value]) => [name, String(value)] as const,
  );
  try {
    await hooks.run(moment, { volumeIds, facts: Object.fromEntries(told) }, signal);
  } catch (error) {
    const isAfter = moment === 'after-replication' || moment === 'after-failover';
    if (!(isAfter && error instanceof Fault && error.code === 'HOOK_FAILED')) throw error;
  }
}
