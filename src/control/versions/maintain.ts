/**
 * A machine begins to write a version in maintenance. Whoever has it open is shut out first, with the last
 * write settled: two never write at once. That is asked of the overlay and not of the lock: a holder may have
 * booted something else, been deleted, or not have been shut out when it was tried before.
 */
import { Fault } from '../../errors/index.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { MachineRecord, OpenVersion } from '../catalog/records.ts';
import type { Clock, DataPlane } from '../ports.ts';
import { type Liveness, type LockTaken, releaseLock, takeLock, writeLock } from './lease-lock.ts';

export interface MaintenanceParts {
  readonly catalog: Catalog;
  readonly dataPlane: Pick<DataPlane, 'machineLive' | 'endConnections'>;
  readonly clock: Clock;
  readonly leaseMs: number;
}

/** @throws Fault IN_USE while another machine writes it; UNAVAILABLE when that one could not be shut out */
export async function maintain(
  parts: MaintenanceParts,
  machine: MachineRecord,
  version: OpenVersion,
): Promise<void> {
  const { catalog, dataPlane, clock } = parts;
  const name = writeLock(version.id);
  const taken = catalog.transaction((): LockTaken => {
    const wanted = { holder: machine.id, now: clock.now(), leaseMs: parts.leaseMs };
    const lock = takeLock(catalog, name, wanted, writerLiveness(parts));
    if (lock.kind === 'taken') return lock;
    throw heldBy(catalog, version, lock.holder, lock.until);
  });
  // Also the machine itself: what is left of its life before.
  await dataPlane.endConnections(version.id);
  catalog.transaction(() => {
    const current = catalog.versions.byId(version.id);
    if (catalog.locks.byName(name)?.token !== taken.token || current?.state !== 'maintenance') {
      throw takenMeanwhile(version);
    }
    // A machine that was deleted while it waited leaves the version to others.
    if (catalog.machines.byId(machine.id) === undefined) releaseLock(catalog, name);
    else catalog.machines.setMaintains(machine.id, version.id);
  });
}

/** Inside a change: what the machine wrote is the next one's to go on with, at once. */
export function stopMaintaining(
  catalog: Catalog,
  { id, maintains }: Pick<MachineRecord, 'id' | 'maintains'>,
): void {
  if (maintains === undefined) return;
  const lock = writeLock(maintains);
  if (catalog.locks.byName(lock)?.holder === id) releaseLock(catalog, lock);
  catalog.machines.setMaintains(id, undefined);
}

/** A writer lives while it is connected. */
export function writerLiveness({ dataPlane }: Pick<MaintenanceParts, 'dataPlane'>): Liveness {
  return (machineId) => dataPlane.machineLive(machineId).connections.length > 0;
}

function takenMeanwhile({ number }: OpenVersion): Fault {
  const message = `version ${number} was taken by another machine meanwhile`;
  return new Fault('IN_USE', message, { field: 'version.writer', value: number });
}

function heldBy(catalog: Catalog, version: OpenVersion, holder: string, until: number): Fault {
  const writer = catalog.machines.byId(holder)?.name ?? 'a machine that was deleted';
  const when = Number.isFinite(until)
    ? `its lease ends at ${new Date(until).toISOString()}`
    : 'it is connected';
  return new Fault('IN_USE', `version ${version.number} is being written by ${writer}: ${when}`, {
    field: 'version.writer',
    value: writer,
    expected: 'a version that no other machine writes',
  });
}
