import type { Control } from '../control.ts';
import type { ListMachinesInput, MachineView } from '../schemas/machine.ts';
import { findCollection } from './find.ts';
import { FleetFacts } from './fleet-facts.ts';
import { machineView } from './machine-view.ts';

/** By name. @throws Fault NOT_FOUND (the collection) */
export function listMachines(
  control: Control,
  { collection }: ListMachinesInput = {},
): readonly MachineView[] {
  const { machines } = control.catalog;
  const wanted =
    collection === undefined
      ? machines.all()
      : machines.ofCollection(findCollection(control.catalog, collection).id);
  const facts = new FleetFacts(control, 'list');
  return wanted.map((machine) => machineView(control, machine, facts));
}
