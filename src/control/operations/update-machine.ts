import { Fault } from '../../errors/index.ts';
import type { MachineRecord, MachineRow } from '../catalog/records.ts';
import type { Control, RecordEvent } from '../control.ts';
import { MAX_MACHINES_PER_UPDATE } from '../limits.ts';
import type { MachineView, UpdateMachineInput, UpdateMachinesInput } from '../schemas/machine.ts';
import { parseKernelArguments } from '../values/kernel-arguments.ts';
import { parseMac } from '../values/mac-address.ts';
import { findCollection, findMachine, refuseTakenMac } from './find.ts';
import { FleetFacts } from './fleet-facts.ts';
import {
  changeMachines,
  type MachinesChanged,
  requirePinnable,
  tellDataPlane,
} from './machine-changes.ts';
import { machineView } from './machine-view.ts';
import { refuseTooMuchPersonality } from './personality.ts';
import { changedSettings } from './settings.ts';
import { toldChanges } from './told-changes.ts';

/**
 * Changes what is given and leaves the rest. Another vDisk, also one that another collection says, means
 * another, empty overlay, and drops the machine's pin.
 * @throws Fault INVALID_INPUT, NOT_FOUND, ALREADY_EXISTS, LIMIT_EXCEEDED (personality data), IN_USE
 *   (another vDisk while it is up or at the cost of a persistent write cache; a version that cannot be
 *   pinned to)
 */
export async function updateMachine(
  control: Control,
  name: string,
  input: UpdateMachineInput,
): Promise<MachineView> {
  const [view] = await update(control, () => [findMachine(control.catalog, name)], input);
  if (view === undefined) throw new Fault('INTERNAL', `the change of ${name} was lost`);
  return view;
}

/**
 * The same for many machines, all or none.
 * @returns them, by name
 * @throws Fault as updateMachine; LIMIT_EXCEEDED: too many machines
 */
export function updateMachines(
  control: Control,
  input: UpdateMachinesInput,
): Promise<readonly MachineView[]> {
  return update(control, () => selected(control, input), input.change);
}

function selected(
  { catalog }: Control,
  { machines, collection }: UpdateMachinesInput,
): readonly MachineRecord[] {
  if ((machines === undefined) === (collection === undefined)) {
    throw new Fault('INVALID_INPUT', 'either machines or a collection has to be given', {
      field: 'machines',
      expected: 'names of machines, or the name of a collection for all of its machines',
    });
  }
  const wanted =
    collection === undefined
      ? [...new Set(machines)].sort().map((name) => findMachine(catalog, name))
      : catalog.machines.ofCollection(findCollection(catalog, collection, 'collection').id);
  if (wanted.length <= MAX_MACHINES_PER_UPDATE) return wanted;
  throw new Fault('LIMIT_EXCEEDED', `${wanted.length} machines are too many for one change`, {
    field: 'machines',
    value: wanted.length,
    expected: `at most ${MAX_MACHINES_PER_UPDATE}, or a setting of their collection`,
  });
}

async function update(
  control: Control,
  select: () => readonly MachineRecord[],
  input: UpdateMachineInput,
): Promise<readonly MachineView[]> {
  const changed = control.change((record) => change(control, record, select(), input));
  await tellDataPlane(control, { ...changed, told: changed.machines });
  const facts = new FleetFacts(control, changed.machines.length === 1 ? 'one' : 'list');
  return changed.machines.map((machine) => machineView(control, machine, facts));
}

function change(
  control: Control,
  record: RecordEvent,
  before: readonly MachineRecord[],
  input: UpdateMachineInput,
): MachinesChanged {
  const { catalog } = control;
  const { discardCache = false, ...fields } = input;
  const givesPin = fields.pinnedVersion !== undefined;
  const changed = changeMachines(control, before, { of: 'machine', discardCache, givesPin }, () =>
    before.map((machine) => {
      const row = changedRow(control, machine, fields);
      refuseTakenMac(catalog, row.mac, machine.id);
      catalog.machines.update(row);
      return findMachine(catalog, machine.name);
    }),
  );
  if (typeof fields.pinnedVersion === 'number') {
    const vdisks = new Set(changed.machines.map(({ vdiskId }) => vdiskId));
    for (const vdiskId of vdisks) requirePinnable(control, vdiskId, fields.pinnedVersion);
  }
  const moved = new Set(changed.otherVdisk.map(({ id }) => id));
  for (const machine of changed.machines) {
    if (typeof fields.collection === 'string') refuseTooMuchPersonality(catalog, machine);
    record({
      kind: 'machine.changed',
      subject: `machine/${machine.name}`,
      message: `machine ${machine.name}: ${toldChanges(fields)}`,
      data: { ...fields, ...(moved.has(machine.id) ? { discardedCache: true } : {}) },
    });
  }
  return changed;
}

function changedRow(
  { catalog }: Control,
  machine: MachineRecord,
  input: Omit<UpdateMachineInput, 'discardCache'>,
): MachineRow {
  const { mac, collection, pinnedVersion, kernelArguments, ...settings } = input;
  const pin = pinnedVersion === undefined ? machine.pinnedVersion : (pinnedVersion ?? undefined);
  return {
    ...machine,
    mac: mac === undefined ? machine.mac : parseMac(mac, 'machine.mac'),
    collectionId:
      typeof collection === 'string'
        ? findCollection(catalog, collection, 'machine.collection').id
        : collection === null
          ? undefined
          : machine.collectionId,
    own: changedSettings(catalog, machine.own, settings, 'machine'),
    pinnedVersion: pin,
    kernelArguments:
      kernelArguments === undefined
        ? machine.kernelArguments
        : parseKernelArguments(kernelArguments, 'machine.kernelArguments'),
  };
}
