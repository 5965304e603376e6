import { stepsOf } from '../boots/steps-of.ts';
import type { BootRecord, MachineCacheRecord, MachineRecord } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import type { MachineLive } from '../ports.ts';
import type { BootView, MACHINE_STATES, MachineView } from '../schemas/machine.ts';
import type { VersionChoice } from '../versions/which-version.ts';
import { FleetFacts } from './fleet-facts.ts';
import { sshHostKeyLines } from './identity.ts';
import { settingsView } from './settings.ts';
import { iso, isoOrNull } from './time-view.ts';

export type MachineState = (typeof MACHINE_STATES)[number];

/** Booting while a boot is under way, running while connected, off otherwise. */
export function machineState(connections: number, boot: BootRecord | undefined): MachineState {
  if (boot !== undefined && boot.ended === undefined) return 'booting';
  return connections > 0 ? 'running' : 'off';
}

/** A machine's page of truth. @param facts for a list, the same for all of it */
export function machineView(
  control: Control,
  machine: MachineRecord,
  facts: FleetFacts = new FleetFacts(control, 'one'),
): MachineView {
  const live = control.dataPlane.machineLive(machine.id);
  const boot = facts.lastBoot(machine.id);
  const state = machineState(live.connections.length, boot);
  const collection = facts.collectionOf(machine);
  const choice = facts.choice(machine);
  const next = nextView(choice);
  const holds = facts.held(machine, choice, live.standsOn)?.number ?? null;
  const booted = state === 'off' ? undefined : boot?.version;
  return {
    id: machine.id,
    name: machine.name,
    mac: machine.mac,
    state,
    vdisk: facts.vdiskName(machine.vdiskId),
    version: booted ?? holds ?? next.version,
    collection: collection?.name ?? null,
    class: machine.class,
    pinnedVersion: machine.pinnedVersion ?? null,
    onNewVersion: machine.onNewVersion,
    next,
    holds,
    maintains: facts.maintains(machine) ?? null,
    settings: settingsView('machine', machine.own, collection?.settings, (id) =>
      facts.vdiskName(id),
    ),
    server: state === 'off' ? null : control.serverName,
    enabled: machine.enabled,
    enrolment: machine.enrolment,
    createdAt: iso(machine.createdAt),
    kernelArguments: machine.kernelArguments,
    export: machineExport(machine.name),
    cacheMode: machine.cacheMode,
    cache: cacheView(live, machine.quotaBytes),
    deviceCache: deviceCacheView(facts.deviceCache(machine.id)),
    sshHostKeys: [...sshHostKeyLines(control, machine)],
    bytesRead: live.bytesRead,
    bytesWritten: live.bytesWritten,
    readRequests: live.readRequests,
    writeRequests: live.writeRequests,
    lastRequestAt: isoOrNull(live.lastRequestAt),
    connections: live.connections.map(({ address, connectedAt, tls }) => ({
      address,
      connectedAt: iso(connectedAt),
      tls,
    })),
    lastBoot: boot === undefined ? null : bootView(boot),
  };
}

function nextView(choice: VersionChoice): MachineView['next'] {
  switch (choice.kind) {
    case 'sealed':
      return { version: choice.version.number, because: choice.because, reason: null };
    case 'open': {
      const because = choice.version.isPrivate ? 'private' : 'maintenance';
      return { version: choice.version.number, because, reason: null };
    }
    case 'none':
      return { version: null, because: null, reason: choice.reason };
  }
}

export function machineExport(machineName: string): string {
  return `machine/${machineName}`;
}

function cacheView(live: MachineLive, quotaBytes: number | undefined): MachineView['cache'] {
  const percent =
    quotaBytes === undefined
      ? null
      : Math.min(100, Math.round((live.cacheUsedBytes / quotaBytes) * 1000) / 10);
  return {
    usedBytes: live.cacheUsedBytes,
    quotaBytes: quotaBytes ?? null,
    percent,
    full: live.cacheFull,
  };
}

function deviceCacheView(cache: MachineCacheRecord | undefined): MachineView['deviceCache'] {
  if (cache === undefined) return null;
  const { asked, got, state, reason, sizeBytes, usedBytes, reportedAt } = cache;
  const percent = sizeBytes === 0 ? null : Math.round((usedBytes / sizeBytes) * 1000) / 10;
  return {
    ...{ asked, got: got ?? null, state, reason, sizeBytes, usedBytes, percent },
    reportedAt: isoOrNull(reportedAt),
  };
}

function bootView(boot: BootRecord): BootView {
  return {
    startedAt: iso(boot.startedAt),
    vdisk: boot.vdiskName,
    version: boot.version,
    durationMs: boot.durationMs ?? null,
    ended: boot.ended ?? null,
    endedAt: isoOrNull(boot.endedAt),
    timeline: stepsOf(boot).map(({ stage, at }) => ({
      stage,
      at: iso(at),
      afterMs: at - boot.startedAt,
    })),
  };
}
