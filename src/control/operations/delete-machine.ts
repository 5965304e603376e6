import type { MachineRecord, Removal } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import { removeFromDisk } from '../recover.ts';
import { releaseLock, writeLock } from '../versions/lease-lock.ts';
import { findMachine } from './find.ts';

/**
 * Its connections end and its overlay goes. If that fails the machine is gone from the catalog all
 * the same, and the rest is done at the next start.
 * @throws Fault NOT_FOUND
 */
export async function deleteMachine(control: Control, name: string): Promise<void> {
  const { catalog } = control;
  const machine = control.change((record) => {
    const found = findMachine(catalog, name);
    catalog.machines.delete(found.id);
    catalog.enrolments.delete(found.mac);
    catalog.personality.clear(found.id);
    catalog.removals.insert(removalOf(found));
    record({
      kind: 'machine.deleted',
      subject: `machine/${name}`,
      message: `machine ${name} (${found.mac}) deleted`,
      data: { mac: found.mac },
    });
    return found;
  });
  control.fullCaches.delete(machine.id);
  await letGoOfVersion(control, machine);
  await removeFromDisk(control, removalOf(machine));
}

function removalOf({ id }: MachineRecord): Removal {
  return { kind: 'machine', id };
}

/**
 * The lock is held until the last write has settled. If that fails it is left to its lease: whoever takes
 * it over then shuts this machine out first.
 */
async function letGoOfVersion(
  { catalog, dataPlane }: Control,
  { id, maintains }: MachineRecord,
): Promise<void> {
  if (maintains === undefined) return;
  await dataPlane.endConnections(id);
  const lock = writeLock(maintains);
  catalog.transaction(() => {
    if (catalog.locks.byName(lock)?.holder === id) releaseLock(catalog, lock);
  });
}
