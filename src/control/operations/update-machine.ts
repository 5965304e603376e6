import { Fault } from '../../errors/index.ts';
import type { MachineRecord, MachineRow } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import type { MachineView, UpdateMachineInput } from '../schemas/machine.ts';
import { parseKernelArguments } from '../values/kernel-arguments.ts';
import { parseMac } from '../values/mac-address.ts';
import { parseQuota } from '../values/quota.ts';
import { stopMaintaining } from '../versions/maintain.ts';
import { findMachine, findVdisk, refuseTakenMac } from './find.ts';
import { machineState, machineView } from './machine-view.ts';

/**
 * Changes what is given and leaves the rest. Another vDisk means another, empty overlay: the old
 * one's blocks belong to the old disk.
 * @throws Fault INVALID_INPUT, NOT_FOUND, ALREADY_EXISTS, IN_USE (another vDisk while it is up, or
 *   at the cost of a persistent write cache)
 */
export async function updateMachine(
  control: Control,
  name: string,
  input: UpdateMachineInput,
): Promise<MachineView> {
  const { changed, otherVdisk } = control.change((record) => {
    const machine = findMachine(control.catalog, name);
    const row = changedRow(control, machine, input);
    refuseTakenMac(control.catalog, row.mac, machine.id);
    control.catalog.machines.update(row);
    const changed = findMachine(control.catalog, name);
    const otherVdisk = changed.vdiskId !== machine.vdiskId;
    if (otherVdisk) {
      refuseWhileItMatters(control, machine, input.discardCache ?? false);
      stopMaintaining(control.catalog, machine);
    }
    const { discardCache: _, ...fields } = input;
    record({
      kind: 'machine.changed',
      subject: `machine/${name}`,
      message: `machine ${name}: ${Object.keys(fields).join(', ') || 'nothing'} changed`,
      data: fields,
    });
    return { changed, otherVdisk };
  });
  if (otherVdisk) await control.dataPlane.renewOverlay(changed.id);
  await control.dataPlane.machineChanged(changed.id);
  return machineView(control, changed);
}

function changedRow(
  control: Control,
  machine: MachineRecord,
  input: UpdateMachineInput,
): MachineRow {
  const { mac, vdisk, cacheMode, quota, kernelArguments, enabled } = input;
  return {
    ...machine,
    mac: mac === undefined ? machine.mac : parseMac(mac, 'machine.mac'),
    own: {
      ...machine.own,
      vdiskId:
        vdisk === undefined
          ? machine.own.vdiskId
          : findVdisk(control.catalog, vdisk, 'machine.vdisk').id,
      cacheMode: cacheMode ?? machine.own.cacheMode,
      quotaBytes:
        quota === undefined ? machine.own.quotaBytes : (parseQuota(quota, 'machine.quota') ?? null),
      enabled: enabled ?? machine.own.enabled,
    },
    kernelArguments:
      kernelArguments === undefined
        ? machine.kernelArguments
        : parseKernelArguments(kernelArguments, 'machine.kernelArguments'),
  };
}

/** A machine that is up and reconnects must find the disk it booted from. */
function refuseWhileItMatters(control: Control, machine: MachineRecord, discard: boolean): void {
  const live = control.dataPlane.machineLive(machine.id);
  const state = machineState(live.connections.length, control.catalog.boots.last(machine.id));
  if (state !== 'off') {
    throw new Fault('IN_USE', `machine ${machine.name} is ${state}; turn it off first`, {
      field: 'machine.vdisk',
      value: state,
      expected: 'a machine that is off',
    });
  }
  if (machine.cacheMode === 'server-persistent' && live.cacheUsedBytes > 0 && !discard) {
    throw new Fault(
      'IN_USE',
      `machine ${machine.name} keeps ${live.cacheUsedBytes} bytes of its own, which another vDisk would discard`,
      {
        field: 'machine.discardCache',
        value: discard,
        expected: 'true (--discard-cache) to discard them',
      },
    );
  }
}
