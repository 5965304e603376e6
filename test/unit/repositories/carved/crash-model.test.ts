/**
 * Random lives of a carved device against a naive model: several workers write, trim, zero and flush volumes that are
 * made, grown and deleted meanwhile; then the process dies, or the host with all that was not flushed, and what comes
 * back is compared sector by sector.
 *
 * A sector holds its volume and a number that is never used twice, so that another volume's data, however old, shows.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type BlockDevice, FaultyDevice, PLAIN, PLAIN_ZERO } from '../../../../src/block/index.ts';
import { ArrayError, BlockError } from '../../../../src/errors/index.ts';
import type { ArrayVolume, CarvedControl, VolumeData } from '../../../../src/repositories/index.ts';
import { fsckCarved } from '../../../../src/repositories/index.ts';
import { attachForTest, KIB, MIB, workerOf } from '../../../support/carved.ts';
import { eventLoopTurns } from '../../../support/content.ts';
import { SEED, seededRandom } from '../../../support/seed.ts';
import { VolatileDevice, VolatileDisk } from '../../../support/volatile-device.ts';

const SECTOR = 512;
const EXTENT = 64 * KIB;
const LANES = 3;
/** The device grows up to this, and its metadata moves at least twice. */
const LARGEST = 300 * MIB;

/** What a sector may hold. */
class Sectors {
  /** As reads see it now; undefined: one of `possible` (a change of it failed). */
  readonly now: (number | undefined)[];
  /** What it may hold after a death of the host. */
  readonly possible: Set<number>[];

  constructor(count: number) {
    this.now = Array.from({ length: count }, () => 0);
    this.possible = Array.from({ length: count }, () => new Set([0]));
  }

  /** Before a change: it may be half done when we die. */
  begin(from: number, count: number, value: number): void {
    for (let sector = from; sector < from + count; sector++) {
      this.possible[sector]?.add(value);
      this.now[sector] = undefined;
    }
  }

  done(from: number, count: number, value: number): void {
    this.now.fill(value, from, from + count);
  }

  /** What was so at the time of the call is stable. */
  flushed(): void {
    for (const [sector, value] of this.now.entries()) {
      if (value !== undefined) this.possible[sector] = new Set([value]);
    }
  }
}

interface Disk {
  readonly volume: ArrayVolume;
  readonly sectors: Sectors;
  /** Deleting it has begun. */
  ending: boolean;
}

/** What fails at once does not leave those that were begun before without anybody who hears of them. */
async function asPromise(begin: () => void | Promise<void>): Promise<void> {
  await begin();
}

function fill(bytes: Buffer, value: number): void {
  for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(value, at);
}

/** The value of a sector; -1: torn. */
function heldBy(bytes: Buffer): number {
  const value = bytes.readUInt32LE(0);
  for (let at = 0; at < bytes.length; at += 4) if (bytes.readUInt32LE(at) !== value) return -1;
  return value;
}

class Life {
  readonly #random: () => number;
  readonly #disk = new VolatileDisk(7 * MIB, LARGEST);
  readonly #disks = new Map<string, Disk>();
  #handles: VolatileDevice[] = [];
  #value = 0;
  #tag = 0;
  #dead = false;
  compared = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #open = (): VolatileDevice => {
    const device = new VolatileDevice(this.#disk, this.#random);
    this.#handles.push(device);
    return device;
  };

  /** Requests that wait a little, and some that wait for as long as it takes to free and map an extent again. */
  #slow(device: BlockDevice): BlockDevice {
    return new FaultyDevice(device, () => {
      const chance = this.#random();
      if (chance < 0.5) return undefined;
      return { delay: eventLoopTurns(chance < 0.9 ? 1 : 20 + this.#below(100)) };
    });
  }

  async run(generations: number): Promise<void> {
    for (let generation = 0; generation < generations; generation++) {
      this.#dead = false;
      const control = await attachForTest({
        device: this.#open(),
        repositoryId: 'life',
        create: generation === 0,
        extentSize: EXTENT,
        overcommit: 3,
      });
      await this.#compare(control);
      // Requests of the workers wait at random, so that many are under way when something is freed.
      const workers = [0, 1].map(() => workerOf(control, () => this.#slow(this.#open())));
      const lanes = Array.from({ length: LANES }, (_, lane) => this.#lane(control, workers, lane));
      const all = Promise.all([...lanes, this.#grow(control)]);
      await Promise.race([all, eventLoopTurns(20 + this.#below(600))]);
      this.#dead = true;
      for (const device of this.#handles) device.kill();
      await all;
      await control.close();
      this.#handles = [];
      if (this.#random() < 0.7) this.#loseHost();
    }
    const control = await attachForTest({ device: this.#open(), repositoryId: 'life' });
    await this.#compare(control);
    await control.close();
    const report = await fsckCarved(this.#open());
    expect(report.findings).toEqual([]);
  }

  #loseHost(): void {
    // Mostly almost all of it is kept: what a rule of order forgets shows when one half is there and the other is not.
    const keep = this.#random() < 0.6 ? 1 - this.#random() * 0.1 : this.#random();
    this.#disk.powerLoss(this.#random, keep);
    for (const { sectors } of this.#disks.values()) sectors.now.fill(undefined);
  }

  /** Sooner or later the device is larger; the control thread may be told, or find out at the next attach. */
  async #grow(control: CarvedControl): Promise<void> {
    await eventLoopTurns(this.#below(300));
    if (this.#dead) return;
    const factor = this.#random() < 0.3 ? 6 : 1 + this.#random();
    const sectors = Math.floor((this.#disk.size * factor) / SECTOR);
    this.#disk.size = Math.min(LARGEST, sectors * SECTOR);
    try {
      if (this.#random() < 0.8) await control.refresh();
    } catch (error) {
      if (!this.#dead) throw error;
    }
  }

  /** Works on volumes of its own until the end. */
  async #lane(control: CarvedControl, workers: VolumeData[], lane: number): Promise<void> {
    for (;;) {
      try {
        const mine = [...this.#disks.values()].filter((disk) => laneOf(disk) === lane);
        const disk = mine[this.#below(mine.length)];
        if (disk === undefined || (mine.length < 2 && this.#random() < 0.3)) {
          await this.#create(control, lane);
        } else if (mine.length > 1 && this.#random() < 0.25) await this.#delete(control, disk);
        else if (this.#random() < 0.3) await this.#race(workers, disk);
        else await this.#use(workers[this.#below(workers.length)], disk);
      } catch (error) {
        if (this.#dead) return;
        const full =
          (error instanceof ArrayError && error.code === 'NO_SPACE') ||
          (error instanceof BlockError && error.errno === 'ENOSPC');
        if (!full) throw error;
      }
      await eventLoopTurns(1);
      if (this.#dead) return;
    }
  }

  async #create(control: CarvedControl, lane: number): Promise<void> {
    this.#tag += 1;
    const tag = `${lane}-${this.#tag}`;
    const size = (1 + this.#below(64)) * 4 * KIB + this.#below(4) * EXTENT;
    const thin = this.#random() < 0.8;
    const volume = await control.createVolume({ opId: tag, tag, name: tag, size, thin });
    this.#disks.set(tag, { volume, sectors: new Sectors(volume.size / SECTOR), ending: false });
  }

  async #delete(control: CarvedControl, disk: Disk): Promise<void> {
    disk.ending = true;
    await control.deleteVolume({ opId: 'd', ref: disk.volume.ref });
    this.#disks.delete(disk.volume.tag ?? '');
  }

  async #use(worker: VolumeData | undefined, disk: Disk): Promise<void> {
    const device = await worker?.open(disk.volume.locator, { write: true });
    if (device === undefined) return;
    try {
      for (let step = this.#below(12); step >= 0 && !this.#dead; step--) {
        await this.#step(device, disk.sectors);
      }
    } finally {
      await device.close();
    }
  }

  /** Everything is written through one worker while another one frees it. */
  async #race(workers: VolumeData[], disk: Disk): Promise<void> {
    const { locator } = disk.volume;
    const { sectors } = disk;
    const devices = await Promise.all(workers.map((one) => one.open(locator, { write: true })));
    const [writer, freer] = devices;
    try {
      if (writer === undefined || freer === undefined) return;
      const count = sectors.now.length;
      this.#value += 1;
      const value = this.#value;
      sectors.begin(0, count, value);
      sectors.begin(0, count, 0);
      const source = Buffer.alloc(EXTENT);
      fill(source, value);
      const jobs: (void | Promise<void>)[] = [];
      for (let at = 0; at < count * SECTOR; at += EXTENT) {
        const length = Math.min(EXTENT, count * SECTOR - at);
        jobs.push(asPromise(() => writer.write(source.subarray(0, length), at, PLAIN)));
      }
      const written = Promise.allSettled(jobs);
      await eventLoopTurns(this.#below(3));
      const freed = await Promise.allSettled([freer.zero(0, count * SECTOR, PLAIN_ZERO)]);
      const failed = [...freed, ...(await written)].find((one) => one.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
      await this.#look(freer, sectors, 0, count);
    } finally {
      await Promise.all(devices.map((device) => device.close()));
    }
  }

  async #step(device: BlockDevice, sectors: Sectors): Promise<void> {
    const count = sectors.now.length;
    const from = this.#below(count);
    const most = this.#random() < 0.5 ? 16 : count;
    const length = 1 + this.#below(Math.min(most, count - from));
    const [at, bytes] = [from * SECTOR, length * SECTOR];
    const fua = this.#random() < 0.1;
    const choice = this.#random();
    if (choice < 0.5) {
      this.#value += 1;
      const value = this.#value;
      const source = Buffer.alloc(bytes);
      fill(source, value);
      sectors.begin(from, length, value);
      await device.write(source, at, { fua });
      sectors.done(from, length, value);
      if (fua) for (let s = from; s < from + length; s++) sectors.possible[s] = new Set([value]);
    } else if (choice < 0.65) {
      sectors.begin(from, length, 0);
      await device.zero(at, bytes, { ...PLAIN_ZERO, fua, noHole: this.#random() < 0.3 });
      sectors.done(from, length, 0);
      if (fua) for (let s = from; s < from + length; s++) sectors.possible[s] = new Set([0]);
    } else if (choice < 0.8 && device.capabilities.trim) {
      sectors.begin(from, length, 0);
      await device.trim(at, bytes, PLAIN);
      await this.#look(device, sectors, from, length);
    } else if (choice < 0.9) {
      await device.flush();
      sectors.flushed();
    } else await this.#look(device, sectors, from, length);
  }

  /** Reads, compares with what may be there, and takes what is there for what is so now. */
  async #look(device: BlockDevice, sectors: Sectors, from: number, length: number): Promise<void> {
    const target = Buffer.alloc(length * SECTOR);
    await device.read(target, from * SECTOR);
    for (let i = 0; i < length; i++) {
      const value = heldBy(target.subarray(i * SECTOR, (i + 1) * SECTOR));
      const expected = sectors.now[from + i];
      const possible = sectors.possible[from + i] ?? new Set();
      const right = expected === undefined ? possible.has(value) : value === expected;
      if (!right) {
        const wanted = expected === undefined ? `one of ${[...possible]}` : `${expected}`;
        throw new Error(`sector ${from + i} holds ${value}, not ${wanted}`);
      }
      sectors.now[from + i] = value;
      this.compared += 1;
    }
  }

  /** After an attach: the volumes are there, and each holds what it may. */
  async #compare(control: CarvedControl): Promise<void> {
    const found = new Map<string, ArrayVolume>();
    for (const volume of (await control.listVolumes({ ownedOnly: true })).items) {
      found.set(volume.tag ?? '', volume);
    }
    const worker = workerOf(control, this.#open);
    for (const [tag, disk] of [...this.#disks]) {
      const volume = found.get(tag);
      found.delete(tag);
      if (volume === undefined) {
        expect(disk.ending, `volume ${tag} is gone`).toBe(true);
        this.#disks.delete(tag);
        continue;
      }
      disk.ending = false;
      const device = await worker.open(volume.locator, { write: true });
      await this.#look(device, disk.sectors, 0, disk.sectors.now.length);
      // What was read may be in a cache only.
      await device.flush();
      disk.sectors.flushed();
      await device.close();
    }
    // Those whose making was not acknowledged: they hold nothing.
    for (const [tag, volume] of found) {
      const disk = { volume, sectors: new Sectors(volume.size / SECTOR), ending: false };
      const device = await worker.open(volume.locator, { write: true });
      await this.#look(device, disk.sectors, 0, disk.sectors.now.length);
      await device.close();
      this.#disks.set(tag, disk);
    }
  }
}

function laneOf(disk: Disk): number {
  return Number((disk.volume.tag ?? '').split('-')[0]);
}

test('whatever dies, a volume holds what was written to it, and nothing of another one', async () => {
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 }), async (seed) => {
      const life = new Life(seed);
      await life.run(5);
      compared += life.compared;
    }),
    { seed: SEED, numRuns: Number(process.env['ROOTCAST_LIVES'] ?? 3), endOnFailure: true },
  );
  expect(compared).toBeGreaterThan(1000);
}, 300_000);
