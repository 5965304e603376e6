import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseTrace } from '../../../../bench/trace.ts';
import {
  CACHE_BLOCK_BYTES,
  MemoryDevice,
  SharedCache,
  SharedSource,
} from '../../../../src/block/index.ts';
import { BlockError } from '../../../../src/errors/index.ts';
import {
  AccessRecorder,
  createAccessRecord,
  endAccessRecord,
  MAX_TRACE_UNITS,
  readAhead,
} from '../../../../src/vdisk/index.ts';
import { aheadRuns } from '../../../../src/vdisk/trace/ahead-runs.ts';
import {
  AHEAD_IN_FLIGHT,
  AHEAD_IN_FLIGHT_BEHIND_DEMAND,
  AHEAD_REQUEST_UNITS,
  AHEAD_TRIAL_REQUESTS,
  MAX_AHEAD_FAILURES,
  MAX_AHEAD_UNITS,
  MAX_TRACED_DISK_BYTES,
} from '../../../../src/vdisk/trace/limits.ts';
import { SEED } from '../../../support/seed.ts';

const UNIT = 4096;

describe('a record of what is read', () => {
  const record = (units: number): SharedArrayBuffer =>
    createAccessRecord(units * UNIT, UNIT) ?? new SharedArrayBuffer(0);

  it('has each unit once, in the order of first access, whoever reads it', () => {
    const memory = record(100);
    const [one, other] = [new AccessRecorder(memory), new AccessRecorder(memory)];
    one.touch(70 * UNIT + 10, 20);
    other.touch(3 * UNIT, UNIT + 1);
    one.touch(70 * UNIT, UNIT);
    other.touch(0, 10);
    one.touch(99 * UNIT, UNIT);
    expect([...endAccessRecord(memory)]).toEqual([70, 3, 4, 0, 99]);
  });

  it('has nothing of what comes after its end', () => {
    const memory = record(10);
    const recorder = new AccessRecorder(memory);
    recorder.touch(UNIT, 1);
    endAccessRecord(memory);
    recorder.touch(2 * UNIT, 1);
    expect([...endAccessRecord(memory)]).toEqual([1]);
  });

  it('ends by itself when it is full', () => {
    const memory = record(MAX_TRACE_UNITS + 100);
    const recorder = new AccessRecorder(memory);
    for (let unit = 0; unit < MAX_TRACE_UNITS + 100; unit++) recorder.touch(unit * UNIT, 1);
    expect(endAccessRecord(memory)).toHaveLength(MAX_TRACE_UNITS);
  });

  it('is not made for a disk that is too large', () => {
    expect(createAccessRecord(MAX_TRACED_DISK_BYTES + 1, UNIT)).toBeUndefined();
  });
});

describe('a trace as requests', () => {
  const runs = (units: readonly number[], isWanted = (_: number): boolean => true) =>
    [...aheadRuns(Uint32Array.from(units), isWanted)].map(({ first, count, wanted }) => [
      ...[first, count, wanted.length],
    ]);

  it('joins neighbours, however far apart they are read, and comes to them when the first is', () => {
    const far = Array.from({ length: 500 }, (_, at) => 10_000 + at * 100);
    expect(runs([...far.slice(0, 200), 9, ...far.slice(200), 8, 10])).toEqual([
      ...far.slice(0, 200).map((unit) => [unit, 1, 1]),
      [8, 3, 3],
      ...far.slice(200).map((unit) => [unit, 1, 1]),
    ]);
  });

  it('reads what nobody wants where that saves a request, and is little', () => {
    const gap = AHEAD_REQUEST_UNITS - 1;
    expect(runs([0, gap + 1])).toEqual([[0, gap + 2, 2]]);
    expect(runs([0, gap + 2])).toEqual([
      [0, 1, 1],
      [gap + 2, 1, 1],
    ]);
    // Two requests it is, with the gap or without.
    const full = Array.from({ length: MAX_AHEAD_UNITS }, (_, at) => at);
    expect(runs([...full, MAX_AHEAD_UNITS + 1])).toEqual([
      [0, MAX_AHEAD_UNITS, MAX_AHEAD_UNITS],
      [MAX_AHEAD_UNITS + 1, 1, 1],
    ]);
  });

  it('asks for no more at once than fits', () => {
    const units = Array.from({ length: MAX_AHEAD_UNITS + 2 }, (_, at) => at);
    const found = runs(units);
    expect(found).toHaveLength(2);
    expect(found.reduce((sum, [, count = 0]) => sum + count, 0)).toBe(MAX_AHEAD_UNITS + 2);
  });

  it('leaves out what is there, at first or when the turn of its request comes', () => {
    expect(runs([1, 2, 3, 50], (unit) => unit === 50)).toEqual([[50, 1, 1]]);
    const there = new Set<number>();
    const found = aheadRuns(Uint32Array.from([100, 0, 1, 2, 3, 4, 5, 6]), (u) => !there.has(u));
    expect(found.next().value).toMatchObject({ first: 100 });
    for (const unit of [1, 2, 3, 4, 5]) there.add(unit);
    expect([...found].map(({ wanted }) => wanted)).toEqual([[0], [6]]);
  });

  it('costs as little as any way to cut it', () => {
    const units = fc.uniqueArray(fc.nat({ max: 40 }), { minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(units, (order) => {
        const found = [...aheadRuns(Uint32Array.from(order), () => true)];
        const all = found.flatMap(({ wanted }) => wanted);
        expect(all.toSorted((a, b) => a - b)).toEqual(order.toSorted((a, b) => a - b));
        expect(Math.max(...found.map(({ count }) => count))).toBeLessThanOrEqual(MAX_AHEAD_UNITS);
        expect(found[0]?.wanted).toContain(order[0]);
        const cost = found.reduce((sum, { count }) => sum + AHEAD_REQUEST_UNITS + count, 0);
        expect(cost).toBe(leastCost(order.toSorted((a, b) => a - b)));
      }),
      { seed: SEED },
    );
  });

  it('of a recorded boot of Debian are three and a half times fewer than its units', () => {
    const order = new Set<number>();
    for (const request of parseTrace(readFileSync(DEBIAN_BOOT, 'utf8'))) {
      if (request.kind !== 'read') continue;
      const last = Math.floor((request.offset + request.length - 1) / CACHE_BLOCK_BYTES);
      let unit = Math.floor(request.offset / CACHE_BLOCK_BYTES);
      for (; unit <= last; unit++) order.add(unit);
    }
    const found = runs([...order]);
    expect(found.length * 3.5).toBeLessThan(order.size);
    const read = found.reduce((sum, [, count = 0]) => sum + count, 0);
    expect(read).toBeLessThan(order.size * 1.05);
  });
});

const DEBIAN_BOOT = join(import.meta.dirname, '../../../../bench/traces/debian-boot.csv');

/** Every way to cut them is tried. @param units in ascending order */
function leastCost(units: readonly number[]): number {
  const [first] = units;
  if (first === undefined) return 0;
  const costs = units.flatMap((unit, at) => {
    const span = unit - first + 1;
    if (span > MAX_AHEAD_UNITS) return [];
    return [AHEAD_REQUEST_UNITS + span + leastCost(units.slice(at + 1))];
  });
  return Math.min(...costs);
}

/** Reads wait until they are let go. */
class SlowDisk extends MemoryDevice {
  readonly waiting: { offset: number; length: number; go(error?: Error): void }[] = [];
  most = 0;
  atOnce = false;
  override read(target: Buffer, offset: number): undefined | Promise<void> {
    if (this.atOnce) {
      super.read(target, offset);
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const go = (error?: Error): void => {
        if (error === undefined) {
          super.read(target, offset);
          resolve();
        } else {
          reject(error);
        }
      };
      this.waiting.push({ offset, length: target.length, go });
      this.most = Math.max(this.most, this.waiting.length);
    });
  }
}

const SIZE = 2000 * UNIT;

function slowSource(): { slow: SlowDisk; source: SharedSource } {
  const memory = SharedCache.allocate(1024 * UNIT, UNIT);
  if (memory === undefined) throw new Error('no room');
  const slow = new SlowDisk({ size: SIZE });
  for (let unit = 0; unit < 2000; unit++) {
    slow.write(Buffer.alloc(UNIT, (unit % 255) + 1), unit * UNIT, { fua: false });
  }
  return { slow, source: new SharedSource(slow, new SharedCache(memory), 1) };
}

/** Far from each other: one request each. */
const scattered = (count: number): Uint32Array =>
  Uint32Array.from({ length: count }, (_, at) => at * 50);

describe('reading ahead', () => {
  let time = 0;
  const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  /** Settles when its first requests are under way. */
  async function start(
    source: SharedSource,
    order: Uint32Array,
    signal = new AbortController().signal,
  ) {
    const end = readAhead({ source, order, now: () => time, signal });
    await tick();
    return { end };
  }
  const go = async (slow: SlowDisk, error?: Error): Promise<void> => {
    slow.waiting.shift()?.go(error);
    await tick();
  };

  it('has a few requests under way, and all of the trace in the end', async () => {
    const { slow, source } = slowSource();
    const { end: reading } = await start(source, scattered(30));
    while (slow.waiting.length > 0) {
      time += 10;
      await go(slow);
    }
    expect(await reading).toEqual({ how: 'done', requests: 30, bytes: 30 * UNIT });
    expect(slow.most).toBe(AHEAD_IN_FLIGHT);
    const target = Buffer.alloc(UNIT);
    expect(source.read(target, 50 * UNIT)).toBeUndefined();
    expect(target[0]).toBe(51);
  });

  it('lets a demand go first: it is asked for at once, and little is read ahead beside it', async () => {
    const { slow, source } = slowSource();
    const { end: reading } = await start(source, scattered(30));
    const target = Buffer.alloc(UNIT);
    const demand = source.read(target, 7 * UNIT);
    expect(slow.waiting.at(-1)?.offset).toBe(7 * UNIT);
    const wanted = slow.waiting.pop();
    for (let n = 0; n < AHEAD_IN_FLIGHT + 3; n++) {
      time += 10;
      await go(slow);
    }
    expect(slow.waiting.length).toBe(AHEAD_IN_FLIGHT_BEHIND_DEMAND);
    wanted?.go();
    await demand;
    expect(target[0]).toBe(8);
    await go(slow);
    expect(slow.waiting.length).toBe(AHEAD_IN_FLIGHT);
    while (slow.waiting.length > 0) {
      time += 10;
      await go(slow);
    }
    expect((await reading).how).toBe('done');
  });

  it('is joined by a demand for the same block', async () => {
    const { slow, source } = slowSource();
    const { end: reading } = await start(source, scattered(1));
    const target = Buffer.alloc(UNIT);
    const demand = source.read(target, 0);
    expect(slow.waiting).toHaveLength(1);
    await go(slow);
    await demand;
    expect(target[0]).toBe(1);
    await reading;
  });

  it('that fails makes no error: who wants the block reads it for himself', async () => {
    const { slow, source } = slowSource();
    const { end: reading } = await start(source, scattered(1));
    const target = Buffer.alloc(UNIT);
    const demand = source.read(target, 0);
    await go(slow, new BlockError('EIO', 'read', 0, UNIT, 'a bad sector'));
    await expect.poll(() => slow.waiting.length).toBe(1);
    await go(slow);
    await demand;
    expect(target[0]).toBe(1);
    await reading;
  });

  it('gives up when nothing can be read', async () => {
    const { slow, source } = slowSource();
    const { end: reading } = await start(source, scattered(100));
    let failed = 0;
    while (slow.waiting.length > 0) {
      failed += 1;
      await go(slow, new BlockError('EIO', 'read', 0, UNIT, 'a bad sector'));
    }
    expect((await reading).how).toBe('failed');
    expect(failed).toBeLessThan(MAX_AHEAD_FAILURES + AHEAD_IN_FLIGHT);
  });

  it('stops where the storage answers at once', async () => {
    const { slow, source } = slowSource();
    slow.atOnce = true;
    const { end } = await start(source, scattered(40));
    const { how, requests } = await end;
    expect(how).toBe('fast');
    expect(requests).toBeLessThan(AHEAD_TRIAL_REQUESTS + AHEAD_IN_FLIGHT);
  });

  it('reads no holes and nothing beyond the disk', async () => {
    const { slow, source } = slowSource();
    slow.zero(50 * UNIT, UNIT, { fua: false, noHole: false, fast: false });
    const { end: reading } = await start(source, Uint32Array.from([0, 2_000_000]));
    await go(slow);
    expect(await reading).toMatchObject({ how: 'done', requests: 1 });
  });

  it('ends when it is told to', async () => {
    const { slow, source } = slowSource();
    const stop = new AbortController();
    const { end: reading } = await start(source, scattered(100), stop.signal);
    stop.abort();
    while (slow.waiting.length > 0) await go(slow);
    expect(await reading).toMatchObject({ how: 'stopped', requests: AHEAD_IN_FLIGHT });
  });
});
