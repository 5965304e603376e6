import type { Control } from '../control.ts';
import type { AddMachineInput, MachineView } from '../schemas/machine.ts';
import { parseKernelArguments } from '../values/kernel-arguments.ts';
import { parseMac } from '../values/mac-address.ts';
import { parseName } from '../values/name.ts';
import { parseQuota } from '../values/quota.ts';
import { findVdisk } from './find.ts';
import { machineView } from './machine-view.ts';
import { insertMachine } from './new-machine.ts';

/** @throws Fault INVALID_INPUT, NOT_FOUND (the vDisk), ALREADY_EXISTS, LIMIT_EXCEEDED */
export function addMachine(control: Control, input: AddMachineInput): MachineView {
  const name = parseName(input.name, 'machine.name');
  const mac = parseMac(input.mac, 'machine.mac');
  const quotaBytes =
    input.quota === undefined ? undefined : (parseQuota(input.quota, 'machine.quota') ?? null);
  const kernelArguments = parseKernelArguments(
    input.kernelArguments ?? '',
    'machine.kernelArguments',
  );
  const machine = control.change((record) =>
    insertMachine(control, record, {
      name,
      mac,
      collectionId: undefined,
      own: {
        vdiskId: findVdisk(control.catalog, input.vdisk, 'machine.vdisk').id,
        class: undefined,
        cacheMode: input.cacheMode,
        quotaBytes,
        onNewVersion: undefined,
        enabled: input.enabled,
      },
      pinnedVersion: undefined,
      kernelArguments,
      enrolment: 'added',
    }),
  );
  return machineView(control, machine);
}
