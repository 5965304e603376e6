/**
 * How many machines boot at once, and who is next. Decided when a machine asks for its boot, whichever loader
 * asks; a machine that is up never asks, so nothing of this is between it and its disk.
 *
 * Slots are not counted, they are seen: a boot under way has one, from the catalog, until it has ended
 * (reported ready, its requests went quiet, gone, or it booted anew) or `slotMs` have passed. So a restart of
 * the service loses none and leaks none. The queue is in the catalog too; who does not ask any more loses
 * his place. A free slot is kept for the first who may have it, until he asks: that is what makes it fair,
 * though everybody asks when it suits him.
 */
import type { Catalog } from '../catalog/catalog.ts';
import type { BootRule, MachineRecord } from '../catalog/records.ts';
import {
  BOOT_ASK_FIRST_SECONDS,
  BOOT_ASK_LONGEST_SECONDS,
  BOOT_PLACE_KEPT_MS,
  BOOT_PLACES_PER_SECOND,
} from '../limits.ts';

export interface AdmissionSettings {
  /** Machines that boot at once; 0: any number. */
  readonly most: number;
  /** Machines that begin to in a second; 0: any number. */
  readonly perSecond: number;
  /** A boot that has not ended after so many milliseconds does not count any more. */
  readonly slotMs: number;
}

export const NO_ADMISSION: AdmissionSettings = { most: 0, perSecond: 0, slotMs: 180_000 };

/** A machine in the queue. */
export interface Waiting {
  readonly machineId: string;
  readonly askedAt: number;
  readonly priority: number;
  /** Limits of groups that it counts for. */
  readonly groups: readonly Group[];
  lastAskedAt: number;
}

/** A collection or a vDisk of which only so many machines boot at once. */
interface Group {
  readonly id: string;
  readonly most: number;
}

export interface Grant {
  /** undefined: it did not wait. */
  readonly queuedAt: number | undefined;
  readonly admittedAt: number;
}

export type Admission =
  | { readonly kind: 'admitted' }
  | {
      readonly kind: 'queued';
      /** From 1. */
      readonly place: number;
      readonly waiting: number;
      readonly askAgainSeconds: number;
      /** It has entered the queue just now. */
      readonly isNew: boolean;
    };

export class BootAdmission {
  readonly settings: AdmissionSettings;
  /** In the order of admission. */
  readonly #queue: Waiting[] = [];
  readonly #byMachine = new Map<string, Waiting>();
  /** Admitted, and their boot has not begun yet; with the questions that are still to be `settled`. */
  readonly #grants = new Map<string, { readonly grant: Grant; asks: number }>();
  /** Boots that may begin at once: what `perSecond` has saved up, at most of a second. */
  #tokens: number;
  #tokensAt = 0;

  constructor(settings: AdmissionSettings) {
    this.settings = settings;
    this.#tokens = Math.max(1, settings.perSecond);
  }

  /** What waited when the service stopped waits still. Once at the start. */
  restore(catalog: Catalog, now: number): void {
    for (const { machineId, askedAt } of catalog.bootQueue.all()) {
      const machine = catalog.machines.byId(machineId);
      if (machine !== undefined) this.#enter(catalog, machine, askedAt, now);
    }
  }

  /** An admitted machine keeps its slot for the boot that begins now: `settled` follows. */
  ask(catalog: Catalog, machine: MachineRecord, now: number): Admission {
    const granted = this.#grants.get(machine.id);
    if (granted !== undefined) {
      granted.asks += 1;
      return { kind: 'admitted' };
    }
    const known = this.#byMachine.get(machine.id);
    // It boots anew, within the slot that it has.
    if (known === undefined && this.#hasSlot(catalog, machine.id, now)) {
      return this.#admit(machine.id, now);
    }
    const waiting = this.#again(catalog, machine, known, now);
    if (this.#isCalled(catalog, waiting, now) && this.#mayBegin(now)) {
      this.leave(machine.id);
      return this.#admit(machine.id, now, known?.askedAt);
    }
    const place = this.#queue.indexOf(waiting) + 1;
    return {
      ...{ kind: 'queued', place, waiting: this.#queue.length, isNew: known === undefined },
      askAgainSeconds: askAgainSeconds(place),
    };
  }

  grantOf(machineId: string): Grant | undefined {
    return this.#grants.get(machineId)?.grant;
  }

  /**
   * A question that was admitted: its boot is in the catalog, or came to nothing; then it has to ask anew. Whoever asks
   * twice at once keeps the slot until both are settled.
   */
  settled(machineId: string): void {
    const granted = this.#grants.get(machineId);
    if (granted === undefined) return;
    granted.asks -= 1;
    if (granted.asks === 0) this.#grants.delete(machineId);
  }

  /** It waits no more: deleted, or not to boot. @returns whether it did */
  leave(machineId: string): boolean {
    const waiting = this.#byMachine.get(machineId);
    if (waiting === undefined) return false;
    this.#byMachine.delete(machineId);
    this.#queue.splice(this.#queue.indexOf(waiting), 1);
    return true;
  }

  /** @returns those that have not asked for too long, and have lost their place: off, or gone */
  sweep(now: number): readonly string[] {
    const lost = this.#queue
      .filter(({ lastAskedAt }) => now - lastAskedAt > BOOT_PLACE_KEPT_MS)
      .map(({ machineId }) => machineId);
    for (const machineId of lost) this.leave(machineId);
    return lost;
  }

  queue(): readonly Waiting[] {
    return this.#queue;
  }

  /** Machines whose boots count: under way, and admitted ones that have not begun yet. */
  slotsTaken(catalog: Catalog, now: number): number {
    return this.#booting(catalog, now).size;
  }

  /** Whether it may begin now, as far as slots are concerned: there is one that nobody before it may have. */
  #isCalled(catalog: Catalog, wanted: Waiting, now: number): boolean {
    const { most, perSecond } = this.settings;
    const hasGroups = this.#queue.some(({ groups }) => groups.length > 0);
    // Only where it counts: without a limit thousands may boot, and each of them asks.
    const booting = most > 0 || hasGroups ? this.#booting(catalog, now) : new Set<string>();
    let free = most === 0 ? Number.POSITIVE_INFINITY : most - booting.size;
    // With a pace, whoever asks when one may begin is not the first; nor further back than what begins
    // between two questions.
    if (perSecond > 0) free = Math.min(free, perSecond * BOOT_ASK_FIRST_SECONDS);
    const left = hasGroups ? this.#groupsLeft(catalog, booting) : new Map<string, number>();
    for (const waiting of this.#queue) {
      if (free <= 0) return false;
      const isHeld = waiting.groups.some(({ id, most: n }) => (left.get(id) ?? n) <= 0);
      if (waiting === wanted) return !isHeld;
      if (isHeld) continue;
      free -= 1;
      for (const { id, most: n } of waiting.groups) left.set(id, (left.get(id) ?? n) - 1);
    }
    return false;
  }

  /** Slots of each group that are left beside what boots. */
  #groupsLeft(catalog: Catalog, booting: ReadonlySet<string>): Map<string, number> {
    const left = new Map<string, number>();
    for (const machineId of booting) {
      const machine = catalog.machines.byId(machineId);
      if (machine === undefined) continue;
      for (const { id, most } of groupsOf(catalog, machine)) {
        left.set(id, (left.get(id) ?? most) - 1);
      }
    }
    return left;
  }

  #booting(catalog: Catalog, now: number): ReadonlySet<string> {
    const underWay = catalog.boots.machinesUnderWay(now - this.settings.slotMs);
    return new Set([...this.#grants.keys(), ...underWay]);
  }

  /** The same for one machine whose boot has begun: of its boots only the last can be under way. */
  #hasSlot({ boots }: Catalog, machineId: string, now: number): boolean {
    const last = boots.last(machineId);
    if (last === undefined || last.ended !== undefined) return false;
    return now - last.startedAt < this.settings.slotMs;
  }

  /** What has been saved up is of the last second at most. */
  #mayBegin(now: number): boolean {
    const { perSecond } = this.settings;
    if (perSecond === 0) return true;
    const earned = (Math.max(0, now - this.#tokensAt) * perSecond) / 1000;
    this.#tokens = Math.min(perSecond, this.#tokens + earned);
    this.#tokensAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  #admit(machineId: string, now: number, queuedAt?: number): Admission {
    this.#grants.set(machineId, { grant: { queuedAt, admittedAt: now }, asks: 1 });
    return { kind: 'admitted' };
  }

  #again(
    catalog: Catalog,
    machine: MachineRecord,
    known: Waiting | undefined,
    now: number,
  ): Waiting {
    if (known === undefined) return this.#enter(catalog, machine, now, now);
    known.lastAskedAt = now;
    const { priority, groups } = rulesOf(catalog, machine);
    if (priority === known.priority && sameGroups(groups, known.groups)) return known;
    // Its rules have changed: its place by priority, and in that by when it asked first.
    this.leave(machine.id);
    return this.#enter(catalog, machine, known.askedAt, now);
  }

  #enter(catalog: Catalog, machine: MachineRecord, askedAt: number, now: number): Waiting {
    const rules = rulesOf(catalog, machine);
    const waiting = { machineId: machine.id, askedAt, lastAskedAt: now, ...rules };
    const after = this.#queue.findLastIndex(
      (one) =>
        one.priority > waiting.priority ||
        (one.priority === waiting.priority && one.askedAt <= askedAt),
    );
    this.#queue.splice(after + 1, 0, waiting);
    this.#byMachine.set(machine.id, waiting);
    return waiting;
  }
}

/** The nearer, the sooner: the head of the queue loses little of a slot that becomes free. */
export function askAgainSeconds(place: number): number {
  const further = Math.floor((place - 1) / BOOT_PLACES_PER_SECOND);
  return Math.min(BOOT_ASK_LONGEST_SECONDS, BOOT_ASK_FIRST_SECONDS + further);
}

function rulesOf(
  catalog: Catalog,
  machine: MachineRecord,
): { readonly priority: number; readonly groups: readonly Group[] } {
  const { bootRules } = catalog;
  const own = bootRules.of('machine', machine.id).priority;
  const ofCollection = (): BootRule | undefined =>
    machine.collectionId === undefined
      ? undefined
      : bootRules.of('collection', machine.collectionId);
  return {
    priority: own ?? ofCollection()?.priority ?? 0,
    groups: groupsOf(catalog, machine),
  };
}

function groupsOf(catalog: Catalog, machine: MachineRecord): readonly Group[] {
  const { collectionId, vdiskId } = machine;
  const groups: Group[] = [];
  const ofVdisk = catalog.bootRules.of('vdisk', vdiskId).most;
  if (ofVdisk !== undefined) groups.push({ id: vdiskId, most: ofVdisk });
  if (collectionId === undefined) return groups;
  const ofCollection = catalog.bootRules.of('collection', collectionId).most;
  if (ofCollection !== undefined) groups.push({ id: collectionId, most: ofCollection });
  return groups;
}

function sameGroups(some: readonly Group[], others: readonly Group[]): boolean {
  return (
    some.length === others.length &&
    some.every(({ id, most }, at) => id === others[at]?.id && most === others[at]?.most)
  );
}
