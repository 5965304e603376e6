import type { Control } from '../control.ts';
import type { MachineView } from '../schemas/machine.ts';
import { machineView } from './machine-view.ts';

/** By name. */
export function listMachines(control: Control): readonly MachineView[] {
  return control.catalog.machines.all().map((machine) => machineView(control, machine));
}
