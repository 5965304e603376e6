/** What the catalog and the data plane say about the versions of a vDisk, once for all of them. */
import { Fault } from '../../errors/index.ts';
import {
  isSealed,
  type LayerRecord,
  type MachineRecord,
  type SealedVersion,
  type VdiskRecord,
  type VersionRecord,
} from '../catalog/records.ts';
import type { Control } from '../control.ts';
import type { LayersInUse } from '../ports.ts';
import { writeLock } from './lease-lock.ts';
import { refusalOf, type VersionAction, type VersionSituation } from './version-actions.ts';

/** Kinds of the tasks that work on one version, and what they are told as. */
export const VERSION_TASKS = {
  'version.seal': 'it is being sealed',
  'version.merge': 'it is being merged',
} as const;

/** All layers and what is in use of them, read once for however many vDisks. */
export class LayerFacts {
  readonly byId: ReadonlyMap<string, LayerRecord>;
  readonly inUse: LayersInUse;

  constructor({ catalog, dataPlane }: Control) {
    this.byId = new Map(catalog.layers.all().map((layer) => [layer.id, layer]));
    this.inUse = dataPlane.layersInUse();
  }
}

export class VersionSituations {
  readonly vdisk: VdiskRecord;
  /** Oldest first. */
  readonly versions: readonly VersionRecord[];
  readonly #control: Control;
  /** Names of machines, by the number of the version they are pinned to. */
  readonly #pinned: ReadonlyMap<number | undefined, readonly string[]>;
  /** Names of machines with a persistent cache, by the layer that it stands on. */
  readonly #kept: ReadonlyMap<string | undefined, readonly string[]>;
  readonly #machines: readonly MachineRecord[];
  readonly #layers: LayerFacts;
  readonly #now: number;

  constructor(control: Control, vdisk: VdiskRecord, layers: LayerFacts = new LayerFacts(control)) {
    const { catalog } = control;
    this.#control = control;
    this.vdisk = vdisk;
    this.versions = catalog.versions.ofVdisk(vdisk.id);
    this.#machines = catalog.machines.ofVdisk(vdisk.id);
    this.#pinned = namesBy(this.#machines, ({ pinnedVersion }) => pinnedVersion);
    this.#kept = namesBy(this.#machines, ({ id, cacheMode }) =>
      cacheMode === 'server-persistent' ? standsOn(control, id) : undefined,
    );
    this.#layers = layers;
    this.#now = control.clock.now();
  }

  of(version: VersionRecord): VersionSituation {
    return {
      vdisk: this.vdisk,
      version,
      versions: this.versions,
      now: this.#now,
      depth: this.depth(version),
      isBegun: !isSealed(version) && this.#control.dataPlane.overlay(version.id) !== undefined,
      writers: this.#writers(version),
      pinnedBy: this.#pinned.get(version.number) ?? [],
      keptBy: isSealed(version) ? this.#keptBy(version) : [],
      busy: this.#busy(version),
    };
  }

  /** Layers of its chain; for a version in maintenance, of what it stands on. */
  depth(version: VersionRecord): number {
    return this.#chain(version).length;
  }

  /** In all layers that it is made of, also those that no version has any more. */
  damagedChunks(version: VersionRecord): number {
    return this.#chain(version).reduce((sum, { damagedChunks }) => sum + damagedChunks, 0);
  }

  #chain(version: VersionRecord): readonly LayerRecord[] {
    const { byId } = this.#layers;
    const chain: LayerRecord[] = [];
    const top = isSealed(version) ? version.layerId : version.baseLayerId;
    for (let layer = byId.get(top); layer !== undefined; ) {
      chain.push(layer);
      layer = layer.parentId === undefined ? undefined : byId.get(layer.parentId);
    }
    return chain;
  }

  layer(version: VersionRecord): LayerRecord | undefined {
    return isSealed(version) ? this.#layers.byId.get(version.layerId) : undefined;
  }

  /** Whether something reads it: an open export, a machine's overlay, a task. */
  isRead(version: VersionRecord): boolean {
    return isSealed(version)
      ? isSealedRead(this.#control, this.#layers.inUse, version)
      : (this.#control.dataPlane.overlay(version.id)?.isOpen ?? false);
  }

  #keptBy({ state, layerId }: SealedVersion): readonly string[] {
    if (state !== 'deleting') return this.#kept.get(layerId) ?? [];
    return this.#machines
      .filter(({ id }) => standsOn(this.#control, id) === layerId)
      .map(({ name }) => name);
  }

  #writers(version: VersionRecord): readonly string[] {
    if (isSealed(version)) return [];
    const overlay = this.#control.dataPlane.overlay(version.id);
    if (overlay?.isOpen !== true) return [];
    const holder = this.#control.catalog.locks.byName(writeLock(version.id))?.holder;
    const machine = holder === undefined ? undefined : this.#control.catalog.machines.byId(holder);
    return [machine?.name ?? 'a machine'];
  }

  #busy(version: VersionRecord): string | undefined {
    const subject = versionSubject(this.vdisk.name, version.number);
    for (const [kind, what] of Object.entries(VERSION_TASKS)) {
      if (this.#control.tasks.isRunning(kind, subject)) return what;
    }
    return undefined;
  }
}

/** The same for a sealed version, without reading all that a situation is made of. */
export function isSealedRead(
  { catalog }: Control,
  { open, stoodOn }: LayersInUse,
  { layerId }: SealedVersion,
): boolean {
  const ids = [layerId, ...catalog.layers.aliasesOf(layerId)];
  return ids.some((id) => open.has(id) || stoodOn.has(id));
}

/** What events and tasks about a version are about. */
export function versionSubject(vdiskName: string, number: number): string {
  return `vdisk/${vdiskName}/${number}`;
}

/** @throws Fault IN_USE with the reason, when the version cannot be treated so now */
export function requireAction(
  situations: VersionSituations,
  version: VersionRecord,
  action: VersionAction,
): void {
  const why = refusalOf(action, situations.of(version));
  if (why === undefined) return;
  const { name } = situations.vdisk;
  throw new Fault('IN_USE', `version ${version.number} of vDisk ${name}: ${why}`, {
    field: `version.${action}`,
    value: version.number,
    expected: 'a version whose actions say that it is possible (rootcast version show)',
  });
}

function namesBy<K>(
  machines: readonly MachineRecord[],
  key: (machine: MachineRecord) => K,
): ReadonlyMap<K, readonly string[]> {
  const found = new Map<K, string[]>();
  for (const machine of machines) {
    const of = key(machine);
    const names = found.get(of);
    if (names === undefined) found.set(of, [machine.name]);
    else names.push(machine.name);
  }
  return found;
}

/** The layer that holds what is below the machine's write cache now. */
function standsOn({ catalog, dataPlane }: Control, machineId: string): string | undefined {
  const layerId =
    dataPlane.overlay(machineId)?.layerId ?? catalog.machineCaches.of(machineId)?.layerId;
  return layerId === undefined ? undefined : catalog.layers.resolve(layerId);
}
