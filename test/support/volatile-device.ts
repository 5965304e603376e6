/**
 * A disk behind a page cache that forgets. Writes go to the cache; a flush makes those made before it
 * stable; `powerLoss` keeps, of each sector written since, any version the cache ever held or the
 * stable one, independently of all others: the worst that a host and its disk may do.
 */
import {
  type Capabilities,
  type Extent,
  type Geometry,
  type Loan,
  type MeasurableDevice,
  MemoryDevice,
  PLAIN,
  type WriteOptions,
  type ZeroOptions,
} from '../../src/block/index.ts';
import { BlockError } from '../../src/errors/index.ts';
import { eventLoopTurns } from './content.ts';

const SECTOR = 512;

/** What outlives processes (the cache) and hosts (the stable part). */
export class VolatileDisk {
  /** Bytes; may be changed up to the room that there is. */
  size: number;
  readonly cache: MemoryDevice;
  readonly #stable: MemoryDevice;
  /** Versions of each sector since it was last stable, oldest first. */
  #pending = new Map<number, Buffer[]>();

  constructor(size: number, room = size) {
    this.size = size;
    this.cache = new MemoryDevice({ size: room });
    this.#stable = new MemoryDevice({ size: room });
  }

  write(source: Buffer, offset: number): void {
    this.cache.write(source, offset, PLAIN);
    const first = Math.floor(offset / SECTOR);
    const last = Math.floor((offset + source.length - 1) / SECTOR);
    for (let sector = first; sector <= last; sector++) {
      const versions = this.#pending.get(sector) ?? [];
      versions.push(this.#sector(this.cache, sector));
      this.#pending.set(sector, versions);
    }
  }

  /** What was written when this is called is stable when the returned function was called. */
  beginSync(): () => void {
    const newest = [...this.#pending].map(([sector, list]) => [sector, list.at(-1)] as const);
    return () => {
      for (const [sector, version] of newest) {
        const list = this.#pending.get(sector) ?? [];
        // Another sync that ran meanwhile may have taken it already, or some that were before it.
        const index = version === undefined ? -1 : list.indexOf(version);
        if (version === undefined || index < 0) continue;
        this.#stable.write(version, sector * SECTOR, PLAIN);
        list.splice(0, index + 1);
        if (list.length === 0) this.#pending.delete(sector);
      }
    };
  }

  /** @param keep chance that an unsynced version of a sector has reached the disk */
  powerLoss(random: () => number, keep: number): void {
    for (const [sector, versions] of this.#pending) {
      const version = versions[Math.floor(random() * versions.length)];
      if (version !== undefined && random() < keep) {
        this.#stable.write(version, sector * SECTOR, PLAIN);
      }
    }
    // Elsewhere the cache holds what is stable.
    for (const sector of this.#pending.keys()) {
      this.cache.write(this.#sector(this.#stable, sector), sector * SECTOR, PLAIN);
    }
    this.#pending = new Map();
  }

  #sector(device: MemoryDevice, sector: number): Buffer {
    const bytes = Buffer.alloc(Math.min(SECTOR, device.geometry.size - sector * SECTOR));
    device.read(bytes, sector * SECTOR);
    return bytes;
  }
}

/** One process's handle of the disk; after `kill` nothing it does has an effect. */
export class VolatileDevice implements MeasurableDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;
  readonly #disk: VolatileDisk;
  readonly #random: () => number;
  #dead = false;
  #left = Number.POSITIVE_INFINITY;
  currentSize: number;
  /** Syncs of one file do not overtake each other. */
  #syncing: Promise<void> = Promise.resolve();

  constructor(disk: VolatileDisk, random: () => number) {
    this.#disk = disk;
    this.#random = random;
    this.geometry = Object.freeze({ ...disk.cache.geometry, size: disk.size });
    this.currentSize = disk.size;
    this.capabilities = disk.cache.capabilities;
  }

  kill(): void {
    this.#dead = true;
  }

  /** Dies instead of the next but so many writes, zeroes and flushes. */
  killAfter(changes: number): void {
    this.#left = changes;
  }

  get isDead(): boolean {
    return this.#dead;
  }

  async measure(): Promise<number> {
    this.#check();
    this.currentSize = this.#disk.size;
    return this.currentSize;
  }

  read(target: Buffer, offset: number): void {
    this.#check();
    this.#disk.cache.read(target, offset);
  }

  lend(): Loan | undefined {
    return undefined;
  }

  cache(): void {}

  extents(offset: number, length: number, limit: number): Extent[] {
    return this.#disk.cache.extents(offset, length, limit);
  }

  write(source: Buffer, offset: number, options: WriteOptions): void | Promise<void> {
    this.#change();
    this.#disk.write(source, offset);
    return options.fua ? this.flush() : undefined;
  }

  async flush(): Promise<void> {
    this.#change();
    const finish = this.#disk.beginSync();
    const before = this.#syncing;
    const turns = Math.floor(this.#random() * 4);
    this.#syncing = before.then(() => eventLoopTurns(turns));
    await this.#syncing;
    this.#check();
    finish();
  }

  async trim(offset: number, length: number, options: WriteOptions): Promise<void> {
    await eventLoopTurns(Math.floor(this.#random() * 4));
    await this.zero(offset, length, { ...options, noHole: false, fast: false });
  }

  zero(offset: number, length: number, options: ZeroOptions): void | Promise<void> {
    this.#change();
    for (let done = 0; done < length; done += 64 * 1024) {
      this.#disk.write(Buffer.alloc(Math.min(64 * 1024, length - done)), offset + done);
    }
    return options.fua ? this.flush() : undefined;
  }

  async close(): Promise<void> {}

  #change(): void {
    if (this.#left === 0) this.#dead = true;
    this.#left -= 1;
    this.#check();
  }

  #check(): void {
    if (this.#dead) throw new BlockError('ESHUTDOWN', 'write', 0, 0, 'the process is dead');
  }
}
