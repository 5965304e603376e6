/**
 * Design rule 8 on a simulated host: an acknowledged write survives the death of the process, a
 * flushed or FUA write survives the death of the host, and no sector is ever neither old nor new.
 *
 * Lanes change neighbouring regions that share blocks and units, flushes run beside them; at a random
 * moment the process or the host dies, the overlay is recovered and every sector compared with what it
 * may be. Then it goes on from there.
 */
import { describe, expect, test } from 'vitest';
import {
  type BlockDevice,
  MemoryDevice,
  PLAIN,
  PLAIN_ZERO,
  WriteBatch,
} from '../../src/block/index.ts';
import {
  FlushJournal,
  formatOverlay,
  JOURNAL_SEGMENT_LEAST_BYTES,
  openOverlay,
  overlayMapBytes,
  type ReplayRecord,
  readRecords,
  readSegmentHeader,
  recoverOverlay,
  replayOverlay,
} from '../../src/vdisk/index.ts';
import { eventLoopTurns } from '../support/content.ts';
import { SEED, seededRandom } from '../support/seed.ts';
import { VolatileDevice, VolatileDisk } from '../support/volatile-device.ts';

const SECTOR = 512;
const LIVES = 40;
const LANES = 5;
/** No multiple of a block, so that lanes share blocks; more than a unit, so that units get zeroed. */
const LANE_SECTORS = 301;
const SECTORS = LANES * LANE_SECTORS;
const SIZE = SECTORS * SECTOR;

/** A trimmed sector reads as zeroes, as the base, or as anything it ever held. */
const ANYTHING = -1;

interface Version {
  readonly value: number;
  settled: boolean;
}

/** What each sector was told to hold since the last crash, oldest first. */
class History {
  readonly #versions: Version[][];
  /** Index of the oldest version that the death of the host may bring back. */
  readonly #flushed: number[];
  readonly #base: (sector: number) => number;

  /** @param undone what the death of the host may bring back instead of `now`, oldest first */
  constructor(
    now: readonly number[],
    undone: readonly (readonly number[])[],
    base: (sector: number) => number,
  ) {
    this.#versions = now.map((value, sector) =>
      [...(undone[sector] ?? []), value].map((each) => ({ value: each, settled: true })),
    );
    this.#flushed = now.map(() => 0);
    this.#base = base;
  }

  /** @returns to be called when the change has settled; `durable` when it was one with FUA. */
  issue(at: number, count: number, value: number): (durable: boolean) => void {
    const versions = Array.from({ length: count }, () => ({ value, settled: false }));
    for (const [i, version] of versions.entries()) this.#versions[at + i]!.push(version);
    return (durable) => {
      for (const [i, version] of versions.entries()) {
        version.settled = true;
        if (!durable) continue;
        const index = this.#versions[at + i]!.indexOf(version);
        this.#flushed[at + i] = Math.max(this.#flushed[at + i]!, index);
      }
    };
  }

  /** @returns to be called when the flush has settled. */
  beginFlush(): () => void {
    const settled = this.#versions.map((list) => list.findLastIndex((each) => each.settled));
    return () => {
      for (const [i, index] of settled.entries()) {
        this.#flushed[i] = Math.max(this.#flushed[i]!, index);
      }
    };
  }

  /** What is not on stable storage: after the death of a process a host may still lose it. */
  notFlushed(): number[][] {
    return this.#versions.map((list, sector) => {
      // A trim that was flushed leaves the sector whatever it held before, e.g. in a block trimmed in part.
      let from = this.#flushed[sector]!;
      while (from > 0 && list[from]!.value === ANYTHING) from -= 1;
      return list.slice(from).map(({ value }) => value);
    });
  }

  /** The moment of death. @returns whether a sector may hold a value afterwards. */
  freeze(died: 'process' | 'host'): (sector: number, value: number) => boolean {
    const all = this.#versions.map((list) => list.map((each) => each.value));
    const from = this.#versions.map((list, sector) =>
      died === 'host' ? this.#flushed[sector]! : list.findLastIndex((each) => each.settled),
    );
    return (sector, value) => {
      const ever = all[sector]!;
      const possible = ever.slice(from[sector]!);
      if (possible.includes(value)) return true;
      if (!possible.includes(ANYTHING)) return false;
      return ever.includes(value) || value === 0 || value === this.#base(sector);
    };
  }
}

const baseValue = (sector: number): number => 200 + (Math.floor(sector / 3) % 50);

function makeBase(): MemoryDevice {
  const base = new MemoryDevice({ size: SIZE });
  for (let sector = 0; sector < SECTORS; sector++) {
    base.write(Buffer.alloc(SECTOR, baseValue(sector)), sector * SECTOR, PLAIN);
  }
  return base;
}

async function readSectors(device: BlockDevice): Promise<number[]> {
  const content = Buffer.alloc(SIZE);
  await device.read(content, 0);
  return Array.from({ length: SECTORS }, (_, sector) => {
    const piece = content.subarray(sector * SECTOR, (sector + 1) * SECTOR);
    const value = piece[0]!;
    if (!piece.every((byte) => byte === value)) throw new Error(`sector ${sector} is torn`);
    return value;
  });
}

const WORKERS = [0, 1] as const;
const newSegments = (): VolatileDisk[] =>
  [0, 1].map(() => new VolatileDisk(JOURNAL_SEGMENT_LEAST_BYTES));

class Host {
  /** Each worker's two segments; none: no journal. */
  segments: VolatileDisk[][] = [];
  readonly base = makeBase();
  readonly data = new VolatileDisk(SIZE);
  readonly map = new VolatileDisk(overlayMapBytes(SIZE));
  readonly random: () => number;
  boot = 1;
  #handles: VolatileDevice[] = [];

  constructor(random: () => number, journal: boolean) {
    this.random = random;
    if (journal) this.segments = WORKERS.map(newSegments);
  }

  #open(disk: VolatileDisk): VolatileDevice {
    const device = new VolatileDevice(disk, this.random);
    this.#handles.push(device);
    return device;
  }

  async format(): Promise<void> {
    await formatOverlay(this.#open(this.map), { size: SIZE, bootId: `boot-${this.boot}` });
  }

  /** What the service does before it serves anybody. */
  async restore(): Promise<void> {
    const bootId = `boot-${this.boot}`;
    const records: ReplayRecord[] = [];
    for (const disk of this.segments.flat()) {
      const segment = this.#open(disk);
      const header = await readSegmentHeader(segment);
      if (header === undefined) continue;
      for await (const record of readRecords(segment, header)) {
        const sameBoot = header.bootId === bootId;
        const data = Buffer.from(record.data);
        records.push({ ...record, sameBoot, load: () => data });
      }
    }
    journalled += records.length;
    const [map, data] = [this.#open(this.map), this.#open(this.data)];
    replayed += await replayOverlay({ map, data, bootId, records });
    this.segments = this.segments.map(newSegments);
  }

  async start(): Promise<BlockDevice[]> {
    await this.restore();
    const journals = this.segments.map(([first, second]) => {
      return new FlushJournal({
        segments: [this.#open(first!), this.#open(second!)],
        bootId: `boot-${this.boot}`,
        onStopped: () => {},
        newEpoch: () => 1 + Math.floor(this.random() * 2 ** 40),
      });
    });
    const state = await recoverOverlay({
      map: this.#open(this.map),
      size: SIZE,
      bootId: `boot-${this.boot}`,
      quotaBytes: undefined,
      workers: 2,
    });
    return WORKERS.map((worker) =>
      openOverlay({
        journal: journals[worker] && { journal: journals[worker], key: 'overlay' },
        state,
        base: this.base,
        data: this.#open(this.data),
        map: this.#open(this.map),
        worker,
        onFull: () => {},
      }),
    );
  }

  die(what: 'process' | 'host'): void {
    for (const each of this.#handles.splice(0)) each.kill();
    if (what === 'process') return;
    this.boot += 1;
    const chances = [0, 0.3, 0.7, 1];
    const pick = (): number => chances[Math.floor(this.random() * chances.length)]!;
    this.data.powerLoss(this.random, pick());
    this.map.powerLoss(this.random, pick());
    for (const disk of this.segments.flat()) disk.powerLoss(this.random, pick());
  }
}

/** A batch of writes, as a connection makes it of one read event; they may overlap. */
async function writeTogether(
  device: BlockDevice,
  history: History,
  random: () => number,
  { at, count, most }: { at: number; count: number; most: number },
): Promise<void> {
  const batch = new WriteBatch();
  const settled: ((durable: boolean) => void)[] = [];
  const waiting: unknown[] = [];
  for (let written = 0; written < 1 + random() * 4; written += 1) {
    const from = Math.min(most - 1, Math.floor(random() * count));
    const length = Math.min(most - from, 1 + Math.floor(random() * 20));
    const value = 1 + Math.floor(random() * 199);
    settled.push(history.issue(at + from, length, value));
    const bytes = Buffer.alloc(length * SECTOR, value);
    waiting.push(device.write(bytes, (at + from) * SECTOR, { fua: false, batch }));
  }
  await Promise.all([...waiting, batch.commit()]);
  for (const done of settled) done(false);
}

async function lane(
  number: number,
  devices: readonly BlockDevice[],
  history: History,
  random: () => number,
  dead: () => boolean,
  writes: number,
): Promise<void> {
  const zeroes = writes + (1 - writes) * 0.6;
  while (!dead()) {
    const at = number * LANE_SECTORS + Math.floor(random() * LANE_SECTORS);
    const most = (number + 1) * LANE_SECTORS - at;
    const count = Math.min(most, 1 + Math.floor(random() * (random() < 0.5 ? 12 : 300)));
    const offset = at * SECTOR;
    const length = count * SECTOR;
    const device = devices[Math.floor(random() * devices.length)]!;
    const kind = random();
    const fua = random() < 0.1;
    const value = kind < writes ? 1 + Math.floor(random() * 199) : kind < zeroes ? 0 : ANYTHING;
    if (kind < writes && !fua && random() < 0.5) {
      await writeTogether(device, history, random, { at, count, most });
      continue;
    }
    const settled = history.issue(at, count, value);
    if (kind < writes) await device.write(Buffer.alloc(length, value), offset, { fua });
    else if (kind < zeroes) {
      await device.zero(offset, length, { ...PLAIN_ZERO, fua, noHole: random() < 0.2 });
    } else await device.trim(offset, length, { fua });
    settled(fua);
    if (random() < 0.3) await eventLoopTurns(1);
  }
}

async function flusher(
  devices: readonly BlockDevice[],
  history: History,
  random: () => number,
  dead: () => boolean,
  pause: number,
): Promise<void> {
  while (!dead()) {
    await eventLoopTurns(Math.floor(random() * pause));
    if (dead()) return;
    const done = history.beginFlush();
    await devices[Math.floor(random() * devices.length)]!.flush();
    done();
  }
}

/** What the runs with a journal came across, so that the test knows that it tested something. */
let journalled = 0;
let replayed = 0;

async function life(seed: number, journal: boolean): Promise<void> {
  const random = seededRandom(seed);
  const host = new Host(random, journal);
  await host.format();
  let now = Array.from({ length: SECTORS }, (_, sector) => baseValue(sector));
  let undone: number[][] = [];
  for (let round = 0; round < 6; round++) {
    const devices = await host.start();
    const history = new History(now, undone, baseValue);
    let dead = false;
    // Only writes go through the journal: some rounds are made of little else.
    const writes = journal && random() < 0.6 ? 0.97 : 0.6;
    const lanes = Array.from({ length: LANES }, (_, number) =>
      lane(number, devices, history, random, () => dead, writes),
    );
    // Some rounds flush once or twice, some end before anything was flushed.
    const pause = random() < 0.5 ? 25 : random() < 0.5 ? 120 : 1000;
    const flushers = [1, 2].map(() => flusher(devices, history, random, () => dead, pause));
    await eventLoopTurns(5 + Math.floor(random() * 120));
    const died = random() < 0.6 ? 'host' : 'process';
    host.die(died);
    dead = true;
    const verdicts = history.freeze(died);
    undone = died === 'process' ? history.notFlushed() : [];
    await Promise.allSettled([...lanes, ...flushers]); // all that is left of them fails
    if (random() < 0.3) {
      // The first attempt to restore dies too, of the same or worse.
      const restoring = host.restore().catch(() => undefined);
      await eventLoopTurns(Math.floor(random() * 6));
      host.die(died === 'host' && random() < 0.5 ? 'host' : 'process');
      await restoring;
    }
    const [device] = await host.start();
    now = await readSectors(device!);
    for (const [sector, value] of now.entries()) {
      if (verdicts(sector, value)) continue;
      throw new Error(
        `seed ${seed} round ${round}, death of the ${died}: sector ${sector} holds ${value}`,
      );
    }
    host.die('process');
  }
}

describe('the death of a process or of the host', () => {
  test.each([
    ['each flush syncs its volumes', false],
    ['flushes share a journal', true],
  ])('loses nothing that was promised: %s', { timeout: 120_000 }, async (_, journal) => {
    console.log(`seed ${SEED}`);
    for (let i = 0; i < LIVES; i++) await life((SEED + i) % 2 ** 31, journal);
    console.log(`${journalled} records journalled, ${replayed} replayed`);
    expect(journalled > 0 && replayed > 0).toBe(journal);
  });
});
