import type { Removal } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import { removeFromDisk } from '../recover.ts';
import { stopMaintaining } from '../versions/maintain.ts';
import { findMachine } from './find.ts';

/**
 * Its connections end and its overlay goes. If that fails the machine is gone from the catalog all
 * the same, and the rest is done at the next start.
 * @throws Fault NOT_FOUND
 */
export async function deleteMachine(control: Control, name: string): Promise<void> {
  const removal = control.change((record): Removal => {
    const machine = findMachine(control.catalog, name);
    const removal: Removal = { kind: 'machine', id: machine.id };
    stopMaintaining(control.catalog, machine);
    control.catalog.machines.delete(machine.id);
    control.catalog.enrolments.delete(machine.mac);
    control.catalog.removals.insert(removal);
    record({
      kind: 'machine.deleted',
      subject: `machine/${name}`,
      message: `machine ${name} (${machine.mac}) deleted`,
      data: { mac: machine.mac },
    });
    return removal;
  });
  control.fullCaches.delete(removal.id);
  await removeFromDisk(control, removal);
}
