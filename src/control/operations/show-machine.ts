import type { Control } from '../control.ts';
import type { MachineView } from '../schemas/machine.ts';
import { findMachine } from './find.ts';
import { machineView } from './machine-view.ts';

/** @throws Fault NOT_FOUND */
export function showMachine(control: Control, name: string): MachineView {
  return machineView(control, findMachine(control.catalog, name));
}
