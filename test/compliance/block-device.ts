/**
 * The contract of src/block/block-device.ts as tests, for every implementation. Call
 * `describeReadable` or `describeBlockDevice` from a test file with a way to make a device.
 *
 * Covers: content against a naive model (sequential and with requests in flight), overlapping writes
 * in order, boundaries and odd alignment, extents, loans, close, failures that leave old or new.
 * Does not cover: durability (test/crash), several threads (the device's own tests).
 */
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import {
  type BlockDevice,
  type Extent,
  PLAIN,
  PLAIN_ZERO,
  type ReadableBlockDevice,
} from '../../src/block/index.ts';
import { BlockError } from '../../src/errors/index.ts';
import { SEED, seededRandom } from '../support/seed.ts';

export interface Subject<D extends ReadableBlockDevice> {
  readonly device: D;
  /** What the device holds at first; its length is the device's size. */
  readonly content: Buffer;
  /** Removes whatever the device stood on, after it was closed. */
  dispose?(): Promise<void>;
}

export type MakeSubject<D extends ReadableBlockDevice> = () => Promise<Subject<D>>;

const RUNS = 25;

/** A device of a size that the whole suite can hold in memory. */
class Bench<D extends ReadableBlockDevice> {
  readonly #make: MakeSubject<D>;
  readonly #open: Subject<D>[] = [];

  constructor(make: MakeSubject<D>) {
    this.#make = make;
  }

  async subject(): Promise<Subject<D>> {
    const subject = await this.#make();
    this.#open.push(subject);
    return subject;
  }

  async clear(): Promise<void> {
    for (const { device, dispose } of this.#open.splice(0)) {
      await device.close();
      await dispose?.();
    }
  }
}

export async function readAll(device: ReadableBlockDevice): Promise<Buffer> {
  const { size, maximumIo } = device.geometry;
  const whole = Buffer.alloc(size, 0xee);
  for (let at = 0; at < size; at += maximumIo) {
    await device.read(whole.subarray(at, at + maximumIo), at);
  }
  return whole;
}

/** Random range, aligned as the device wants it: short ones, long ones, ones that cross marks. */
function ranges(device: ReadableBlockDevice): fc.Arbitrary<{ offset: number; length: number }> {
  const { size, minimumIo } = device.geometry;
  const units = size / minimumIo;
  return fc
    .tuple(fc.nat(units - 1), fc.oneof(fc.nat(3), fc.nat(40_000), fc.nat(units)), fc.nat(6))
    .map(([at, more, snap]) => {
      // A third of the ranges starts at a round place.
      const step = snap === 0 ? 65_536 : snap === 1 ? 4096 : minimumIo;
      const start = Math.floor((at * minimumIo) / step) * step;
      const from = start % minimumIo === 0 ? start : at * minimumIo;
      const length = Math.min(size - from, (more + 1) * minimumIo);
      return { offset: from, length };
    });
}

function checkExtents(extents: Extent[], offset: number, length: number, limit: number): void {
  expect(extents.length).toBeGreaterThanOrEqual(1);
  expect(extents.length).toBeLessThanOrEqual(limit);
  let at = offset;
  let before: string | undefined;
  for (const extent of extents) {
    expect(extent.offset).toBe(at);
    expect(extent.length).toBeGreaterThan(0);
    expect(extent.kind).not.toBe(before);
    before = extent.kind;
    at += extent.length;
  }
  expect(at).toBeLessThanOrEqual(offset + length);
}

/** Everything that extents call zero reads as zeroes; walks the whole device. */
async function walkExtents(device: ReadableBlockDevice, content: Buffer): Promise<void> {
  for (let at = 0; at < content.length; ) {
    const extents = await device.extents(at, content.length - at, 7);
    checkExtents(extents, at, content.length - at, 7);
    for (const { offset, length, kind } of extents) {
      if (kind === 'data') continue;
      const piece = content.subarray(offset, offset + length);
      expect(piece.equals(Buffer.alloc(length)), `${kind} at ${offset}+${length}`).toBe(true);
    }
    const last = extents.at(-1);
    at = (last?.offset ?? 0) + (last?.length ?? 0);
  }
}

function expectSame(actual: Buffer, expected: Buffer, what: string): void {
  if (actual.equals(expected)) return;
  const at = actual.findIndex((byte, index) => byte !== expected[index]);
  throw new Error(`${what}: differs at byte ${at}: ${actual[at]} instead of ${expected[at]}`);
}

async function errnoOfCall(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    expect(error).toBeInstanceOf(BlockError);
    return (error as BlockError).errno;
  }
  return 'settled';
}

export function describeReadable<D extends ReadableBlockDevice>(
  name: string,
  make: MakeSubject<D>,
): void {
  describe(`${name} keeps the contract of a readable device`, () => {
    const bench = new Bench(make);
    afterEach(() => bench.clear());

    test('geometry and capabilities are sane and frozen', async () => {
      const { device, content } = await bench.subject();
      const { size, minimumIo, preferredIo, maximumIo } = device.geometry;
      expect(size).toBe(content.length);
      expect(Math.log2(minimumIo) % 1).toBe(0);
      expect(minimumIo).toBeLessThanOrEqual(65_536);
      expect(Math.log2(preferredIo) % 1).toBe(0);
      expect(preferredIo).toBeGreaterThanOrEqual(512);
      expect(maximumIo).toBeGreaterThanOrEqual(preferredIo);
      expect(size % minimumIo).toBe(0);
      expect(Object.isFrozen(device.capabilities)).toBe(true);
      expect(Object.isFrozen(device.geometry)).toBe(true);
    });

    test('reads fill the target, at any place', async () => {
      const { device, content } = await bench.subject();
      expectSame(await readAll(device), content, 'whole device');
      await fc.assert(
        fc.asyncProperty(ranges(device), async ({ offset, length }) => {
          const target = Buffer.alloc(length, 0xdd);
          await device.read(target, offset);
          expectSame(target, content.subarray(offset, offset + length), `read at ${offset}`);
        }),
        { seed: SEED, numRuns: RUNS },
      );
    });

    test('a loan holds the range until it is released', async () => {
      const { device, content } = await bench.subject();
      await device.cache(0, content.length);
      await fc.assert(
        fc.asyncProperty(ranges(device), async ({ offset, length }) => {
          const loan = device.lend(offset, length);
          if (loan === undefined) return;
          const lent = Buffer.concat(loan.chunks);
          expectSame(lent, content.subarray(offset, offset + length), `loan at ${offset}`);
          loan.release();
        }),
        { seed: SEED, numRuns: RUNS },
      );
    });

    test('extents are contiguous, in order, limited, and tell the truth', async () => {
      const { device, content } = await bench.subject();
      await walkExtents(device, content);
      const { minimumIo } = device.geometry;
      checkExtents(await device.extents(0, minimumIo, 1), 0, minimumIo, 1);
      checkExtents(await device.extents(0, content.length, 1), 0, content.length, 1);
    });

    test('after close every call fails with ESHUTDOWN; close may be called again', async () => {
      const { device } = await bench.subject();
      const unit = device.geometry.minimumIo;
      const running = device.read(Buffer.alloc(unit), 0);
      await Promise.all([device.close(), device.close()]);
      await running; // what ran when the device was closed has succeeded
      await device.close();
      expect(await errnoOfCall(() => device.read(Buffer.alloc(unit), 0))).toBe('ESHUTDOWN');
      expect(await errnoOfCall(() => device.lend(0, unit))).toBe('ESHUTDOWN');
      expect(await errnoOfCall(() => device.cache(0, unit))).toBe('ESHUTDOWN');
      expect(await errnoOfCall(() => device.extents(0, unit, 1))).toBe('ESHUTDOWN');
    });
  });
}

/** A change as the model understands it. */
type Change =
  | {
      readonly kind: 'write';
      readonly offset: number;
      readonly length: number;
      readonly fill: number;
    }
  | {
      readonly kind: 'zero';
      readonly offset: number;
      readonly length: number;
      readonly noHole: boolean;
    }
  | { readonly kind: 'trim'; readonly offset: number; readonly length: number };

function changes(device: ReadableBlockDevice): fc.Arbitrary<Change> {
  const range = ranges(device);
  const limited = range.map(({ offset, length }) => ({
    offset,
    length: Math.min(length, device.geometry.maximumIo),
  }));
  return fc.oneof(
    {
      weight: 4,
      arbitrary: fc
        .record({
          kind: fc.constant('write' as const),
          range: limited,
          fill: fc.integer({ min: 1, max: 255 }),
        })
        .map(({ kind, range: r, fill }) => ({ kind, ...r, fill })),
    },
    {
      weight: 2,
      arbitrary: fc
        .record({ kind: fc.constant('zero' as const), range, noHole: fc.boolean() })
        .map(({ kind, range: r, noHole }) => ({ kind, ...r, noHole })),
    },
    {
      weight: 1,
      arbitrary: fc
        .record({ kind: fc.constant('trim' as const), range })
        .map(({ kind, range: r }) => ({ kind, ...r })),
    },
  );
}

/** Content that differs from byte to byte, so that bytes in the wrong place show. */
function pattern(offset: number, length: number, fill: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = ((offset + i) * 7 + fill) & 0xff;
  return bytes;
}

async function apply(device: BlockDevice, change: Change): Promise<void> {
  const { offset, length } = change;
  switch (change.kind) {
    case 'write': {
      const source = pattern(offset, length, change.fill);
      await device.write(source, offset, { fua: change.fill % 16 === 0 });
      source.fill(0xaa); // the callee must not look at it any more
      return;
    }
    case 'zero':
      return device.zero(offset, length, { ...PLAIN_ZERO, noHole: change.noHole });
    case 'trim':
      return device.trim(offset, length, PLAIN);
  }
}

/** Applies to the model; what a trimmed range reads as is asked of the device. */
async function model(content: Buffer, change: Change, device: BlockDevice): Promise<void> {
  const { offset, length } = change;
  switch (change.kind) {
    case 'write':
      pattern(offset, length, change.fill).copy(content, offset);
      return;
    case 'zero':
      content.fill(0, offset, offset + length);
      return;
    case 'trim':
      for (let at = offset; at < offset + length; at += device.geometry.maximumIo) {
        const end = Math.min(offset + length, at + device.geometry.maximumIo);
        await device.read(content.subarray(at, end), at);
      }
  }
}

export function describeBlockDevice(name: string, make: MakeSubject<BlockDevice>): void {
  describeReadable(name, make);
  describe(`${name} keeps the contract of a block device`, () => {
    const bench = new Bench(make);
    afterEach(() => bench.clear());
    const offered = (device: BlockDevice, change: Change): boolean =>
      change.kind === 'trim'
        ? device.capabilities.trim
        : change.kind === 'zero'
          ? device.capabilities.zero
          : true;

    test('one change after the other reads like the model', async () => {
      const { device, content } = await bench.subject();
      await fc.assert(
        fc.asyncProperty(fc.array(changes(device), { maxLength: 12 }), async (list) => {
          for (const change of list) {
            if (!offered(device, change)) continue;
            await apply(device, change);
            await model(content, change, device);
          }
          await device.flush();
          expectSame(await readAll(device), content, JSON.stringify(list));
        }),
        { seed: SEED, numRuns: RUNS },
      );
      await walkExtents(device, content);
    });

    test('overlapping writes settle as if made in the order in which they were issued', async () => {
      const { device, content } = await bench.subject();
      const writes = changes(device).filter((change) => change.kind === 'write');
      await fc.assert(
        fc.asyncProperty(fc.array(writes, { minLength: 2, maxLength: 20 }), async (list) => {
          await Promise.all(list.map((change) => apply(device, change)));
          for (const change of list) await model(content, change, device);
          expectSame(await readAll(device), content, JSON.stringify(list));
        }),
        { seed: SEED, numRuns: RUNS },
      );
    });

    test('requests in flight at the same time, each on its own range', async () => {
      const { device, content } = await bench.subject();
      const random = seededRandom();
      const unit = device.geometry.minimumIo;
      const lanes = 8;
      const width = Math.floor(content.length / lanes / unit) * unit;
      const lane = async (start: number): Promise<void> => {
        for (let step = 0; step < 12; step++) {
          const offset = start + Math.floor((random() * width) / unit) * unit;
          const most = Math.min(start + width - offset, device.geometry.maximumIo);
          const length = Math.min(most, unit * (1 + Math.floor(random() * 30_000)));
          const kind = (['write', 'write', 'zero', 'trim'] as const)[Math.floor(random() * 4)];
          const change: Change =
            kind === 'write'
              ? { kind, offset, length, fill: 1 + step }
              : kind === 'zero'
                ? { kind, offset, length, noHole: random() < 0.3 }
                : { kind: 'trim', offset, length };
          if (!offered(device, change)) continue;
          await apply(device, change);
          await model(content, change, device);
          const target = Buffer.alloc(length);
          await device.read(target, offset);
          expectSame(target, content.subarray(offset, offset + length), `seed ${SEED}`);
          if (random() < 0.2) await device.flush();
        }
      };
      await Promise.all(Array.from({ length: lanes }, (_, index) => lane(index * width)));
      expectSame(await readAll(device), content, `seed ${SEED}`);
    });

    test('a loan does not change when its range is written', async () => {
      const { device, content } = await bench.subject();
      await device.cache(0, content.length);
      const unit = Math.max(4096, device.geometry.minimumIo);
      const loan = device.lend(0, unit);
      if (loan === undefined) return;
      await device.write(Buffer.alloc(unit, 0x5a), 0, PLAIN);
      expectSame(Buffer.concat(loan.chunks), content.subarray(0, unit), 'loan after a write');
      loan.release();
      const target = Buffer.alloc(unit);
      await device.read(target, 0);
      expectSame(target, Buffer.alloc(unit, 0x5a), 'read after a write');
    });

    test('zero with fast is done, or refused at once with nothing changed', async () => {
      const { device, content } = await bench.subject();
      if (!device.capabilities.zero || !device.capabilities.fastZero) return;
      const length = Math.min(content.length, 1024 * 1024);
      const options = { ...PLAIN_ZERO, fast: true };
      const outcome = await errnoOfCall(() => device.zero(0, length, options));
      if (outcome === 'settled') content.fill(0, 0, length);
      else expect(outcome).toBe('ENOTSUP');
      expectSame(await readAll(device), content, `fast zero ${outcome}`);
    });

    test('close waits for what runs, and nothing changes afterwards', async () => {
      const { device } = await bench.subject();
      const unit = device.geometry.minimumIo;
      const source = Buffer.alloc(unit, 1);
      const running = device.write(source, 0, { fua: device.capabilities.fua });
      await device.close();
      await running;
      expect(await errnoOfCall(() => device.write(source, 0, PLAIN))).toBe('ESHUTDOWN');
      expect(await errnoOfCall(() => device.flush())).toBe('ESHUTDOWN');
      expect(await errnoOfCall(() => device.trim(0, unit, PLAIN))).toBe('ESHUTDOWN');
      expect(await errnoOfCall(() => device.zero(0, unit, PLAIN_ZERO))).toBe('ESHUTDOWN');
    });
  });
}
