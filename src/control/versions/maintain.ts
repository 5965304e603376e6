/**
 * A machine begins to write a version in maintenance. Whoever wrote it before is shut out first, with its
 * last write settled: two never write at once.
 */
import { Fault } from '../../errors/index.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { MachineRecord, OpenVersion } from '../catalog/records.ts';
import type { Clock, DataPlane } from '../ports.ts';
import { type Liveness, type LockTaken, takeLock, writeLock } from './lease-lock.ts';

export interface MaintenanceParts {
  readonly catalog: Catalog;
  readonly dataPlane: Pick<DataPlane, 'machineLive' | 'endConnections'>;
  readonly clock: Clock;
  readonly leaseMs: number;
}

/**
 * @returns who was shut out, if anybody
 * @throws Fault IN_USE while another machine writes it; UNAVAILABLE when that one could not be shut out
 */
export async function maintain(
  parts: MaintenanceParts,
  machine: MachineRecord,
  version: OpenVersion,
): Promise<MachineRecord | undefined> {
  const { catalog, dataPlane, clock } = parts;
  const name = writeLock(version.id);
  const taken = catalog.transaction((): LockTaken => {
    const wanted = { holder: machine.id, now: clock.now(), leaseMs: parts.leaseMs };
    const lock = takeLock(catalog, name, wanted, writerLiveness(parts));
    if (lock.kind === 'taken') return lock;
    throw heldBy(catalog, version, lock.holder, lock.until);
  });
  // Also the machine itself: what is left of its life before.
  const before = taken.before;
  if (before !== undefined) await dataPlane.endConnections(before);
  return catalog.transaction(() => {
    const current = catalog.versions.byId(version.id);
    if (catalog.locks.byName(name)?.token !== taken.token || current?.state !== 'maintenance') {
      throw new Fault(
        'IN_USE',
        `version ${version.number} was taken by another machine meanwhile`,
        {
          field: 'version.writer',
          value: version.number,
        },
      );
    }
    catalog.machines.setMaintains(machine.id, version.id);
    return before === undefined || before === machine.id
      ? undefined
      : catalog.machines.byId(before);
  });
}

/** A writer lives while it is connected. */
export function writerLiveness({ dataPlane }: Pick<MaintenanceParts, 'dataPlane'>): Liveness {
  return (machineId) => dataPlane.machineLive(machineId).connections.length > 0;
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
