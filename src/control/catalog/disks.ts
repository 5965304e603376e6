/** What an export name stands for. Asked at every open: nothing here is remembered. */
import type { CacheMode } from '../ports.ts';
import type { Catalog } from './catalog.ts';
import type { MachineRecord, VdiskRecord } from './records.ts';

/** The production version of a vDisk. */
export interface VdiskDisk {
  readonly vdiskId: string;
  readonly vdiskName: string;
  readonly description: string;
  readonly version: number;
  readonly layerId: string;
  /** Bytes. */
  readonly size: number;
}

/** A machine's disk: the version it reads from, and the rules of its overlay. */
export interface MachineDisk extends VdiskDisk {
  readonly machineId: string;
  readonly machineName: string;
  readonly cacheMode: CacheMode;
  readonly quotaBytes: number | undefined;
  readonly enabled: boolean;
  /** Layers of every version of its vDisk. */
  readonly layerIds: readonly string[];
}

export function vdiskDisk(catalog: Catalog, vdiskName: string): VdiskDisk | undefined {
  const vdisk = catalog.vdisks.byName(vdiskName);
  return vdisk === undefined ? undefined : diskOfVdisk(catalog, vdisk);
}

export function listVdiskDisks(catalog: Catalog): readonly VdiskDisk[] {
  return catalog.vdisks.all().flatMap((vdisk) => diskOfVdisk(catalog, vdisk) ?? []);
}

export function machineDisk(catalog: Catalog, machineName: string): MachineDisk | undefined {
  const machine = catalog.machines.byName(machineName);
  return machine === undefined ? undefined : diskOfMachine(catalog, machine);
}

export function machineDiskById(catalog: Catalog, machineId: string): MachineDisk | undefined {
  const machine = catalog.machines.byId(machineId);
  return machine === undefined ? undefined : diskOfMachine(catalog, machine);
}

export function listMachineDisks(catalog: Catalog): readonly MachineDisk[] {
  return catalog.machines.all().flatMap((machine) => diskOfMachine(catalog, machine) ?? []);
}

/** Layers that some version is made of; any other layer in the repository is left from a crash. */
export function layersInUse(catalog: Catalog): readonly string[] {
  return catalog.versions.layerIds();
}

export function machineIds(catalog: Catalog): readonly string[] {
  return catalog.machines.all().map((machine) => machine.id);
}

function diskOfVdisk(catalog: Catalog, vdisk: VdiskRecord): VdiskDisk | undefined {
  const version = catalog.versions.production(vdisk.id);
  if (version === undefined) return undefined;
  return {
    vdiskId: vdisk.id,
    vdiskName: vdisk.name,
    description: vdisk.description,
    version: version.number,
    layerId: version.layerId,
    size: version.size,
  };
}

function diskOfMachine(catalog: Catalog, machine: MachineRecord): MachineDisk | undefined {
  const vdisk = catalog.vdisks.byId(machine.vdiskId);
  const disk = vdisk === undefined ? undefined : diskOfVdisk(catalog, vdisk);
  if (disk === undefined) return undefined;
  return {
    ...disk,
    machineId: machine.id,
    machineName: machine.name,
    cacheMode: machine.cacheMode,
    quotaBytes: machine.quotaBytes,
    enabled: machine.enabled,
    layerIds: catalog.versions.ofVdisk(disk.vdiskId).map(({ layerId }) => layerId),
  };
}
