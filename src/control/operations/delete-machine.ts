import { dropRecording } from '../boots/traces.ts';
import type { MachineRecord, Removal } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import { removeFromDisk } from '../removals.ts';
import { stopMaintaining } from '../versions/maintain.ts';
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
    stopMaintaining(catalog, found);
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
  control.identities.delete(machine.id);
  control.sshPublicKeys.delete(machine.id);
  control.admission.leave(machine.id);
  // It may be deleted while it boots: then its boot has no end.
  dropRecording(control, machine.id);
  await removeFromDisk(control, removalOf(machine));
}

function removalOf({ id }: MachineRecord): Removal {
  return { kind: 'machine', id };
}
