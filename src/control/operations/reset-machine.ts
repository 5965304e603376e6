import { Fault } from '../../errors/index.ts';
import type { Control } from '../control.ts';
import type { MachineView } from '../schemas/machine.ts';
import { stopMaintaining } from '../versions/maintain.ts';
import { findMachine } from './find.ts';
import { machineView } from './machine-view.ts';

/**
 * Throws the machine's write cache away: its disk is the vDisk's again. Refused while it is
 * connected, since a reconnect would find other blocks under a mounted file system. A version that it
 * was writing keeps what was written, for the next machine in maintenance.
 * @throws Fault NOT_FOUND, IN_USE
 */
export async function resetMachine(control: Control, name: string): Promise<MachineView> {
  const machine = findMachine(control.catalog, name);
  const { connections } = control.dataPlane.machineLive(machine.id);
  if (connections.length > 0) {
    throw new Fault('IN_USE', `machine ${name} is connected; turn it off first`, {
      field: 'machine.connections',
      value: connections.length,
      expected: 'a machine without connections',
    });
  }
  // In the turn of the look at its connections: what it opens from now on is its own.
  control.catalog.transaction(() => {
    stopMaintaining(control.catalog, machine);
    control.catalog.machineCaches.delete(machine.id);
  });
  await control.dataPlane.renewOverlay(machine.id);
  control.fullCaches.delete(machine.id);
  control.change((record) =>
    record({
      kind: 'machine.reset',
      subject: `machine/${name}`,
      message: `write cache of ${name} discarded`,
    }),
  );
  return machineView(control, { ...machine, maintains: undefined });
}
