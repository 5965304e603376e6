/**
 * What a change of machines, or of the collection that they inherit from, means for their disks. Another
 * vDisk means another, empty overlay: the old one's blocks belong to the old disk. Whoever says it, the
 * machine or its collection, the same holds, for all machines concerned or for none.
 */
import { Fault } from '../../errors/index.ts';
import type { MachineRecord } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import type { DataPlane } from '../ports.ts';
import { toldNames } from '../values/told-names.ts';
import { stopMaintaining } from '../versions/maintain.ts';
import { requireAction, VersionSituations } from '../versions/situation.ts';
import { machineState } from './machine-view.ts';
import { findVersion } from './versions/find-version.ts';

export interface MachinesChanged {
  /** All of them, as they are now. */
  readonly machines: readonly MachineRecord[];
  /** Those that boot from another vDisk now. */
  readonly otherVdisk: readonly MachineRecord[];
  /** Those that are treated differently in any way. */
  readonly treatedDifferently: readonly MachineRecord[];
}

export interface ChangeRules {
  /** Whose fields an error names. */
  readonly of: 'machine' | 'collection';
  /** A persistent write cache may be lost. */
  readonly discardCache: boolean;
  /** The change gives a pin of its own; otherwise one to a version of another vDisk goes. */
  readonly givesPin: boolean;
}

/**
 * Inside a change.
 * @param before the machines concerned
 * @param apply writes the change. @returns the same machines as they are then, in any order
 * @throws Fault INVALID_INPUT (one would have no vDisk), IN_USE (another vDisk while one is up, or at the
 *   cost of a persistent write cache)
 */
export function changeMachines(
  control: Control,
  before: readonly MachineRecord[],
  rules: ChangeRules,
  apply: () => readonly MachineRecord[],
): MachinesChanged {
  const was = new Map(before.map((machine) => [machine.id, machine]));
  const after = apply();
  refuseWithoutVdisk(after, rules);
  const isMoved = ({ id, vdiskId }: MachineRecord): boolean => was.get(id)?.vdiskId !== vdiskId;
  const moved = new Set(after.filter(isMoved).map(({ id }) => id));
  const leaving = before.filter(({ id }) => moved.has(id));
  refuseWhileUp(control, leaving, rules);
  if (!rules.discardCache) refuseLostCaches(control, leaving);
  const machines = after.map((machine) =>
    moved.has(machine.id) ? withoutOldDisk(control, machine, rules.givesPin) : machine,
  );
  return {
    machines,
    otherVdisk: machines.filter(({ id }) => moved.has(id)),
    treatedDifferently: machines.filter((machine) => differs(machine, was.get(machine.id))),
  };
}

/**
 * When the change is kept. One that fails does not keep the others from being told.
 * @throws what DataPlane.renewOverlay and machineChanged throw, the first of it
 */
export async function tellDataPlane(
  { dataPlane, fullCaches }: Control,
  changed: {
    readonly otherVdisk: readonly MachineRecord[];
    readonly told: readonly MachineRecord[];
  },
): Promise<void> {
  const failures: unknown[] = [];
  const attempt = (work: Promise<void>): Promise<void> =>
    work.catch((error: unknown) => void failures.push(error));
  for (const { id } of changed.otherVdisk) {
    await attempt(dataPlane.renewOverlay(id));
    fullCaches.delete(id);
  }
  for (const { id } of changed.told) await attempt(dataPlane.machineChanged(id));
  if (failures.length > 0) throw failures[0];
}

/** @throws Fault NOT_FOUND, IN_USE when a machine cannot be pinned to that version of the vDisk */
export function requirePinnable(control: Control, vdiskId: string, number: number): void {
  const vdisk = control.catalog.vdisks.byId(vdiskId);
  if (vdisk === undefined) return;
  const { version } = findVersion(control.catalog, vdisk.name, number, 'machine.pinnedVersion');
  requireAction(new VersionSituations(control, vdisk), version, 'pin');
}

function refuseWithoutVdisk(machines: readonly MachineRecord[], { of }: ChangeRules): void {
  const without = machines.filter(({ vdiskId }) => vdiskId === '').map(({ name }) => name);
  if (without.length === 0) return;
  throw new Fault(
    'INVALID_INPUT',
    `no vDisk would be left for ${toldNames(without)}: neither its own nor its collection's`,
    {
      field: `${of}.vdisk`,
      value: null,
      expected: 'a vDisk for every machine, of its own or of its collection',
    },
  );
}

/** A machine that is up and reconnects must find the disk it booted from. */
function refuseWhileUp(
  { catalog, dataPlane }: Control,
  machines: readonly MachineRecord[],
  { of }: ChangeRules,
): void {
  const up = machines.flatMap(({ id, name }) => {
    const { connections } = dataPlane.machineLive(id);
    const state = machineState(connections.length, catalog.boots.last(id));
    return state === 'off' ? [] : [{ name, state }];
  });
  const [first] = up;
  if (first === undefined) return;
  const names = up.map(({ name }) => name);
  throw new Fault(
    'IN_USE',
    up.length === 1
      ? `machine ${first.name} is ${first.state}; turn it off first`
      : `machines are up: ${toldNames(names)}; turn them off first`,
    {
      field: `${of}.vdisk`,
      value: up.length === 1 ? first.state : names,
      expected: 'a machine that is off',
    },
  );
}

function refuseLostCaches({ dataPlane }: Control, machines: readonly MachineRecord[]): void {
  const kept = machines.flatMap((machine) => {
    const isKept = machine.cacheMode === 'server-persistent';
    const kept = isKept ? keptData(dataPlane, machine) : undefined;
    return kept === undefined ? [] : [{ name: machine.name, kept }];
  });
  const [first] = kept;
  if (first === undefined) return;
  const names = kept.map(({ name }) => name);
  throw new Fault(
    'IN_USE',
    kept.length === 1
      ? `machine ${first.name} keeps ${first.kept}, which another vDisk would discard`
      : `machines keep data of their own, which another vDisk would discard: ${toldNames(names)}`,
    {
      field: 'machine.discardCache',
      value: false,
      expected: 'true (--discard-cache) to discard them',
    },
  );
}

/** undefined: nothing that could be lost. What an overlay holds is not known before it was opened. */
function keptData(dataPlane: DataPlane, { id, maintains }: MachineRecord): string | undefined {
  // What it wrote into a version is the version's, and stays.
  const bytes = maintains === undefined ? dataPlane.machineLive(id).cacheUsedBytes : 0;
  if (bytes > 0) return `${bytes} bytes of its own`;
  const overlay = dataPlane.overlay(id);
  if (overlay === undefined || overlay.isOpen) return undefined;
  return overlay.usedBytes > 0
    ? `${overlay.usedBytes} bytes of its own`
    : 'a write cache that was not opened since the service started and may hold data';
}

function withoutOldDisk(
  { catalog }: Control,
  machine: MachineRecord,
  givesPin: boolean,
): MachineRecord {
  stopMaintaining(catalog, machine);
  catalog.machineCaches.delete(machine.id);
  const pinnedVersion = givesPin ? machine.pinnedVersion : undefined;
  const changed = { ...machine, maintains: undefined, pinnedVersion };
  catalog.machines.update(changed);
  return changed;
}

function differs(now: MachineRecord, before: MachineRecord | undefined): boolean {
  return (
    now.vdiskId !== before?.vdiskId ||
    now.class !== before.class ||
    now.cacheMode !== before.cacheMode ||
    now.quotaBytes !== before.quotaBytes ||
    now.onNewVersion !== before.onNewVersion ||
    now.enabled !== before.enabled ||
    now.bootLoader !== before.bootLoader
  );
}
