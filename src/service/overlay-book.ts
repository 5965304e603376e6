/**
 * Which overlay each machine has, and since when.
 *
 * A machine's overlay comes in generations. A boot of a `server` machine begins a new one; what is
 * still connected from the boot before keeps the old one, which is deleted when its last reader has
 * left. The newest generation on disk is the current one, so a crash between "create" and "delete"
 * costs nothing but the sweep at the next start. A generation remembers the layer it stands on in
 * its name: a machine that runs keeps its version, whatever happens to the vDisk meanwhile.
 *
 *   volume names   overlay.<machineId>.<generation>.<layerId>.data | .map
 */
import { KeyedMutex } from '../base/index.ts';
import { Fault } from '../errors/index.ts';
import {
  deleteVolumes,
  type Volume,
  type VolumeControl,
  type VolumeData,
  type VolumeLocator,
} from '../repositories/index.ts';
import {
  formatOverlay,
  lastJournalled,
  MAXIMUM_OVERLAY_BYTES,
  needsSettling,
  type OverlayGauges,
  overlayMapBytes,
  readOverlayGauges,
  recoverOverlay,
  setOverlayQuota,
  settleOverlay,
} from '../vdisk/index.ts';

/** Both ports of a repository. */
export interface Repository {
  readonly volumes: VolumeControl;
  readonly data: VolumeData;
}

export interface OverlayOwner {
  readonly machineId: string;
  /** What a new overlay stands on. */
  readonly layerId: string;
  /** What an existing one may stand on: every version of the machine's vDisk. */
  readonly layerIds: ReadonlySet<string>;
  /** Size of the virtual disk in bytes. */
  readonly size: number;
  readonly quotaBytes: number | undefined;
}

/** One overlay, open in no, one or several workers. */
export interface Generation {
  readonly machineId: string;
  readonly number: number;
  readonly layerId: string;
  /** Names it towards the workers. */
  readonly key: string;
  readonly data: VolumeLocator;
  readonly map: VolumeLocator;
  readonly state: SharedArrayBuffer;
}

interface Entry extends Generation {
  readonly size: number;
  /** Plans handed to workers and not yet given back. */
  uses: number;
  retired: boolean;
}

const NAME = /^overlay\.([0-9a-f-]+)\.(\d+)\.([0-9a-z-]+)\.(data|map)$/;

const volumeId = (machineId: string, number: number, layerId: string, role: 'data' | 'map') =>
  `overlay.${machineId}.${number}.${layerId}.${role}`;

interface Found {
  readonly number: number;
  readonly layerId: string;
  readonly volumes: string[];
  /** Bytes of each. */
  readonly sizes: number[];
}

/** Both volumes are there and have their size: a crash may come between the name and the size. */
const isWhole = ({ sizes }: Found): boolean => sizes.length === 2 && !sizes.includes(0);

export class OverlayBook {
  readonly #repository: Repository;
  readonly #bootId: string;
  readonly #workers: number;
  readonly #unrestored: ReadonlyMap<string, unknown>;
  readonly #mutex = new KeyedMutex();
  /** Newest generation on disk, not yet opened since the service started. */
  readonly #onDisk: Map<string, Found>;
  readonly #current = new Map<string, Entry>();
  readonly #byKey = new Map<string, Entry>();

  private constructor(
    repository: Repository,
    bootId: string,
    workers: number,
    unrestored: ReadonlyMap<string, unknown>,
    onDisk: Map<string, Found>,
  ) {
    this.#repository = repository;
    this.#bootId = bootId;
    this.#workers = workers;
    this.#unrestored = unrestored;
    this.#onDisk = onDisk;
  }

  /** Reads what is on disk and deletes what no machine needs any more. */
  static async open(options: {
    readonly repository: Repository;
    /** Changes when the host restarts: tells whether the page cache survived. */
    readonly bootId: string;
    readonly workers: number;
    /** Data volumes of overlays that must not be used: a crash's flushed writes are missing in them. */
    readonly unrestored?: ReadonlyMap<string, unknown>;
    readonly machineIds: ReadonlySet<string>;
  }): Promise<OverlayBook> {
    const { repository, machineIds } = options;
    const found = findGenerations(await repository.volumes.listVolumes());
    const newest = new Map<string, Found>();
    for (const [machineId, generations] of found) {
      // A half-made generation was never handed to anybody.
      const whole = generations.filter(isWhole);
      const last = machineIds.has(machineId) ? whole.at(-1) : undefined;
      if (last !== undefined) newest.set(machineId, last);
      for (const stale of generations.filter((generation) => generation !== last)) {
        await deleteVolumes(repository.volumes, stale.volumes);
      }
    }
    const { bootId, workers, unrestored = new Map() } = options;
    return new OverlayBook(repository, bootId, workers, unrestored, newest);
  }

  /** The machine's current overlay, opened or made on demand; counts one use until `released`. */
  use(owner: OverlayOwner): Promise<Generation> {
    return this.#mutex.run(owner.machineId, async () => {
      const entry = await this.#ensure(owner);
      entry.uses++;
      return entry;
    });
  }

  /** The layer under the machine's current overlay; undefined when it has none yet. */
  currentLayerId(machineId: string): string | undefined {
    return (this.#current.get(machineId) ?? this.#onDisk.get(machineId))?.layerId;
  }

  /** @throws Fault when a retired overlay cannot be deleted; the next start tries again */
  async released(key: string): Promise<void> {
    const entry = this.#byKey.get(key);
    if (entry === undefined) return;
    await this.#mutex.run(entry.machineId, async () => {
      entry.uses--;
      await this.#deleteIfUnused(entry);
    });
  }

  /** Begins a new, empty generation. */
  renew(owner: OverlayOwner): Promise<void> {
    return this.#mutex.run(owner.machineId, async () => {
      await this.#renew(owner);
    });
  }

  /** Deletes the machine's overlay; what is open is deleted when its last reader leaves. */
  remove(machineId: string): Promise<void> {
    return this.#mutex.run(machineId, async () => {
      const stored = this.#onDisk.get(machineId);
      this.#onDisk.delete(machineId);
      if (stored !== undefined) await deleteVolumes(this.#repository.volumes, stored.volumes);
      const entry = this.#current.get(machineId);
      this.#current.delete(machineId);
      if (entry === undefined) return;
      entry.retired = true;
      await this.#deleteIfUnused(entry);
    });
  }

  setQuota(machineId: string, quotaBytes: number | undefined): void {
    const entry = this.#current.get(machineId);
    if (entry !== undefined) setOverlayQuota(entry.state, quotaBytes);
  }

  gauges(machineId: string): OverlayGauges | undefined {
    const entry = this.#current.get(machineId);
    return entry === undefined ? undefined : readOverlayGauges(entry.state);
  }

  machineOf(key: string): string | undefined {
    return this.#byKey.get(key)?.machineId;
  }

  /** Opens what is on disk, so that its figures can be shown before anybody connects. */
  async load(owner: OverlayOwner): Promise<void> {
    await this.#mutex.run(owner.machineId, async () => {
      if (this.#onDisk.has(owner.machineId)) await this.#ensure(owner);
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
      if (!needsSettling(entry.state)) continue;
      try {
        await this.#mutex.run(entry.machineId, () => this.#settle(entry));
      } catch (error) {
        failures.push({ key: entry.key, error });
      }
    }
    return failures;
  }

  async #settle({ data, map, size, retired, state }: Entry): Promise<void> {
    if (retired) return; // renewed or removed since
    const mapDevice = await this.#repository.data.open(map, { write: true });
    try {
      const dataDevice = await this.#repository.data.open(data, { write: true });
      try {
        const journalled = lastJournalled(state);
        const bootId = this.#bootId;
        await settleOverlay({ map: mapDevice, data: dataDevice, size, bootId, journalled });
      } finally {
        await dataDevice.close();
      }
    } finally {
      await mapDevice.close();
    }
  }

  async #renew(owner: OverlayOwner): Promise<Entry> {
    const old = this.#current.get(owner.machineId);
    const stored = this.#onDisk.get(owner.machineId);
    const number = Math.max(old?.number ?? 0, stored?.number ?? 0) + 1;
    const fresh = await this.#create(owner, number);
    this.#onDisk.delete(owner.machineId);
    this.#current.set(owner.machineId, fresh);
    if (stored !== undefined) await deleteVolumes(this.#repository.volumes, stored.volumes);
    if (old !== undefined) {
      old.retired = true;
      await this.#deleteIfUnused(old);
    }
    return fresh;
  }

  async #ensure(owner: OverlayOwner): Promise<Entry> {
    const open = this.#current.get(owner.machineId);
    const stored = this.#onDisk.get(owner.machineId);
    const standsOn = (open ?? stored)?.layerId;
    // The machine was given another vDisk, and what should have renewed its overlay did not get so
    // far: blocks of one disk are nothing on another.
    if (standsOn !== undefined && !owner.layerIds.has(standsOn)) return this.#renew(owner);
    if (open !== undefined) return open;
    const entry =
      stored === undefined
        ? await this.#create(owner, 1)
        : await this.#attach(owner, stored.number, stored.layerId);
    this.#onDisk.delete(owner.machineId);
    this.#current.set(owner.machineId, entry);
    return entry;
  }

  async #create(owner: OverlayOwner, number: number): Promise<Entry> {
    const { machineId, layerId, size } = owner;
    if (size > MAXIMUM_OVERLAY_BYTES) {
      throw new Fault('LIMIT_EXCEEDED', `a disk of ${size} bytes is too large for a write cache`, {
        field: 'vdisk.size',
        value: size,
        expected: `at most ${MAXIMUM_OVERLAY_BYTES} bytes (MAXIMUM_OVERLAY_BYTES)`,
      });
    }
    const data = volumeId(machineId, number, layerId, 'data');
    const map = volumeId(machineId, number, layerId, 'map');
    try {
      const volume = await this.#repository.volumes.createVolume({
        id: map,
        size: overlayMapBytes(size),
      });
      const device = await this.#repository.data.open(volume.locator, { write: true });
      try {
        await formatOverlay(device, { size, bootId: this.#bootId });
      } finally {
        await device.close();
      }
      // The data volume comes last: where both exist, the map is known to be formatted.
      await this.#repository.volumes.createVolume({ id: data, size });
      return await this.#attach(owner, number, layerId);
    } catch (error) {
      await deleteVolumes(this.#repository.volumes, [data, map]);
      throw error;
    }
  }

  async #attach(owner: OverlayOwner, number: number, layerId: string): Promise<Entry> {
    const { machineId, size, quotaBytes } = owner;
    this.#refuseUnrestored(volumeId(machineId, number, layerId, 'data'));
    const { locator: data } = await this.#repository.volumes.showVolume(
      volumeId(machineId, number, layerId, 'data'),
    );
    const { locator: map } = await this.#repository.volumes.showVolume(
      volumeId(machineId, number, layerId, 'map'),
    );
    const device = await this.#repository.data.open(map, { write: true });
    try {
      const state = await recoverOverlay({
        map: device,
        size,
        bootId: this.#bootId,
        quotaBytes,
        workers: this.#workers,
      });
      const key = `machine:${machineId}:${number}`;
      const entry: Entry = {
        ...{ machineId, number, layerId, key, data, map, state, size },
        uses: 0,
        retired: false,
      };
      this.#byKey.set(key, entry);
      return entry;
    } finally {
      await device.close();
    }
  }

  #refuseUnrestored(dataVolume: string): void {
    if (!this.#unrestored.has(dataVolume)) return;
    const message =
      'writes that this machine flushed before the server crashed could not be restored from the ' +
      'flush journal; see the log of the start, mend its cause and start the service again, or ' +
      'reset the machine to give them up';
    const cause = this.#unrestored.get(dataVolume);
    throw new Fault('UNAVAILABLE', message, { field: 'overlay', value: dataVolume }, { cause });
  }

  async #deleteIfUnused(entry: Entry): Promise<void> {
    if (!entry.retired || entry.uses > 0) return;
    this.#byKey.delete(entry.key);
    const { machineId, number, layerId } = entry;
    await deleteVolumes(
      this.#repository.volumes,
      (['data', 'map'] as const).map((role) => volumeId(machineId, number, layerId, role)),
    );
  }
}

function findGenerations(volumes: readonly Pick<Volume, 'id' | 'size'>[]): Map<string, Found[]> {
  const found = new Map<string, Map<number, Found>>();
  for (const { id, size } of volumes) {
    const match = NAME.exec(id);
    const [, machineId, number, layerId] = match ?? [];
    if (machineId === undefined || number === undefined || layerId === undefined) continue;
    const generations = found.get(machineId) ?? new Map<number, Found>();
    found.set(machineId, generations);
    const generation = generations.get(Number(number)) ?? {
      number: Number(number),
      layerId,
      volumes: [],
      sizes: [],
    };
    generations.set(Number(number), generation);
    generation.volumes.push(id);
    generation.sizes.push(size);
  }
  return new Map(
    [...found].map(([machineId, generations]) => [
      machineId,
      [...generations.values()].sort((a, b) => a.number - b.number),
    ]),
  );
}
