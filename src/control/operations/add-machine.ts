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
  const quotaBytes = parseQuota(input.quota ?? null, 'machine.quota');
  const kernelArguments = parseKernelArguments(
    input.kernelArguments ?? '',
    'machine.kernelArguments',
  );
  const machine = control.change((record) =>
    insertMachine(control, record, {
      name,
      mac,
      vdisk: findVdisk(control.catalog, input.vdisk, 'machine.vdisk'),
      cacheMode: input.cacheMode ?? 'server',
      quotaBytes,
      kernelArguments,
      enabled: input.enabled ?? true,
      enrolment: 'added',
    }),
  );
  return machineView(control, machine);
}
