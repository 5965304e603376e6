/** What an export name stands for. Asked at every open: nothing here is remembered. */
import type { CacheMode } from '../ports.ts';
import { productionVersion, type VersionChoice, whichVersion } from '../versions/which-version.ts';
import type { Catalog } from './catalog.ts';
import type { MachineRecord, SealedVersion, VdiskRecord, VersionRecord } from './records.ts';

/** What production machines read, for whoever wants to look at it. */
export interface VdiskDisk {
  readonly vdiskId: string;
  readonly vdiskName: string;
  readonly description: string;
  readonly version: number;
  readonly layerId: string;
  /** Bytes. */
  readonly size: number;
}

/** A machine's disk: what it would boot now, and the rules of its overlay. */
export interface MachineDisk {
  readonly machineId: string;
  readonly machineName: string;
  readonly vdiskId: string;
  readonly vdiskName: string;
  readonly cacheMode: CacheMode;
  readonly quotaBytes: number | undefined;
  readonly enabled: boolean;
  /** Where a fresh overlay of it is made; undefined: in the service's own repository. */
  readonly overlayRepositoryId: string | undefined;
  /** What a fresh disk of it would be made of. */
  readonly choice: VersionChoice;
  /** The version in maintenance that it booted last (an id); undefined: its disk is its own overlay. */
  readonly maintains: string | undefined;
  /** Since a boot with a write cache on the machine; undefined: its last boot was none. */
  readonly deviceCache: { readonly layerId: string; readonly fellBack: boolean } | undefined;
  /** Layers that an overlay of it may stand on: those of every version of its vDisk, also replaced ones. */
  readonly layerIds: ReadonlySet<string>;
}

/** @returns undefined: there is no such vDisk, or nothing of it is in production */
export function vdiskDisk(catalog: Catalog, name: string, now: number): VdiskDisk | undefined {
  const vdisk = catalog.vdisks.byName(name);
  return vdisk === undefined
    ? undefined
    : diskOfVdisk(vdisk, catalog.versions.ofVdisk(vdisk.id), now);
}

/** @returns undefined: there is no such version, or it is in maintenance */
export function versionDisk(catalog: Catalog, name: string, number: number): VdiskDisk | undefined {
  const vdisk = catalog.vdisks.byName(name);
  const version = vdisk && catalog.versions.byNumber(vdisk.id, number);
  return vdisk === undefined || version === undefined || version.state === 'maintenance'
    ? undefined
    : diskOfVersion(vdisk, version);
}

export function listVdiskDisks(catalog: Catalog, now: number): readonly VdiskDisk[] {
  const versions = catalog.versions.allByVdisk();
  return catalog.vdisks
    .all()
    .flatMap((vdisk) => diskOfVdisk(vdisk, versions.get(vdisk.id) ?? [], now) ?? []);
}

export function machineDisk(catalog: Catalog, name: string, now: number): MachineDisk | undefined {
  const machine = catalog.machines.byName(name);
  return machine === undefined ? undefined : diskOfMachine(catalog, machine, now);
}

export function machineDiskById(
  catalog: Catalog,
  id: string,
  now: number,
): MachineDisk | undefined {
  const machine = catalog.machines.byId(id);
  return machine === undefined ? undefined : diskOfMachine(catalog, machine, now);
}

/** The ids of whatever may have an overlay: machines, and versions in maintenance. */
export function overlayOwners(catalog: Catalog): ReadonlySet<string> {
  return new Set([
    ...catalog.machines.all().map((machine) => machine.id),
    ...catalog.versions.inMaintenance().map((version) => version.id),
  ]);
}

/** Volumes that are no overlays any more: of sealed layers, and of those that are being removed. */
export function layerVolumes(catalog: Catalog): ReadonlySet<string> {
  const removed = catalog.removals.all().filter((removal) => removal.kind === 'layer');
  return new Set([...catalog.layers.all(), ...removed].map(({ volumeId }) => volumeId));
}

function diskOfVdisk(
  vdisk: VdiskRecord,
  versions: readonly VersionRecord[],
  now: number,
): VdiskDisk | undefined {
  const choice = productionVersion(vdisk, versions, now);
  return choice.kind === 'none' ? undefined : diskOfVersion(vdisk, choice.version);
}

function diskOfVersion(vdisk: VdiskRecord, version: SealedVersion): VdiskDisk {
  const { number, layerId, size } = version;
  const { id: vdiskId, name: vdiskName, description } = vdisk;
  return { vdiskId, vdiskName, description, version: number, layerId, size };
}

function diskOfMachine(
  catalog: Catalog,
  machine: MachineRecord,
  now: number,
): MachineDisk | undefined {
  const vdisk = catalog.vdisks.byId(machine.vdiskId);
  if (vdisk === undefined) return undefined;
  const versions = catalog.versions.ofVdisk(vdisk.id);
  const { maintains } = machine;
  // One of another vDisk, which was the machine's when it booted last, is its disk no more.
  const written = maintains === undefined ? undefined : catalog.versions.byId(maintains);
  const cache = catalog.machineCaches.of(machine.id);
  const isOther = written !== undefined && written.vdiskId !== vdisk.id;
  return {
    machineId: machine.id,
    machineName: machine.name,
    vdiskId: vdisk.id,
    vdiskName: vdisk.name,
    cacheMode: machine.cacheMode,
    quotaBytes: machine.quotaBytes,
    enabled: machine.enabled,
    overlayRepositoryId: vdisk.overlayRepositoryId,
    choice: whichVersion(machine, vdisk, versions, now),
    maintains: isOther ? undefined : maintains,
    deviceCache: cache && {
      layerId: catalog.layers.resolve(cache.layerId),
      fellBack: cache.got === 'server',
    },
    layerIds: catalog.layers.namesInVdisk(vdisk.id),
  };
}
