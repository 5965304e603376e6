/** The devices that a job has open. What is exchanged under them is told by the barrier, as to a data worker. */
import type { BlockDevice } from '../../block/index.ts';
import type { ExportClient, ExportTable, VolumePlan } from '../../exports/index.ts';
import type { GivenPlans } from '../given-plans.ts';

const CLIENT: ExportClient = { address: 'replication', tls: false, identity: undefined };

/**
 * Opens what the job was given, works, and closes all of it.
 * @throws BlockError; what `work` throws
 */
export async function withDevices<T>(
  exports: ExportTable,
  given: GivenPlans,
  plans: readonly VolumePlan[],
  work: (devices: readonly BlockDevice[]) => Promise<T>,
): Promise<T> {
  // All of them are given back, also those behind one that cannot be opened.
  const names = plans.map((plan) => given.give(plan));
  const opening = names.map((name) => exports.open(name, CLIENT));
  const settled = await Promise.allSettled(opening);
  try {
    const devices = settled.map((result) => {
      if (result.status === 'rejected') throw result.reason;
      return result.value.device;
    });
    return await work(devices);
  } finally {
    for (const result of settled) if (result.status === 'fulfilled') await result.value.close();
  }
}
