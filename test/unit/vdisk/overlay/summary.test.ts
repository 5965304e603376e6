/**
 * The summary of touched map pages: opening an overlay by it finds what reading all of both maps finds,
 * whatever happened before and wherever the process or the host died.
 */
import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  type BlockDevice,
  FaultyDevice,
  type MemoryDevice,
  PLAIN,
  PLAIN_ZERO,
  ZeroDevice,
} from '../../../../src/block/index.ts';
import {
  formatOverlay,
  openOverlay,
  overlayMapBytes,
  recoverOverlay,
} from '../../../../src/vdisk/index.ts';
import {
  BOOT_RECORD_OFFSET,
  mapGeometry,
  SUMMARY_OFFSET,
} from '../../../../src/vdisk/overlay/map-layout.ts';
import { OverlayState } from '../../../../src/vdisk/overlay/overlay-state.ts';
import { eventLoopTurns } from '../../../support/content.ts';
import { handle, openFresh, overlayVolumes, reopen } from '../../../support/overlays.ts';
import { SEED, seededRandom } from '../../../support/seed.ts';
import { VolatileDevice, VolatileDisk } from '../../../support/volatile-device.ts';

const GIB = 2 ** 30;
const BLOCK = 4096;
const PAGE = 4096;
/** The disk that one page of the map describes. */
const PAGE_SPAN = 128 * 2 ** 20;
const UNIT = 64 * 1024;

/** What recovery must come to, by reading all of both maps and nothing else. */
interface Found {
  readonly bits: Buffer;
  readonly dirty: number[];
  readonly reserved: number[];
  readonly owned: number;
}

function mapsOf(map: { read(target: Buffer, offset: number): unknown }, size: number) {
  const { mapBytes, liveOffset, durableOffset } = mapGeometry(size);
  const [live, durable] = [Buffer.alloc(mapBytes), Buffer.alloc(mapBytes)];
  map.read(live, liveOffset);
  map.read(durable, durableOffset);
  return { live, durable };
}

const pagesWhere = (bytes: Buffer, is: (from: number, to: number) => boolean): number[] =>
  Array.from({ length: bytes.length / PAGE }, (_, page) => page).filter((page) =>
    is(page * PAGE, (page + 1) * PAGE),
  );

const EMPTY = Buffer.alloc(PAGE);
const isZero = (bytes: Buffer, from: number, to: number): boolean =>
  bytes.subarray(from, to).equals(EMPTY);

function scanAll(map: MemoryDevice, size: number, sameBoot: boolean): Found {
  const { live, durable } = mapsOf(map, size);
  const bits = sameBoot ? live : durable;
  const ownedBytes = mapGeometry(size).blocks / 8;
  let owned = 0;
  for (const page of pagesWhere(bits, (from, to) => !isZero(bits, from, to))) {
    for (const byte of bits.subarray(page * PAGE, Math.min(ownedBytes, (page + 1) * PAGE))) {
      for (let rest = byte; rest > 0; rest &= rest - 1) owned += 1;
    }
  }
  return {
    bits,
    dirty: sameBoot
      ? pagesWhere(live, (from, to) => !live.subarray(from, to).equals(durable.subarray(from, to)))
      : [],
    reserved: pagesWhere(durable, (from, to) => !isZero(durable, from, to)),
    owned,
  };
}

function foundBy(buffer: SharedArrayBuffer): Found {
  const state = new OverlayState(buffer);
  const bits = Buffer.from(state.mapBytes);
  return {
    bits,
    dirty: pagesWhere(bits, (from) => state.dirty.test(from / PAGE)),
    reserved: pagesWhere(bits, (from) => state.reserved.test(from / PAGE)),
    owned: state.ownedBlocks,
  };
}

function expectFound(buffer: SharedArrayBuffer, wanted: Found): void {
  const { bits, ...rest } = foundBy(buffer);
  const { bits: wantedBits, ...wantedRest } = wanted;
  expect(rest).toEqual(wantedRest);
  expect(bits.equals(wantedBits)).toBe(true); // toEqual looks at millions of bytes one by one
}

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
    const last = Math.floor(size / BLOCK);
    this.#spots = Array.from({ length: 12 }, () => {
      const page = Math.floor((random() * size) / PAGE_SPAN);
      return Math.min(last, page * (PAGE_SPAN / BLOCK));
    });
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
          opened += await life(size, seed, size > 1024 * GIB ? 6 : 12);
        } catch (error) {
          throw new Error(`seed ${seed}`, { cause: error });
        }
      }
      expect(opened).toBeGreaterThan(lives * 5);
    },
  );
});

/** The boot record as programs without a summary wrote it. */
function oldBootRecord(bootId: string): Buffer {
  const bytes = Buffer.alloc(512);
  bytes.writeUInt32LE(bootId.length, 0);
  bytes.write(bootId, 4);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 508)), 508);
  return bytes;
}

/** Counts the bytes of the maps that are read. */
function counting(map: BlockDevice): { device: BlockDevice; bytes: () => number } {
  let bytes = 0;
  const device = new FaultyDevice(handle(map), ({ operation, length, offset }) => {
    if (operation === 'read' && offset >= 2 * PAGE) bytes += length;
    return undefined;
  });
  return { device, bytes: () => bytes };
}

const recoverAs = (map: BlockDevice, size: number, bootId = 'boot-1') =>
  recoverOverlay({ map, size, bootId, quotaBytes: undefined, workers: 1 });

describe('the summary', () => {
  const size = 40 * GIB;

  test('makes opening cost what was touched', async () => {
    const { device, map } = await openFresh({ base: new ZeroDevice(size) });
    await device.write(Buffer.alloc(BLOCK, 1), 3 * PAGE_SPAN, PLAIN);
    await device.write(Buffer.alloc(2 * BLOCK, 1), 9 * PAGE_SPAN - BLOCK, PLAIN);
    const { device: counted, bytes } = counting(map);
    const state = new OverlayState(await recoverAs(counted, size));
    expect(state.ownedBlocks).toBe(3);
    expect(bytes()).toBe(3 * 2 * PAGE);
  });

  test('is made for a map of before, once', async () => {
    const { device, map } = await openFresh({ base: new ZeroDevice(size) });
    await device.write(Buffer.alloc(BLOCK, 1), 7 * PAGE_SPAN, PLAIN);
    await device.flush();
    await device.write(Buffer.alloc(BLOCK, 1), 90 * PAGE_SPAN, PLAIN);
    await map.write(oldBootRecord('boot-1'), BOOT_RECORD_OFFSET, PLAIN);
    await map.write(Buffer.alloc(3584), SUMMARY_OFFSET, PLAIN);
    const first = counting(map);
    const wanted = foundBy(await recoverAs(first.device, size));
    expect(wanted.owned).toBe(2);
    expect(first.bytes()).toBeGreaterThan(2 * mapGeometry(size).ownedPages * PAGE);
    const second = counting(map);
    expectFound(await recoverAs(second.device, size), wanted);
    expect(second.bytes()).toBe(2 * 2 * PAGE);
  });

  test('is not believed in another boot, nor when the boot record is damaged', async () => {
    for (const damage of ['boot', 'record'] as const) {
      const { device, map } = await openFresh({ base: new ZeroDevice(size) });
      await device.write(Buffer.alloc(BLOCK, 1), 7 * PAGE_SPAN, PLAIN);
      await device.flush();
      // As if the sector had not reached the disk when the host died.
      await map.write(Buffer.alloc(3584), SUMMARY_OFFSET, PLAIN);
      if (damage === 'record') await map.write(Buffer.alloc(4), BOOT_RECORD_OFFSET, PLAIN);
      const state = await recoverAs(map, size, damage === 'boot' ? 'boot-2' : 'boot-1');
      expect(new OverlayState(state).ownedBlocks, damage).toBe(1);
    }
  });

  test('promises nothing to a program that does not know of it', async () => {
    const { map } = await overlayVolumes(size);
    const record = Buffer.alloc(512);
    map.read(record, BOOT_RECORD_OFFSET);
    // Such a program took a length beyond this for damage, and read the durable map.
    expect(record.readUInt32LE(0)).toBeGreaterThan(64);
  });

  test('that cannot be written keeps the block from being owned', async () => {
    const { data, map } = await overlayVolumes(size);
    let failing = true;
    const faulty = new FaultyDevice(handle(map), ({ operation, offset }) =>
      failing && operation === 'write' && offset >= SUMMARY_OFFSET && offset < 2 * PAGE
        ? { errno: 'EIO' }
        : undefined,
    );
    const base = new ZeroDevice(size);
    const { device } = await reopen({ base, data, map: faulty }, 'boot-1');
    const write = async () => device.write(Buffer.alloc(BLOCK, 1), 20 * GIB, PLAIN);
    await expect(write()).rejects.toMatchObject({ errno: 'EIO' });
    expect(new OverlayState(await recoverAs(map, size)).ownedBlocks).toBe(0);
    failing = false;
    await write();
    expect(new OverlayState(await recoverAs(map, size)).ownedBlocks).toBe(1);
  });

  test('has room for the largest disk', () => {
    for (const bytes of [1, UNIT, 100 * GIB, 2048 * GIB, 4096 * GIB]) {
      const { groups, groupPages, ownedPages, zeroedPages } = mapGeometry(bytes);
      expect(groups).toBeLessThanOrEqual(3584 * 8);
      expect(groups * groupPages).toBeGreaterThanOrEqual(ownedPages + zeroedPages);
    }
    expect(mapGeometry(100 * GIB).groupPages).toBe(1);
  });
});
