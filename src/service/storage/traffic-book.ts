/**
 * What passes through volumes, snapshots and vDisks, counted by the threads that serve them, in memory that goes to
 * them with the plans of exports: each disk has its own, and a repository's figures are the sum of its disks'.
 *
 * A disk that was never opened has none. One that is closed keeps its own, so that it goes on where it was: that is
 * why none is freed when a disk is deleted, which nobody would have to tell. When there is no room for another, the
 * one that was closed first goes, and what it has counted is kept in the sum of its repository, which so only grows.
 * When all are open, further disks share one counter of their repository until they are closed.
 */
import type { Catalog } from '../../control/index.ts';
import { createTraffic, readTraffic, type Traffic } from '../../exports/index.ts';
import { MAX_COUNTED_DISKS } from './limits.ts';

export interface TrafficBookOptions {
  readonly catalog: { readonly repositories: Pick<Catalog['repositories'], 'all'> };
  readonly isAttached: (repositoryId: string) => boolean;
  /** Threads that serve exports. */
  readonly workers: number;
  /** By default MAX_COUNTED_DISKS. */
  readonly disksMax?: number;
}

export interface CountedDisk {
  /** Of what is open of it: uses with the same key are of the same disk. */
  readonly key: string;
  /** Of a volume, a snapshot, or a layer. */
  readonly id: string;
  /** undefined: a sealed layer that is read as it is, by who looks at a vDisk, or writes to itself. */
  readonly repositoryId: string | undefined;
}

interface Counter {
  readonly disk: CountedDisk;
  readonly memory: SharedArrayBuffer;
  /** Not that of its repository. */
  readonly isOwn: boolean;
  /** Plans that are out; a thread gives one back when it does not count in it any more. */
  users: number;
}

/** Of a repository, or of all layers. */
interface Group {
  /** What was counted by disks that have no counter any more. */
  gone: Traffic;
  /** Where disks count that have no room for their own. */
  shared: SharedArrayBuffer | undefined;
}

const NOTHING: Traffic = { bytesRead: 0, bytesWritten: 0, readRequests: 0, writeRequests: 0 };

export class TrafficBook {
  readonly #options: TrafficBookOptions;
  /** By key. */
  readonly #counters = new Map<string, Counter>();
  /** Keys of counters of disks that nobody has open, the one that was closed first first. */
  readonly #closed = new Set<string>();
  /** Counters that are not shared. */
  #own = 0;
  /** By repository; undefined: layers. */
  readonly #groups = new Map<string | undefined, Group>();

  constructor(options: TrafficBookOptions) {
    this.#options = options;
  }

  /** Where what passes through a disk is counted, until `release` of its key, once for each use. */
  use(disk: CountedDisk): SharedArrayBuffer {
    const counter = this.#counters.get(disk.key) ?? this.#create(disk);
    counter.users += 1;
    this.#closed.delete(disk.key);
    return counter.memory;
  }

  /** Nobody counts in it any more by that use. */
  release(key: string): void {
    const counter = this.#counters.get(key);
    if (counter === undefined) return; // its repository is gone
    counter.users -= 1;
    if (counter.users > 0) return;
    if (counter.isOwn) this.#closed.add(key);
    else this.#counters.delete(key);
  }

  /** Of each that is attached, by its id. */
  ofRepositories(): ReadonlyMap<string, Traffic> {
    const { catalog, isAttached } = this.#options;
    const ids = catalog.repositories.all().map(({ id }) => id);
    this.#forgetBut(new Set(ids));
    const sums = this.#sums((id) => id !== undefined);
    return new Map(ids.filter(isAttached).map((id) => [id, sums.get(id) ?? NOTHING]));
  }

  ofLayers(): Traffic {
    return this.#sums((id) => id === undefined).get(undefined) ?? NOTHING;
  }

  /** Of each volume, snapshot and layer with a counter of its own that was read or written, by its id. */
  ofDisks(): ReadonlyMap<string, Traffic> {
    const found = new Map<string, Traffic>();
    for (const { disk, memory, isOwn } of this.#counters.values()) {
      const traffic = isOwn ? readTraffic(memory) : NOTHING;
      if (traffic.readRequests + traffic.writeRequests === 0) continue;
      found.set(disk.id, traffic);
    }
    return found;
  }

  #create(disk: CountedDisk): Counter {
    const { workers, disksMax = MAX_COUNTED_DISKS } = this.#options;
    if (this.#own >= disksMax) this.#makeRoom();
    const isOwn = this.#own < disksMax;
    const group = this.#groupOf(disk.repositoryId);
    if (!isOwn) group.shared ??= createTraffic(workers);
    const memory = (isOwn ? undefined : group.shared) ?? createTraffic(workers);
    const counter = { disk, memory, isOwn, users: 0 };
    this.#counters.set(disk.key, counter);
    if (isOwn) this.#own += 1;
    return counter;
  }

  #makeRoom(): void {
    const [key] = this.#closed;
    const counter = key === undefined ? undefined : this.#counters.get(key);
    if (counter === undefined) return;
    const group = this.#groupOf(counter.disk.repositoryId);
    group.gone = sumOf(group.gone, readTraffic(counter.memory));
    this.#forget(counter);
  }

  #forget({ disk: { key }, isOwn }: Counter): void {
    this.#counters.delete(key);
    this.#closed.delete(key);
    if (isOwn) this.#own -= 1;
  }

  /** Of repositories that were deleted nobody asks. */
  #forgetBut(there: ReadonlySet<string>): void {
    const isGone = (id: string | undefined): boolean => id !== undefined && !there.has(id);
    const gone = [...this.#groups.keys()].filter(isGone);
    if (gone.length === 0) return;
    for (const id of gone) this.#groups.delete(id);
    for (const counter of this.#counters.values()) {
      if (isGone(counter.disk.repositoryId)) this.#forget(counter);
    }
  }

  #groupOf(repositoryId: string | undefined): Group {
    const known = this.#groups.get(repositoryId);
    if (known !== undefined) return known;
    const group = { gone: NOTHING, shared: undefined };
    this.#groups.set(repositoryId, group);
    return group;
  }

  /** Of the groups that are wanted; the disks of others are not read. */
  #sums(
    isWanted: (repositoryId: string | undefined) => boolean,
  ): ReadonlyMap<string | undefined, Traffic> {
    const sums = new Map<string | undefined, Traffic>();
    for (const [id, { gone, shared }] of this.#groups) {
      if (isWanted(id))
        sums.set(id, shared === undefined ? gone : sumOf(gone, readTraffic(shared)));
    }
    for (const { disk, memory, isOwn } of this.#counters.values()) {
      const { repositoryId } = disk;
      if (!isOwn || !isWanted(repositoryId)) continue;
      sums.set(repositoryId, sumOf(sums.get(repositoryId) ?? NOTHING, readTraffic(memory)));
    }
    return sums;
  }
}

function sumOf(one: Traffic, other: Traffic): Traffic {
  return {
    bytesRead: one.bytesRead + other.bytesRead,
    bytesWritten: one.bytesWritten + other.bytesWritten,
    readRequests: one.readRequests + other.readRequests,
    writeRequests: one.writeRequests + other.writeRequests,
  };
}
