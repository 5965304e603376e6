/**
 * The array itself: what would be a machine behind an API elsewhere. It knows objects by its own ids, keeps what it
 * is told as a tag, and does what it is asked once, synchronously. It has no idea of retries: those are the adapter's work.
 */
import { createHash } from 'node:crypto';
import { ArrayError } from '../../errors/index.ts';
import type { HostIdentity } from '../../repositories/index.ts';
import { FaultPlan } from './fault-plan.ts';
import { PAGE_BYTES } from './limits.ts';
import { PagePool } from './page-pool.ts';
import { pagesOf } from './page-table.ts';
import { PagedDisk } from './paged-disk.ts';
import { Sessions } from './sessions.ts';

export interface StoredVolume {
  readonly id: string;
  readonly name: string;
  tag: string | undefined;
  readonly thin: boolean;
  readonly wwid: string;
  /** Of what it was cloned from and depends on. */
  parent: string | undefined;
  readonly disk: PagedDisk;
  /** The wish of its last revert: the same one again is a retry. */
  lastRevert: string | undefined;
  /** Of a replication link: only a primary may be written. */
  link: StoredLink | undefined;
}

export interface StoredSnapshot {
  readonly id: string;
  readonly name: string;
  readonly tag: string;
  readonly volume: { readonly id: string; readonly name: string };
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Orders snapshots of the same millisecond. */
  readonly order: number;
  readonly disk: PagedDisk;
}

export interface StoredMapping {
  readonly id: string;
  readonly object: string;
  readonly objectName: string;
  readonly host: HostIdentity;
  readonly mode: 'rw' | 'ro';
  readonly lun: number;
  readonly chap:
    | {
        readonly user: string;
        readonly password: string;
      }
    | undefined;
}

/** One end of a replicated volume. The other is found by `peerVolume` in the array of that name. */
export interface StoredLink {
  readonly id: string;
  readonly peer: string;
  readonly peerVolume: string;
  role: 'primary' | 'secondary';
  /** It was promoted by force: the other end may have gone on too. */
  forced: boolean;
  /** It was demoted, and everything it had is on the other side. */
  demoted: boolean;
  /** The newest point that is complete on the secondary, in milliseconds since the epoch. */
  lastSyncAt: number | undefined;
  /** That point, at the end that sent it: the next one is what differs from it. */
  base: PagedDisk | undefined;
  sending: boolean;
}

export interface Owner {
  readonly repositoryId: string;
  readonly server: string;
  /** Raised by every take-over. */
  readonly epoch: number;
}

export class SimulatedArray {
  readonly name: string;
  readonly pool: PagePool;
  readonly faults = new FaultPlan();
  readonly sessions = new Sessions();
  readonly volumes = new Map<string, StoredVolume>();
  readonly snapshots = new Map<string, StoredSnapshot>();
  readonly mappings = new Map<string, StoredMapping>();
  readonly fenced = new Set<string>();
  owner: Owner | undefined;
  /** Portals that answer. */
  readonly pathsDown = new Set<string>();
  #ids = 0;

  constructor(name: string, capacity: number) {
    this.name = name;
    this.pool = new PagePool(capacity);
  }

  get idsGiven(): number {
    return this.#ids;
  }

  giveIdsAfter(given: number): void {
    this.#ids = given;
  }

  /** Never given twice, and in the order of their making. */
  newId(kind: string): string {
    this.#ids += 1;
    return `${kind}-${String(this.#ids).padStart(8, '0')}`;
  }

  addVolume(wanted: {
    readonly name: string;
    readonly tag: string | undefined;
    readonly thin: boolean;
    readonly size: number;
    readonly disk?: PagedDisk;
    readonly parent?: string;
  }): StoredVolume {
    const id = this.newId('vol');
    const volume: StoredVolume = {
      id,
      name: wanted.name,
      tag: wanted.tag,
      thin: wanted.thin,
      wwid: this.#wwid(id),
      parent: wanted.parent,
      disk: wanted.disk ?? new PagedDisk(this.pool, wanted.size),
      lastRevert: undefined,
      link: undefined,
    };
    this.volumes.set(id, volume);
    try {
      this.growVolume(volume, wanted.size);
    } catch (error) {
      this.removeVolume(id);
      throw error;
    }
    return volume;
  }

  growVolume(volume: StoredVolume, size: number): void {
    const { disk } = volume;
    if (!volume.thin) {
      const needed = pagesOf(size) * PAGE_BYTES - disk.allocatedBytes;
      if (needed > this.pool.capacityBytes - this.pool.usedBytes) throw full();
    }
    disk.grow(size);
    if (!volume.thin) disk.makeWritable(0, pagesOf(size));
  }

  removeVolume(id: string): void {
    this.volumes.get(id)?.disk.clear();
    this.volumes.delete(id);
  }

  addSnapshots(
    wanted: readonly { volume: StoredVolume; name: string; tag: string }[],
    now: number,
  ): StoredSnapshot[] {
    const disks = PagedDisk.share(
      wanted.map(({ volume }) => volume.disk),
      false,
    );
    return wanted.flatMap(({ volume, name, tag }, index) => {
      const disk = disks[index];
      if (disk === undefined) return [];
      const id = this.newId('snap');
      const order = this.#ids;
      const of = { id: volume.id, name: volume.name };
      const snapshot = { id, name, tag, volume: of, createdAt: now, order, disk };
      this.snapshots.set(id, snapshot);
      return [snapshot];
    });
  }

  removeSnapshot(id: string): void {
    this.snapshots.get(id)?.disk.clear();
    this.snapshots.delete(id);
  }

  /** Oldest first. */
  snapshotsOf(volume: string): StoredSnapshot[] {
    return [...this.snapshots.values()].filter((each) => each.volume.id === volume);
  }

  clonesOf(id: string): StoredVolume[] {
    return [...this.volumes.values()].filter(({ parent }) => parent === id);
  }

  mappingsOf(id: string): StoredMapping[] {
    return [...this.mappings.values()].filter(({ object }) => object === id);
  }

  /** The content of a volume or a snapshot. */
  find(id: string): StoredVolume | StoredSnapshot | undefined {
    return this.volumes.get(id) ?? this.snapshots.get(id);
  }

  /** NAA type 6: one that stays the volume's, and is no other's. */
  #wwid(id: string): string {
    return `naa.6${createHash('sha256').update(`${this.name}/${id}`).digest('hex').slice(0, 31)}`;
  }
}

export function full(): ArrayError {
  return new ArrayError('NO_SPACE', 'the simulated array is full');
}
