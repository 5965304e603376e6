/**
 * Whose overlay a machine's disk is: its own, or that of the version in maintenance that it writes. What
 * a boot has decided holds until the next one; a machine that connects without having booted here (over
 * plain NBD) is decided on when its disk is made.
 */
import {
  type Catalog,
  type Clock,
  type DataPlane,
  isDeviceCache,
  type MachineDisk,
  machineDisk,
  maintain,
  type OpenVersion,
  writeLock,
} from '../control/index.ts';
import { Fault } from '../errors/index.ts';
import { MACHINE, noExport } from './export-names.ts';
import type { OverlayBook, OverlayOwner } from './overlay-book.ts';

export interface MachineOwner extends OverlayOwner {
  readonly machineId: string;
  readonly vdiskId: string;
  readonly vdiskName: string;
  /** For who writes a version: whether somebody else does by now, or nobody can any more. */
  readonly token: { isStale(): boolean } | undefined;
}

export interface OwnerParts {
  readonly catalog: Catalog;
  readonly overlays: Pick<OverlayBook, 'facts'>;
  readonly dataPlane: Pick<DataPlane, 'machineLive' | 'endConnections'>;
  readonly clock: Clock;
  readonly leaseMs: number;
}

/**
 * @throws Fault EXPORT_NOT_FOUND, PERMISSION_DENIED (disabled; shut out from what it wrote), UNAVAILABLE
 *   (nothing is in production), IN_USE (another machine writes the version)
 */
export async function ownerToOpen(parts: OwnerParts, exportName: string): Promise<MachineOwner> {
  const { catalog, overlays, clock } = parts;
  const disk = machineDisk(catalog, exportName.slice(MACHINE.length), clock.now());
  if (disk === undefined) throw noExport(exportName);
  if (!disk.enabled) {
    throw new Fault('PERMISSION_DENIED', `machine ${disk.machineName} is disabled`);
  }
  if (disk.maintains !== undefined) return writerOf(catalog, disk, disk.maintains);
  const own = overlays.facts(disk.machineId);
  if (own !== undefined && disk.layerIds.has(own.layerId)) return cacheOf(disk, own.layerId);
  const { choice, deviceCache } = disk;
  if (deviceCache !== undefined) return cacheOf(disk, deviceCache.layerId);
  switch (choice.kind) {
    case 'none':
      throw new Fault('UNAVAILABLE', choice.reason);
    case 'sealed':
      return cacheOf(disk, choice.version.layerId);
    case 'open': {
      const machine = catalog.machines.byId(disk.machineId);
      if (machine === undefined) throw noExport(exportName);
      await maintain(parts, machine, choice.version);
      return writerOf(catalog, disk, choice.version.id);
    }
  }
}

/** What a machine reads that writes to itself. */
export interface ReadOnlyDisk {
  readonly machineId: string;
  readonly vdiskId: string;
  readonly vdiskName: string;
  readonly layerId: string;
}

/**
 * What the last boot has decided holds; one that never booted here reads what it would boot.
 * @returns undefined: it writes here, or there is nothing that it could read (ownerToOpen says why)
 */
export function readOnlyDisk(
  { catalog, overlays, clock }: Pick<OwnerParts, 'catalog' | 'overlays' | 'clock'>,
  exportName: string,
): ReadOnlyDisk | undefined {
  const disk = machineDisk(catalog, exportName.slice(MACHINE.length), clock.now());
  if (disk === undefined || !disk.enabled || disk.maintains !== undefined) return undefined;
  const { machineId, vdiskId, vdiskName, deviceCache, choice } = disk;
  const names = { machineId, vdiskId, vdiskName };
  if (deviceCache !== undefined) {
    return deviceCache.fellBack ? undefined : { ...names, layerId: deviceCache.layerId };
  }
  if (!isDeviceCache(disk.cacheMode) || choice.kind !== 'sealed') return undefined;
  // It booted before its mode was changed: what it has written is still its disk.
  if (overlays.facts(machineId) !== undefined) return undefined;
  return { ...names, layerId: choice.version.layerId };
}

/** Whether there is such a machine, which writes here, or such a version in maintenance. */
export function mayOwn(
  parts: Pick<OwnerParts, 'catalog' | 'overlays' | 'clock'>,
  { ownerId, machineId }: MachineOwner,
  exportName: string,
): boolean {
  const { machines, versions } = parts.catalog;
  return ownerId === machineId
    ? machines.byId(machineId) !== undefined && readOnlyDisk(parts, exportName) === undefined
    : versions.byId(ownerId)?.state === 'maintenance';
}

/** What a fresh overlay of the machine itself stands on; undefined: it is to have none. */
export function ownerToRenew(disk: MachineDisk): OverlayOwner | undefined {
  const { choice, cacheMode } = disk;
  return choice.kind === 'sealed' && !isDeviceCache(cacheMode)
    ? cacheOf(disk, choice.version.layerId)
    : undefined;
}

/** Everybody who may have an overlay, with names for the log. */
export function listOwners(catalog: Catalog): (OverlayOwner & { readonly name: string })[] {
  const vdisks = catalog.vdisks.all();
  const layerIds = new Map(vdisks.map(({ id }) => [id, catalog.layers.namesInVdisk(id)]));
  const machines = catalog.machines.all().map(({ id, name, vdiskId, quotaBytes }) => ({
    name: `${MACHINE}${name}`,
    ownerId: id,
    layerId: '',
    layerIds: layerIds.get(vdiskId) ?? new Set<string>(),
    quotaBytes,
  }));
  const writers = catalog.versions.inMaintenance().map((version) => ({
    name: `version/${version.id}`,
    ...writtenOverlay(catalog, version),
  }));
  return [...machines, ...writers];
}

function cacheOf(disk: MachineDisk, layerId: string): MachineOwner {
  const { machineId, vdiskId, vdiskName, layerIds, quotaBytes } = disk;
  return {
    repositoryId: disk.overlayRepositoryId,
    ...{ machineId, vdiskId, vdiskName, layerIds, quotaBytes, layerId },
    ownerId: machineId,
    token: undefined,
  };
}

function writerOf(catalog: Catalog, disk: MachineDisk, versionId: string): MachineOwner {
  const { machineId, machineName, vdiskId, vdiskName } = disk;
  const version = catalog.versions.byId(versionId);
  if (version?.state !== 'maintenance') {
    throw new Fault(
      'PERMISSION_DENIED',
      `what ${machineName} wrote is sealed or discarded; boot it again`,
    );
  }
  const name = writeLock(versionId);
  const lock = catalog.locks.byName(name);
  if (lock?.holder !== machineId) {
    const message = `another machine writes version ${version.number} of ${vdiskName}; boot ${machineName} again`;
    throw new Fault('PERMISSION_DENIED', message);
  }
  return {
    ...{ machineId, vdiskId, vdiskName },
    ...writtenOverlay(catalog, version),
    token: {
      isStale: () =>
        catalog.locks.byName(name)?.token !== lock.token ||
        catalog.versions.byId(versionId)?.state !== 'maintenance',
    },
  };
}

function writtenOverlay(
  catalog: Catalog,
  { id, vdiskId, baseLayerId: layerId }: OpenVersion,
): OverlayOwner {
  const layerIds = new Set([layerId, ...catalog.layers.aliasesOf(layerId)]);
  const repositoryId = catalog.vdisks.byId(vdiskId)?.overlayRepositoryId;
  return { ownerId: id, layerId, layerIds, quotaBytes: undefined, repositoryId };
}
