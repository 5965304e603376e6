import { Fault } from '../../errors/index.ts';
import { endBoot } from '../boots/end-boot.ts';
import { readVersionAhead, recordBoot } from '../boots/traces.ts';
import { beginCache, type DeviceCachePlan } from '../caches/begin-cache.ts';
import {
  type BootStage,
  isSealed,
  type MachineRecord,
  type OpenVersion,
  type SealedVersion,
  type VdiskRecord,
  type VersionRecord,
} from '../catalog/records.ts';
import type { Control, RecordEvent } from '../control.ts';
import { MAX_BOOTS_PER_MACHINE } from '../limits.ts';
import type { BootFileNames, CacheMode } from '../ports.ts';
import { refuseOverlayAway } from '../storage/refuse-overlays.ts';
import { parseMac } from '../values/mac-address.ts';
import { maintain, stopMaintaining } from '../versions/maintain.ts';
import { versionSubject } from '../versions/situation.ts';
import { type VersionChoice, whichVersion } from '../versions/which-version.ts';
import { machineExport } from './machine-view.ts';

/** Everything that the script of one boot needs. */
export interface BootPlan {
  readonly bootId: number;
  readonly machineId: string;
  readonly machineName: string;
  readonly mac: string;
  readonly vdiskName: string;
  readonly version: number;
  /** The layer whose kernel and initrd it boots. */
  readonly layerId: string;
  /** Bytes of the disk. */
  readonly size: number;
  /** NBD export name. */
  readonly exportName: string;
  readonly cacheMode: CacheMode;
  /** undefined: its write cache is the server's. */
  readonly deviceCache: DeviceCachePlan | undefined;
  /** It writes the version itself. */
  readonly maintenance: boolean;
  readonly bootFiles: BootFileNames;
  /** The version's, then the collection's, then the machine's. */
  readonly kernelArguments: string;
}

/**
 * The machine fetched its boot script: this is a boot, and decides what it reads until the next one. A
 * `server` machine gets a fresh overlay, a machine in maintenance the lock of its version.
 * @throws Fault INVALID_INPUT, NOT_FOUND (unknown machine), PERMISSION_DENIED (disabled), IN_USE (another
 *   machine writes the version), UNAVAILABLE (nothing is in production; the write cache is in a repository that
 *   is away), IMAGE_UNSUPPORTED (there is no kernel), and what DataPlane.renewOverlay throws
 */
export async function requestBoot(control: Control, macText: string): Promise<BootPlan> {
  const booting = whoBoots(control, parseMac(macText, 'mac'));
  const { machine, vdisk } = booting;
  const startedAt = control.clock.now();
  const { version, isFresh } = await prepareDisk(control, booting).catch((error: unknown) => {
    refuseChanged(control, booting);
    throw error;
  });
  const { bootId, deviceCache } = control.change((record) => {
    refuseChanged(control, booting);
    const deviceCache = beginCache(control, machine, version);
    return { deviceCache, bootId: beginBoot(control, record, machine, vdisk, version, startedAt) };
  });
  recordBoot(control, { machineId: machine.id, bootId, isFresh }, version);
  if (isSealed(version)) readVersionAhead(control, version, booting.versions);
  const { catalog } = control;
  const isOpen = version.state === 'maintenance';
  const collection =
    machine.collectionId === undefined ? undefined : catalog.collections.byId(machine.collectionId);
  return {
    bootId,
    machineId: machine.id,
    machineName: machine.name,
    mac: machine.mac,
    vdiskName: vdisk.name,
    version: version.number,
    layerId: isOpen ? catalog.layers.resolve(version.baseLayerId) : version.layerId,
    size: version.size,
    exportName: machineExport(machine.name),
    cacheMode: machine.cacheMode,
    deviceCache,
    maintenance: isOpen,
    bootFiles: version.bootFiles,
    kernelArguments: [
      version.kernelArguments,
      collection?.kernelArguments ?? '',
      machine.kernelArguments,
    ]
      .filter((words) => words !== '')
      .join(' '),
  };
}

interface Booting {
  readonly machine: MachineRecord;
  readonly vdisk: VdiskRecord;
  readonly versions: readonly VersionRecord[];
  readonly choice: VersionChoice;
}

function whoBoots({ catalog, clock }: Control, mac: string): Booting {
  const machine = catalog.machines.byMac(mac);
  const vdisk = machine === undefined ? undefined : catalog.vdisks.byId(machine.vdiskId);
  if (machine === undefined || vdisk === undefined) {
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
  const versions = catalog.versions.ofVdisk(vdisk.id);
  return { machine, vdisk, versions, choice: whichVersion(machine, vdisk, versions, clock.now()) };
}

/**
 * While the disk was prepared the machine may have been deleted or given another vDisk, and the version deleted.
 * @throws Fault UNAVAILABLE
 */
function refuseChanged({ catalog }: Control, { machine, choice }: Booting): void {
  const isSame = catalog.machines.byId(machine.id)?.vdiskId === machine.vdiskId;
  if (!isSame) throw new Fault('UNAVAILABLE', `machine ${machine.name} changed while it booted`);
  if (choice.kind === 'none' || catalog.versions.byId(choice.version.id) !== undefined) return;
  const { number } = choice.version;
  throw new Fault('UNAVAILABLE', `version ${number} was deleted while ${machine.name} booted it`);
}

interface Prepared {
  readonly version: VersionRecord;
  /** Its write cache is empty. */
  readonly isFresh: boolean;
}

/** What the machine reads from now on is there when this settles. */
async function prepareDisk(control: Control, booting: Booting): Promise<Prepared> {
  const { machine, vdisk, choice } = booting;
  switch (choice.kind) {
    case 'none':
      throw new Fault('UNAVAILABLE', choice.reason, {
        field: 'vdisk.production',
        value: null,
        expected: 'a version in production (rootcast version promote)',
      });
    case 'open': {
      requireKernel(vdisk, choice.version);
      refuseSealing(control, vdisk, choice.version);
      refuseOverlayAway(control, choice.version.id);
      const { catalog, dataPlane, clock, maintenanceLeaseMs: leaseMs } = control;
      await maintain({ catalog, dataPlane, clock, leaseMs }, machine, choice.version);
      return { version: choice.version, isFresh: false };
    }
    case 'sealed': {
      const version = keptVersion(control, booting, choice.version);
      requireKernel(vdisk, version);
      // One that writes to itself gets none: when it falls back, there is none that another boot has written to.
      const isFresh =
        machine.cacheMode !== 'server-persistent' || !keepsCache(control, machine, version);
      if (!isFresh) refuseOverlayAway(control, machine.id);
      control.catalog.transaction(() => stopMaintaining(control.catalog, machine));
      if (isFresh) {
        await control.dataPlane.renewOverlay(machine.id);
        control.fullCaches.delete(machine.id);
      }
      return { version, isFresh };
    }
  }
}

/** A persistent cache stands on one version for good; its machine stays there, or gives the cache up. */
function keptVersion(
  { catalog, dataPlane }: Control,
  { machine, versions }: Booting,
  chosen: SealedVersion,
): SealedVersion {
  const isKept = machine.cacheMode === 'server-persistent' && machine.onNewVersion === 'keep';
  if (!isKept) return chosen;
  const overlay = dataPlane.overlay(machine.id);
  if (overlay === undefined) return chosen;
  const layerId = catalog.layers.resolve(overlay.layerId);
  const kept = versions.find((one) => one.state !== 'maintenance' && one.layerId === layerId);
  return kept?.state === undefined || kept.state === 'maintenance' ? chosen : kept;
}

/** A persistent cache on the version to boot. Where there is none yet, one is made: it holds the version. */
function keepsCache(
  { catalog, dataPlane }: Control,
  machine: MachineRecord,
  to: SealedVersion,
): boolean {
  const overlay = dataPlane.overlay(machine.id);
  return overlay !== undefined && catalog.layers.resolve(overlay.layerId) === to.layerId;
}

/** Its disk would be refused when the seal has ended. */
function refuseSealing({ tasks }: Control, vdisk: VdiskRecord, { number }: OpenVersion): void {
  if (!tasks.isRunning('version.seal', versionSubject(vdisk.name, number))) return;
  throw new Fault('IN_USE', `version ${number} of ${vdisk.name} is being sealed`, {
    field: 'version.number',
    value: number,
    expected: 'a version that no task works on',
  });
}

function requireKernel(vdisk: VdiskRecord, version: VersionRecord): void {
  if (version.bootFiles.kernel !== undefined) return;
  throw new Fault(
    'IMAGE_UNSUPPORTED',
    `vDisk ${vdisk.name} has no kernel that can be booted over PXE`,
    {
      field: 'vdisk.kernel',
      value: null,
      expected: 'an image with /boot/vmlinuz…, or an import with --kernel and --initrd',
    },
  );
}

function beginBoot(
  control: Control,
  record: RecordEvent,
  machine: MachineRecord,
  vdisk: VdiskRecord,
  version: VersionRecord,
  startedAt: number,
): number {
  const { boots } = control.catalog;
  const last = boots.last(machine.id);
  if (last !== undefined && last.ended === undefined) {
    endBoot(control, record, last, 'superseded', startedAt, undefined);
  }
  const id = boots.insert(machine.id, vdisk.name, version.number, startedAt);
  boots.prune(machine.id, MAX_BOOTS_PER_MACHINE);
  control.catalog.bootQueue.delete(machine.id);
  for (const [stage, at] of before(control, machine)) boots.stage(id, stage, at);
  const how = version.state === 'maintenance' ? ', which it writes' : '';
  record({
    kind: 'boot.started',
    subject: `machine/${machine.name}`,
    message: `${machine.name} boots ${vdisk.name} version ${version.number}${how}`,
    data: { vdisk: vdisk.name, version: version.number, cacheMode: machine.cacheMode },
  });
  return id;
}

/** Stages that the machine had behind it when it was let boot. */
function before(control: Control, { id, mac }: MachineRecord): readonly [BootStage, number][] {
  const { dhcp, loader } = control.preludes.take(mac, control.clock.now());
  const { queuedAt, admittedAt } = control.admission.grantOf(id) ?? {};
  const admitted = queuedAt === undefined ? undefined : admittedAt;
  const stages: readonly (readonly [BootStage, number | undefined])[] = [
    ['dhcp', dhcp],
    ['loader', loader],
    ['queued', queuedAt],
    ['admitted', admitted],
  ];
  return stages.flatMap(([stage, at]) => (at === undefined ? [] : [[stage, at]]));
}
