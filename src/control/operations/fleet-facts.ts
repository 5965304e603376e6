/**
 * What views of machines are made of besides the machines. For a list everything is read once; for a
 * single machine only what it needs. What was found is kept for as long as one answer takes to make.
 */
import {
  type BootRecord,
  type CollectionRecord,
  isSealed,
  type MachineCacheRecord,
  type MachineRecord,
  type SealedVersion,
  type VdiskRecord,
  type VersionRecord,
} from '../catalog/records.ts';
import type { Control } from '../control.ts';
import { type VersionChoice, whichVersion } from '../versions/which-version.ts';

export class FleetFacts {
  readonly #now: number;
  readonly #vdisk: (id: string) => VdiskRecord | undefined;
  readonly #versions: (vdiskId: string) => readonly VersionRecord[];
  readonly #collection: (id: string) => CollectionRecord | undefined;
  /** Undefined: never booted. */
  readonly lastBoot: (machineId: string) => BootRecord | undefined;
  /** Undefined: its last boot was none with a write cache on the machine. */
  readonly deviceCache: (machineId: string) => MachineCacheRecord | undefined;
  readonly #resolve: (layerId: string) => string;
  readonly #open: () => ReadonlyMap<string, number>;
  readonly #choices = new Map<string, VersionChoice>();

  /** @param scope `list`: every machine will be asked about */
  constructor(control: Control, scope: 'one' | 'list') {
    const { vdisks, versions, collections, boots, machineCaches, layers } = control.catalog;
    this.#now = control.clock.now();
    this.#resolve = remembered((id) => layers.resolve(id));
    this.#open = once(
      () => new Map(versions.inMaintenance().map(({ id, number }) => [id, number])),
    );
    if (scope === 'one') {
      this.#vdisk = (id) => vdisks.byId(id);
      this.#versions = remembered((id) => versions.ofVdisk(id));
      this.#collection = (id) => collections.byId(id);
      this.lastBoot = (id) => boots.last(id);
      this.deviceCache = (id) => machineCaches.of(id);
      return;
    }
    const allVersions = versions.allByVdisk();
    this.#vdisk = lookup(vdisks.all());
    this.#versions = (id) => allVersions.get(id) ?? [];
    this.#collection = lookup(collections.all());
    const lastBoots = boots.lastOfEach();
    this.lastBoot = (id) => lastBoots.get(id);
    const caches = new Map(machineCaches.all().map((cache) => [cache.machineId, cache]));
    this.deviceCache = (id) => caches.get(id);
  }

  vdiskName(id: string): string {
    return this.#vdisk(id)?.name ?? id;
  }

  collectionOf({ collectionId }: MachineRecord): CollectionRecord | undefined {
    return collectionId === undefined ? undefined : this.#collection(collectionId);
  }

  /** What the machine would boot now, by the rules (which-version.ts). */
  choice(machine: MachineRecord): VersionChoice {
    const { vdiskId, class: ofClass, pinnedVersion } = machine;
    // Most machines of a fleet have the same answer, and there may be many versions to look at.
    const key = `${vdiskId} ${ofClass} ${pinnedVersion ?? ''}`;
    const known = this.#choices.get(key);
    if (known !== undefined) return known;
    const vdisk = this.#vdisk(vdiskId);
    const choice: VersionChoice =
      vdisk === undefined
        ? { kind: 'none', reason: `machine ${machine.name} has no vDisk` }
        : whichVersion(machine, vdisk, this.#versions(vdiskId), this.#now);
    this.#choices.set(key, choice);
    return choice;
  }

  /** The version that the machine's persistent write cache keeps it on, where that is not `choice`. */
  held(
    machine: MachineRecord,
    choice: VersionChoice,
    standsOn: string | undefined,
  ): SealedVersion | undefined {
    if (machine.cacheMode !== 'server-persistent') return undefined;
    if (machine.onNewVersion === 'discard') return undefined;
    if (choice.kind !== 'sealed' || standsOn === undefined) return undefined;
    const layerId = this.#resolve(standsOn);
    if (layerId === choice.version.layerId) return undefined;
    return this.#versions(machine.vdiskId).find(
      (version): version is SealedVersion => isSealed(version) && version.layerId === layerId,
    );
  }

  /** The number of the version in maintenance that it writes since its last boot. */
  maintains({ maintains }: MachineRecord): number | undefined {
    return maintains === undefined ? undefined : this.#open().get(maintains);
  }
}

function lookup<T extends { readonly id: string }>(
  records: readonly T[],
): (id: string) => T | undefined {
  const byId = new Map(records.map((record) => [record.id, record]));
  return (id) => byId.get(id);
}

function remembered<T>(ask: (id: string) => T): (id: string) => T {
  const answers = new Map<string, T>();
  return (id) => {
    const known = answers.get(id);
    if (known !== undefined) return known;
    const answer = ask(id);
    answers.set(id, answer);
    return answer;
  };
}

function once<T>(ask: () => T): () => T {
  let answer: { readonly value: T } | undefined;
  return () => {
    answer ??= { value: ask() };
    return answer.value;
  };
}
