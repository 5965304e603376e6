import { Fault } from '../../errors/index.ts';
import { endBoot } from '../boots/end-boot.ts';
import type { MachineRecord, VdiskRecord, VersionRecord } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import { MAX_BOOTS_PER_MACHINE } from '../limits.ts';
import type { BootFileNames, CacheMode } from '../ports.ts';
import { parseMac } from '../values/mac-address.ts';
import { machineExport } from './machine-view.ts';

/** Everything that the script of one boot needs. */
export interface BootPlan {
  readonly bootId: number;
  readonly machineId: string;
  readonly machineName: string;
  readonly mac: string;
  readonly vdiskName: string;
  readonly version: number;
  readonly layerId: string;
  /** Bytes of the disk. */
  readonly size: number;
  /** NBD export name. */
  readonly exportName: string;
  readonly cacheMode: CacheMode;
  readonly bootFiles: BootFileNames;
  /** The vDisk's, then the machine's. */
  readonly kernelArguments: string;
}

/**
 * The machine fetched its boot script: this is a boot. A `server` machine gets a fresh overlay.
 * @throws Fault INVALID_INPUT, NOT_FOUND (unknown machine), PERMISSION_DENIED (disabled),
 *   IMAGE_UNSUPPORTED (the vDisk has no kernel), and what DataPlane.renewOverlay throws
 */
export async function requestBoot(control: Control, macText: string): Promise<BootPlan> {
  const { machine, vdisk, version } = whatToBoot(control, parseMac(macText, 'mac'));
  const startedAt = control.clock.now();
  if (machine.cacheMode === 'server') {
    await control.dataPlane.renewOverlay(machine.id);
    control.fullCaches.delete(machine.id);
  }
  const bootId = control.change((record) => {
    // While the overlay was renewed the machine may have been deleted or given another vDisk.
    const current = control.catalog.machines.byId(machine.id);
    if (current?.vdiskId !== machine.vdiskId) {
      throw new Fault('UNAVAILABLE', `machine ${machine.name} changed while it booted`);
    }
    const { boots } = control.catalog;
    const last = boots.last(machine.id);
    if (last !== undefined && last.ended === undefined) {
      endBoot(control, record, last, 'superseded', startedAt, undefined);
    }
    const id = boots.insert(machine.id, vdisk.name, version.number, startedAt);
    boots.prune(machine.id, MAX_BOOTS_PER_MACHINE);
    record({
      kind: 'boot.started',
      subject: `machine/${machine.name}`,
      message: `${machine.name} boots ${vdisk.name} version ${version.number}`,
      data: { vdisk: vdisk.name, version: version.number, cacheMode: machine.cacheMode },
    });
    return id;
  });
  return {
    bootId,
    machineId: machine.id,
    machineName: machine.name,
    mac: machine.mac,
    vdiskName: vdisk.name,
    version: version.number,
    layerId: version.layerId,
    size: version.size,
    exportName: machineExport(machine.name),
    cacheMode: machine.cacheMode,
    bootFiles: version.bootFiles,
    kernelArguments: [version.kernelArguments, machine.kernelArguments]
      .filter((words) => words !== '')
      .join(' '),
  };
}

interface Bootable {
  readonly machine: MachineRecord;
  readonly vdisk: VdiskRecord;
  readonly version: VersionRecord;
}

function whatToBoot({ catalog }: Control, mac: string): Bootable {
  const machine = catalog.machines.byMac(mac);
  const vdisk = machine === undefined ? undefined : catalog.vdisks.byId(machine.vdiskId);
  const version = vdisk === undefined ? undefined : catalog.versions.production(vdisk.id);
  if (machine === undefined || vdisk === undefined || version === undefined) {
    throw new Fault('NOT_FOUND', `no machine has the MAC address ${mac}`, {
      field: 'mac',
      value: mac,
      expected: 'the address of a machine',
    });
  }
  if (!machine.enabled) {
    throw new Fault('PERMISSION_DENIED', `machine ${machine.name} is disabled`, {
      field: 'machine.enabled',
      value: false,
      expected: 'true (rootcast machine set --enable)',
    });
  }
  if (version.bootFiles.kernel === undefined) {
    throw new Fault('IMAGE_UNSUPPORTED', `no kernel was found in vDisk ${vdisk.name}`, {
      field: 'vdisk.kernel',
      value: vdisk.name,
      expected: 'a vDisk imported with --kernel and --initrd',
    });
  }
  return { machine, vdisk, version };
}
