/**
 * Which overlay each machine has, and since when. Also each version in maintenance has one.
 *
 * An owner's overlay comes in generations. A boot of a `server` machine begins a new one; what is
 * still connected from the boot before keeps the old one, which is deleted when its last reader has
 * left. The newest generation on disk is the current one, so a crash between "create" and "delete"
 * costs nothing but the sweep at the next start. A generation remembers the layer it stands on in
 * its name: a machine that runs keeps its version, whatever happens to the vDisk meanwhile.
 *
 * A sealed generation is no overlay any more: its data volume is a layer's. Whether it is, the catalog
 * says, and the book is told at the start.
 *
 * Where an owner's overlays lie is decided for each when it is made. One in another repository than the service's
 * own is there whether or not that can be reached (overlay-places.ts), and nothing takes its place meanwhile.
 */
import { KeyedMutex } from '../base/index.ts';
import {
  needsSettling,
  type OverlayGauges,
  readOverlayGauges,
  setOverlayQuota,
} from '../vdisk/index.ts';
import {
  type Entry,
  type Generation,
  isBusy,
  type LayerNames,
  noOverlay,
  type OverlayNow,
  type OverlayOwner,
  refuseOutdated,
  refuseWhileOpen,
  refuseWhileSealing,
  replacedOverlay,
  toldOf,
} from './overlay-entry.ts';
import { OverlayStorage, type OverlayStorageParts } from './overlay-storage.ts';
import type { StoredOverlay } from './overlay-volumes.ts';

export type { Generation, LayerNames, OverlayOwner } from './overlay-entry.ts';

export class OverlayBook {
  readonly #layers: LayerNames;
  readonly #storage: OverlayStorage;
  readonly #mutex = new KeyedMutex();
  /** Newest generation on disk, not yet opened since the service started. */
  readonly #onDisk = new Map<string, StoredOverlay>();
  readonly #current = new Map<string, Entry>();
  readonly #byKey = new Map<string, Entry>();
  /** The highest number of a generation that each owner ever had: its name may still be in use. */
  readonly #numbers = new Map<string, number>();

  private constructor(parts: OverlayStorageParts) {
    this.#layers = parts.layers;
    this.#storage = new OverlayStorage(parts);
  }

  /** Reads what is on disk and deletes what nobody needs any more. */
  static async open(
    options: OverlayStorageParts & {
      readonly owners: ReadonlySet<string>;
      /** Volumes of layers. */
      readonly sealed: ReadonlySet<string>;
    },
  ): Promise<OverlayBook> {
    const { owners, sealed } = options;
    const book = new OverlayBook(options);
    for (const [ownerId, found] of await book.#storage.found()) {
      // A half-made generation was never handed to anybody.
      const whole = found.filter((one) => one.isWhole && !sealed.has(one.dataVolume));
      const last = owners.has(ownerId) ? whole.at(-1) : undefined;
      if (last !== undefined) book.#onDisk.set(ownerId, last);
      book.#numbers.set(ownerId, found.at(-1)?.number ?? 0);
      for (const one of found) if (one !== last) await book.#storage.sweep(one, sealed);
    }
    return book;
  }

  /** The owner's current overlay, opened or made on demand; counts one use until `released`. */
  use(owner: OverlayOwner): Promise<Generation> {
    return this.#mutex.run(owner.ownerId, async () => {
      const entry = await this.#ensure(owner);
      refuseWhileSealing(entry);
      // All that have it open at once read from the same layers.
      if (entry.uses === 0) entry.readsFrom = this.#layers.resolve(entry.layerId);
      entry.isSettled = false;
      entry.uses++;
      if (owner.exportName !== undefined) entry.openedAs.add(owner.exportName);
      return { ...entry };
    });
  }

  /** @throws Fault when a retired overlay cannot be deleted; the next start tries again */
  async released(key: string): Promise<void> {
    const entry = this.#byKey.get(key);
    if (entry === undefined) return;
    await this.#mutex.run(entry.ownerId, async () => {
      entry.uses--;
      if (entry.uses === 0) {
        entry.openedAs.clear();
        for (const settle of entry.waiting.splice(0)) settle();
      }
      await this.#deleteIfUnused(entry);
      if (entry.uses === 0) await this.#storage.settleElsewhere(entry);
    });
  }

  /** Settles when nobody has the owner's overlays open. */
  async idle(ownerId: string): Promise<void> {
    for (const entry of this.#byKey.values()) {
      if (entry.ownerId !== ownerId || entry.uses === 0) continue;
      await new Promise<void>((resolve) => entry.waiting.push(resolve));
    }
  }

  /** Through which exports the owner's overlays are open. */
  openedAs(ownerId: string): readonly string[] {
    const entries = [...this.#byKey.values()].filter((entry) => entry.ownerId === ownerId);
    return entries.flatMap(({ openedAs }) => [...openedAs]);
  }

  /** Begins a new, empty generation. @throws Fault IN_USE while it is being sealed */
  renew(owner: OverlayOwner): Promise<void> {
    return this.#mutex.run(owner.ownerId, async () => {
      await this.#renew(owner);
    });
  }

  /** Deletes the owner's overlay; what is open is deleted when its last reader leaves. */
  async remove(ownerId: string): Promise<void> {
    // A seal needs the mutex to end, and another may have begun before it is ours.
    while (!(await this.#mutex.run(ownerId, () => this.#removeUnlessSealing(ownerId)))) {
      await this.#current.get(ownerId)?.sealing;
    }
  }

  async #removeUnlessSealing(ownerId: string): Promise<boolean> {
    const entry = this.#current.get(ownerId);
    if (entry?.sealing !== undefined) return false;
    const stored = this.#onDisk.get(ownerId);
    this.#onDisk.delete(ownerId);
    this.#current.delete(ownerId);
    if (stored !== undefined) await this.#storage.drop(stored);
    if (entry === undefined) return true;
    entry.retired = true;
    await this.#deleteIfUnused(entry);
    return true;
  }

  /**
   * The owner's overlay is looked at, or becomes a layer: nobody has it open meanwhile. When `work` has
   * given a layer for it, the overlay is gone and its data volume the layer's.
   * @param owner.number the generation that is meant; undefined: the current one
   * @throws Fault IN_USE, NOT_FOUND, UNAVAILABLE (another one has replaced it), and what `work` throws: then
   *   nothing has changed
   */
  async hold<T>(
    owner: OverlayOwner & { readonly number?: number },
    work: (overlay: Generation) => Promise<{ readonly result: T; readonly isSealed: boolean }>,
  ): Promise<T> {
    const { ownerId } = owner;
    let settle: () => void = () => undefined;
    const entry = await this.#mutex.run(ownerId, async () => {
      const current = this.#current.get(ownerId) ?? this.#onDisk.get(ownerId);
      if (current === undefined) throw noOverlay(ownerId);
      const { layerId, number } = current;
      const isMeant = owner.layerIds.has(layerId) && number === (owner.number ?? number);
      if (!isMeant) throw replacedOverlay(ownerId);
      const entry = await this.#ensure(owner);
      refuseWhileSealing(entry);
      refuseWhileOpen(entry);
      entry.readsFrom = this.#layers.resolve(entry.layerId);
      entry.sealing = new Promise<void>((resolve) => {
        settle = resolve;
      });
      return entry;
    });
    try {
      const { result, isSealed } = await work({ ...entry });
      if (isSealed) await this.#becameLayer(entry);
      return result;
    } finally {
      entry.sealing = undefined;
      settle();
    }
  }

  facts(ownerId: string): OverlayNow | undefined {
    const entry = this.#current.get(ownerId);
    if (entry === undefined) {
      const stored = this.#onDisk.get(ownerId);
      return stored && { ...toldOf(stored), usedBytes: 0, isOpen: false };
    }
    const usedBytes = readOverlayGauges(entry.state).ownedBytes;
    return { ...toldOf(entry), usedBytes, isOpen: isBusy(entry) };
  }

  /** The layer under the owner's overlay, as it was called then; undefined: it has none. */
  standsOn(ownerId: string): string | undefined {
    return (this.#current.get(ownerId) ?? this.#onDisk.get(ownerId))?.layerId;
  }

  /** What open overlays read from, and what the others stand on. */
  layersInUse(): { readonly open: readonly string[]; readonly stoodOn: readonly string[] } {
    const stoodOn = [...this.#onDisk.values()].map(({ layerId }) => layerId);
    const open: string[] = [];
    for (const entry of this.#byKey.values()) {
      if (isBusy(entry)) open.push(entry.readsFrom);
      else stoodOn.push(entry.layerId);
    }
    return { open, stoodOn };
  }

  /** Owners of overlays there that somebody has open, or a task works on. */
  openIn(repositoryId: string): ReadonlySet<string> {
    const open = [...this.#byKey.values()].filter(
      (entry) => entry.repositoryId === repositoryId && isBusy(entry),
    );
    return new Set(open.map(({ ownerId }) => ownerId));
  }

  setQuota(ownerId: string, quotaBytes: number | undefined): void {
    const entry = this.#current.get(ownerId);
    if (entry !== undefined) setOverlayQuota(entry.state, quotaBytes);
  }

  gauges(ownerId: string): OverlayGauges | undefined {
    const entry = this.#current.get(ownerId);
    return entry === undefined ? undefined : readOverlayGauges(entry.state);
  }

  /** Opens what is on disk and can be reached, so that its figures can be shown before anybody connects. */
  async load(owner: OverlayOwner): Promise<void> {
    await this.#mutex.run(owner.ownerId, async () => {
      const stored = this.#onDisk.get(owner.ownerId);
      if (stored === undefined || !this.#storage.isThere(stored)) return;
      // One of another vDisk is replaced when it is asked for.
      if (owner.layerIds.has(stored.layerId)) await this.#ensure(owner);
    });
  }

  /**
   * Makes durable what was acknowledged and never flushed. For an orderly stop, when no worker has an
   * overlay open any more.
   * @returns the overlays for which it failed, and why
   */
  async settle(): Promise<readonly { readonly key: string; readonly error: unknown }[]> {
    const failures: { key: string; error: unknown }[] = [];
    for (const entry of [...this.#current.values()]) {
      if (entry.isSettled || !needsSettling(entry.state)) continue;
      try {
        await this.#mutex.run(entry.ownerId, () => this.#storage.settle(entry));
      } catch (error) {
        failures.push({ key: entry.key, error });
      }
    }
    await this.#storage.dropped();
    return failures;
  }

  async #renew(owner: OverlayOwner): Promise<Entry> {
    const { ownerId } = owner;
    const old = this.#current.get(ownerId);
    if (old !== undefined) refuseWhileSealing(old);
    const stored = this.#onDisk.get(ownerId);
    const fresh = await this.#create(owner);
    this.#onDisk.delete(ownerId);
    this.#current.set(ownerId, fresh);
    if (stored !== undefined) await this.#storage.dropReplaced(stored);
    if (old !== undefined) {
      old.retired = true;
      await this.#deleteIfUnused(old);
    }
    return fresh;
  }

  async #ensure(owner: OverlayOwner): Promise<Entry> {
    const { ownerId, quotaBytes } = owner;
    const open = this.#current.get(ownerId);
    const stored = this.#onDisk.get(ownerId);
    const standsOn = (open ?? stored)?.layerId;
    // The machine was given another vDisk, and what should have renewed its overlay did not get so
    // far: blocks of one disk are nothing on another.
    if (standsOn !== undefined && !owner.layerIds.has(standsOn)) return this.#renew(owner);
    if (open !== undefined) return this.#asAttached(open, quotaBytes);
    const entry = await (stored === undefined
      ? this.#create(owner)
      : this.#open(stored, quotaBytes));
    this.#onDisk.delete(ownerId);
    this.#current.set(ownerId, entry);
    return entry;
  }

  /**
   * Where its repository was detached since, what is in memory may be outdated: another server may have had the
   * repository meanwhile, or the array lost what it had not flushed. Its map is read again.
   */
  async #asAttached(entry: Entry, quotaBytes: number | undefined): Promise<Entry> {
    if (this.#storage.attachment(entry.repositoryId) === entry.attachment) return entry;
    refuseOutdated(entry);
    const fresh = await this.#open(entry, quotaBytes);
    this.#current.set(entry.ownerId, fresh);
    return fresh;
  }

  async #create(owner: OverlayOwner): Promise<Entry> {
    const { ownerId, quotaBytes, repositoryId } = owner;
    // Whoever wants it may have waited, and a merge ended meanwhile.
    const layerId = this.#layers.resolve(owner.layerId);
    const number = 1 + (this.#numbers.get(ownerId) ?? 0);
    const name = { ownerId, number, layerId };
    this.#numbers.set(ownerId, number);
    return this.#known(await this.#storage.create(name, { repositoryId, quotaBytes }));
  }

  async #open(stored: StoredOverlay, quotaBytes: number | undefined): Promise<Entry> {
    return this.#known(await this.#storage.open(stored, quotaBytes));
  }

  #known(entry: Entry): Entry {
    this.#byKey.set(entry.key, entry);
    return entry;
  }

  /** The catalog knows it as a layer: only the map is left to delete. */
  async #becameLayer(entry: Entry): Promise<void> {
    await this.#mutex.run(entry.ownerId, async () => {
      entry.retired = true;
      this.#byKey.delete(entry.key);
      if (this.#current.get(entry.ownerId) === entry) this.#current.delete(entry.ownerId);
      await this.#storage.dropMap(entry);
    });
  }

  async #deleteIfUnused(entry: Entry): Promise<void> {
    if (!entry.retired || entry.uses > 0) return;
    this.#byKey.delete(entry.key);
    await this.#storage.drop(entry);
  }
}
