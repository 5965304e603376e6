/**
 * Opening an overlay by the summary of its map finds what reading all of both maps finds, whatever
 * happened before and wherever the process or the host died. Disks of many map pages, changed here and
 * there; a process dies in the middle of a write to the map, and of that write a part may be made.
 */
import { describe, expect, test } from 'vitest';
import { type BlockDevice, PLAIN, PLAIN_ZERO, ZeroDevice } from '../../src/block/index.ts';
import {
  formatOverlay,
  openOverlay,
  overlayMapBytes,
  recoverOverlay,
} from '../../src/vdisk/index.ts';
import { eventLoopTurns } from '../support/content.ts';
import { handle } from '../support/overlays.ts';
import { expectFound, mapsOf, scanAll } from '../support/scan-maps.ts';
import { SEED, seededRandom } from '../support/seed.ts';
import { VolatileDevice, VolatileDisk } from '../support/volatile-device.ts';

const GIB = 2 ** 30;
const BLOCK = 4096;
/** The disk that one page of the map describes. */
const PAGE_SPAN = 128 * 2 ** 20;

/** Dies in the middle of one write, whose first bytes alone reach the page cache. */
class Fuse {
  left = Number.POSITIVE_INFINITY;
  cut = 0;

  wrap(device: VolatileDevice, die: () => void): BlockDevice {
    const wrapped = handle(device);
    const write = wrapped.write.bind(wrapped);
    wrapped.write = (source, offset, options) => {
      this.left -= 1;
      if (this.left > 0) return write(source, offset, options);
      const length = Math.floor(source.length * this.cut);
      if (length > 0) write(source.subarray(0, length), offset, PLAIN);
      die();
      return write(source, offset, options);
    };
    return wrapped;
  }
}

/** Values that a block may have: the last settled one, then those of changes under way. */
class Contents {
  /** Since the last flush, oldest first; `undefined`: anything. */
  readonly #versions = new Map<number, (number | undefined)[]>();

  set(block: number, count: number, value: number | undefined): void {
    for (let at = block; at < block + count; at++) {
      this.#versions.set(at, [...(this.#versions.get(at) ?? [0]), value]);
    }
  }

  /** Everything has settled, and was flushed. */
  flushed(): void {
    for (const [block, list] of this.#versions) this.#versions.set(block, list.slice(-1));
  }

  get blocks(): number[] {
    return [...this.#versions.keys()];
  }

  /** @param underWay blocks [from, to) of a change that was not acknowledged */
  check(
    block: number,
    value: number,
    died: 'process' | 'host',
    underWay: [number, number],
  ): boolean {
    const list = this.#versions.get(block) ?? [0];
    const from = died === 'host' ? 0 : list.length - 1;
    const open = block >= underWay[0] && block < underWay[1] ? 1 : 0;
    const possible = list.slice(Math.max(0, from - open));
    return possible.includes(value) || possible.includes(undefined);
  }

  /** What was found is what is there; the host may still lose what was not flushed. */
  adopt(block: number, value: number | undefined, died: 'process' | 'host'): void {
    const list = this.#versions.get(block) ?? [0];
    this.#versions.set(block, died === 'host' ? [value] : [...list, value]);
  }
}

class Machine {
  readonly #random: () => number;
  readonly #size: number;
  readonly #map: VolatileDisk;
  readonly #data: VolatileDisk;
  readonly #contents = new Contents();
  readonly #spots: number[];
  #boot = 1;
  #fuse = new Fuse();
  #processes: VolatileDevice[] = [];
  device: BlockDevice | undefined;
  opened = 0;

  constructor(size: number, random: () => number) {
    this.#random = random;
    this.#size = size;
    this.#map = new VolatileDisk(overlayMapBytes(size));
    this.#data = new VolatileDisk(size);
    const last = Math.floor(size / BLOCK) - 1;
    // Where map pages turn over, and where the map ends.
    this.#spots = Array.from({ length: 12 }, () => {
      const page = Math.floor((random() * size) / PAGE_SPAN);
      return Math.min(last, page * (PAGE_SPAN / BLOCK));
    });
    this.#spots[0] = last;
  }

  #open(disk: VolatileDisk): VolatileDevice {
    const device = new VolatileDevice(disk, this.#random);
    this.#processes.push(device);
    return device;
  }

  die(): void {
    for (const device of this.#processes.splice(0)) device.kill();
  }

  crashHost(): void {
    this.die();
    for (const disk of [this.#map, this.#data]) disk.powerLoss(this.#random, this.#random());
    this.#boot += 1;
  }

  async format(): Promise<void> {
    const map = handle(this.#open(this.#map));
    map.zero = () => undefined; // it is zeroes, and there is much of it
    await formatOverlay(map, { size: this.#size, bootId: 'boot-1' });
  }

  /** Recovers, and compares with the naive scan of what was on disk before. */
  async start(rebooted: boolean): Promise<void> {
    const wanted = scanAll(this.#map.cache, this.#size, !rebooted);
    const map = this.#open(this.#map);
    const recover = () =>
      recoverOverlay({
        map,
        size: this.#size,
        bootId: `boot-${this.#boot}`,
        quotaBytes: undefined,
        workers: 1,
      });
    const state = await recover();
    expectFound(state, wanted);
    if (rebooted) {
      const { live, durable } = mapsOf(this.#map.cache, this.#size);
      expect(live.equals(durable)).toBe(true);
    }
    // Killed at once and opened again: by the summary that was just made.
    if (this.#random() < 0.3) expectFound(await recover(), wanted);
    this.#fuse = new Fuse();
    this.device = openOverlay({
      state,
      base: new ZeroDevice(this.#size),
      data: this.#open(this.#data),
      map: this.#fuse.wrap(map, () => this.die()),
      worker: 0,
      onFull: () => {},
    });
    this.opened += 1;
  }

  async check(died: 'process' | 'host', underWay: [number, number]): Promise<void> {
    const target = Buffer.alloc(BLOCK);
    for (const block of this.#contents.blocks) {
      await this.device!.read(target, block * BLOCK);
      // The death of a host may tear a block that is written again by sectors.
      const values = Array.from({ length: 8 }, (_, sector) => target[sector * 512] ?? -1);
      for (const value of values) {
        const fine = this.#contents.check(block, value, died, underWay);
        expect(fine, `block ${block} holds ${value}, death of the ${died}`).toBe(true);
      }
      const whole = values.every((value) => value === values[0]);
      this.#contents.adopt(block, whole ? values[0] : undefined, died);
    }
  }

  /** One change or flush. @returns the blocks of the change, when it died half-way */
  async step(): Promise<[number, number] | undefined> {
    const random = this.#random;
    const kind = random();
    if (kind < 0.15) {
      try {
        await this.device!.flush();
        this.#contents.flushed();
        return undefined;
      } catch {
        return [0, 0];
      }
    }
    const spot = this.#spots[Math.floor(random() * this.#spots.length)] ?? 0;
    const last = Math.floor(this.#size / BLOCK) - 1;
    const from = Math.max(0, Math.min(last, spot + Math.floor(random() * 80) - 40));
    const count = Math.min(last + 1 - from, 1 + Math.floor(random() * 60));
    const value = kind < 0.6 ? 1 + Math.floor(random() * 254) : kind < 0.85 ? 0 : undefined;
    const [offset, length] = [from * BLOCK, count * BLOCK];
    this.#contents.set(from, count, value);
    try {
      if (value === undefined) await this.device!.trim(offset, length, PLAIN);
      else if (value === 0) await this.device!.zero(offset, length, PLAIN_ZERO);
      else await this.device!.write(Buffer.alloc(length, value), offset, PLAIN);
      return undefined;
    } catch {
      return [from, from + count];
    }
  }

  /** Sets when the process dies by itself: in the middle of one of its next writes to the map. */
  arm(): void {
    this.#fuse.left = 1 + Math.floor(this.#random() * 14);
    this.#fuse.cut = this.#random() < 0.3 ? 1 : this.#random();
  }
}

async function life(size: number, seed: number, rounds: number): Promise<number> {
  const random = seededRandom(seed);
  const machine = new Machine(size, random);
  await machine.format();
  await machine.start(false);
  for (let round = 0; round < rounds; round++) {
    if (random() < 0.7) machine.arm();
    let underWay: [number, number] | undefined;
    const steps = 1 + Math.floor(random() * 14);
    for (let step = 0; step < steps && underWay === undefined; step++) {
      underWay = await machine.step();
    }
    const died = random() < 0.4 ? 'host' : 'process';
    if (died === 'host') machine.crashHost();
    else machine.die();
    await eventLoopTurns(3);
    await machine.start(died === 'host');
    await machine.check(died, underWay ?? [0, 0]);
  }
  machine.die();
  return machine.opened;
}

describe('recovery by the summary', () => {
  test.each([
    ['40 GiB', 40 * GIB, 15],
    ['40 GiB and a part of a page', 40 * GIB + 5 * BLOCK, 5],
    ['4 TiB', 4096 * GIB, 1],
  ])(
    'finds what a scan of a disk of %s finds',
    { timeout: 120_000 },
    async (_name, size, lives) => {
      let opened = 0;
      for (let i = 0; i < lives; i++) {
        const seed = (SEED + i) % 2 ** 31;
        try {
          opened += await life(size, seed, size > 1024 * GIB ? 4 : 12);
        } catch (error) {
          throw new Error(`seed ${seed}`, { cause: error });
        }
      }
      expect(opened).toBeGreaterThan(lives * 4);
    },
  );
});
