import type { Control } from '../control.ts';
import type { AddMachineInput, MachineView } from '../schemas/machine.ts';
import { parseKernelArguments } from '../values/kernel-arguments.ts';
import { parseMac } from '../values/mac-address.ts';
import { parseName } from '../values/name.ts';
import { findCollection } from './find.ts';
import { requirePinnable } from './machine-changes.ts';
import { machineView } from './machine-view.ts';
import { insertMachine } from './new-machine.ts';
import { newSettings } from './settings.ts';

/**
 * @throws Fault INVALID_INPUT, NOT_FOUND (the vDisk, the collection, the version), ALREADY_EXISTS,
 *   LIMIT_EXCEEDED, IN_USE (a version that cannot be pinned to)
 */
export function addMachine(control: Control, input: AddMachineInput): MachineView {
  const { catalog } = control;
  const { name, mac, collection, pinnedVersion, kernelArguments = '', ...settings } = input;
  const machine = control.change((record) => {
    const added = insertMachine(control, record, {
      name: parseName(name, 'machine.name'),
      mac: parseMac(mac, 'machine.mac'),
      collectionId:
        collection === undefined
          ? undefined
          : findCollection(catalog, collection, 'machine.collection').id,
      own: newSettings(catalog, settings, 'machine'),
      pinnedVersion,
      kernelArguments: parseKernelArguments(kernelArguments, 'machine.kernelArguments'),
      enrolment: 'added',
    });
    if (pinnedVersion !== undefined) requirePinnable(control, added.vdiskId, pinnedVersion);
    return added;
  });
  return machineView(control, machine);
}
