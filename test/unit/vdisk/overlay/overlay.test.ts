import { describe, expect, test } from 'vitest';
import {
  FaultyDevice,
  FUA,
  type InjectedFault,
  MemoryDevice,
  PLAIN,
  PLAIN_ZERO,
  ZeroDevice,
} from '../../../../src/block/index.ts';
import type { BlockOperation } from '../../../../src/errors/index.ts';
import {
  formatOverlay,
  openOverlay,
  overlayMapBytes,
  readOverlayGauges,
  recoverOverlay,
  setOverlayQuota,
} from '../../../../src/vdisk/index.ts';
import { eventLoopTurns, filledMemory } from '../../../support/content.ts';
import { openFresh, overlayVolumes, reopen } from '../../../support/overlays.ts';
import { seededRandom } from '../../../support/seed.ts';
import { VolatileDevice, VolatileDisk } from '../../../support/volatile-device.ts';

const SIZE = 1024 * 1024;
const BLOCK = 4096;
const base = (): ZeroDevice => new ZeroDevice(SIZE);
const block = (fill: number): Buffer => Buffer.alloc(BLOCK, fill);

describe('a disk that ends where a page of the map does', () => {
  const size = 128 * 1024 * 1024;

  test.each([4096, 65_536])('can be trimmed and zeroed at its end, %i bytes', async (length) => {
    const parent = new ZeroDevice(size);
    for (const change of ['trim', 'zero'] as const) {
      const { device } = await openFresh({ base: parent });
      await device.write(block(1), size - BLOCK, PLAIN);
      await device[change](size - length, length, PLAIN_ZERO);
      const target = Buffer.alloc(BLOCK, 9);
      await device.read(target, size - BLOCK);
      expect(target.equals(block(0))).toBe(true);
      await device.write(block(2), size - BLOCK, PLAIN);
      await device.read(target, size - BLOCK);
      expect(target.equals(block(2))).toBe(true);
      await device.close();
    }
  });
});

describe('quota', () => {
  test('is exact: the last block fits, the next gets ENOSPC, rewrites go on', async () => {
    const told: string[] = [];
    const onFull = (reason: string): void => void told.push(reason);
    const { device, state } = await openFresh({ base: base(), quotaBytes: 3 * BLOCK, onFull });
    const other = await openFresh({ base: base(), quotaBytes: 3 * BLOCK, onFull });
    for (let i = 0; i < 3; i++) await device.write(block(i + 1), i * BLOCK, PLAIN);
    expect(() => device.write(block(9), 3 * BLOCK, PLAIN)).toThrow(
      expect.objectContaining({ errno: 'ENOSPC' }),
    );
    expect(() => device.write(Buffer.alloc(5), 7 * BLOCK, PLAIN)).toThrow();
    expect(() => device.write(Buffer.alloc(2 * BLOCK, 9), 2 * BLOCK, PLAIN)).toThrow();
    expect(told).toEqual(['quota']);
    expect(readOverlayGauges(state)).toMatchObject({ full: 'quota', ownedBytes: 3 * BLOCK });
    await device.write(block(7), 2 * BLOCK, PLAIN);
    await device.write(Buffer.alloc(10, 8), 10, PLAIN);
    const target = Buffer.alloc(5 * BLOCK);
    await device.read(target, 0);
    expect([target[0], target[10], target[2 * BLOCK], target[3 * BLOCK]]).toEqual([1, 8, 7, 0]);
    await other.device.write(block(1), 0, PLAIN);
    expect(readOverlayGauges(other.state).full).toBeUndefined();
  });

  test('trim makes room, a raised quota too, and each time it is told again', async () => {
    const told: string[] = [];
    const onFull = (reason: string): void => void told.push(reason);
    const { device, state } = await openFresh({ base: base(), quotaBytes: 16 * BLOCK, onFull });
    const fill = (from: number, to: number): void => {
      for (let i = from; i < to; i++) device.write(block(1), i * BLOCK, PLAIN);
    };
    fill(0, 16);
    expect(() => fill(16, 17)).toThrow();
    await device.trim(0, 16 * BLOCK, PLAIN);
    expect(readOverlayGauges(state)).toMatchObject({ full: undefined, ownedBytes: 0 });
    fill(16, 32);
    expect(() => fill(32, 33)).toThrow();
    setOverlayQuota(state, 17 * BLOCK);
    fill(32, 33);
    expect(() => fill(33, 34)).toThrow();
    setOverlayQuota(state, undefined);
    fill(33, 100);
    expect(told).toEqual(['quota', 'quota', 'quota']);
    expect(readOverlayGauges(state).quotaBytes).toBeUndefined();
  });

  test('zeroing whole units costs nothing; allocating zeroes does', async () => {
    const { device, state } = await openFresh({ base: base(), quotaBytes: 0 });
    await device.zero(0, SIZE, PLAIN_ZERO);
    expect(readOverlayGauges(state).ownedBytes).toBe(0);
    await expect(device.zero(0, 10, { ...PLAIN_ZERO, noHole: true })).rejects.toMatchObject({
      errno: 'ENOSPC',
    });
  });
});

describe('space', () => {
  test('is given back by trim and zero', async () => {
    const { device, data } = await openFresh({ base: base() });
    const memory = data as MemoryDevice;
    await device.write(Buffer.alloc(SIZE, 1), 0, PLAIN);
    expect(memory.allocatedBytes).toBe(SIZE);
    await device.trim(0, SIZE / 2, PLAIN);
    await device.zero(SIZE / 2, SIZE / 2, PLAIN_ZERO);
    await device.close();
    expect(memory.allocatedBytes).toBe(0);
  });

  test('a failing trim of the data volume is counted, and fails nobody', async () => {
    const { data, map } = await overlayVolumes(SIZE);
    const faulty = new FaultyDevice(data, ({ operation }) =>
      operation === 'trim' ? { errno: 'EIO' } : undefined,
    );
    const { device, state } = await openFresh({ base: base(), data: faulty, map });
    await device.write(block(1), 0, PLAIN);
    await device.trim(0, BLOCK, PLAIN);
    await device.close();
    expect(readOverlayGauges(state).reclaimFailures).toBe(1);
  });
});

describe('errors', () => {
  const failing = (operation: BlockOperation, from = 0) => {
    let armed = false;
    let seen = 0;
    const plan = (request: { operation: string }): InjectedFault | undefined =>
      armed && request.operation === operation && seen++ >= from ? { errno: 'EIO' } : undefined;
    return { plan, arm: () => (armed = true), disarm: () => (armed = false) };
  };

  test('a failed write of data or map leaves every block old or new', async () => {
    for (const volume of ['data', 'map'] as const) {
      const { data, map } = await overlayVolumes(SIZE);
      const fault = failing('write');
      const volumes = { data, map, [volume]: new FaultyDevice({ data, map }[volume], fault.plan) };
      const content = Buffer.alloc(SIZE, 0xcc);
      const { device, state } = await openFresh({ base: filledMemory(content), ...volumes });
      fault.arm();
      expect(() => device.write(Buffer.alloc(3 * BLOCK, 1), BLOCK, PLAIN)).toThrow(
        expect.objectContaining({ errno: 'EIO' }),
      );
      expect(() => device.write(Buffer.alloc(10, 1), 100, PLAIN)).toThrow();
      fault.disarm();
      const target = Buffer.alloc(SIZE);
      await device.read(target, 0);
      expect(target.equals(content)).toBe(true);
      expect(readOverlayGauges(state).ownedBytes).toBe(0);
      await device.write(Buffer.alloc(10, 1), 100, PLAIN); // the mutex was given back
    }
  });

  test('a failed flush fails for good, on every handle', async () => {
    const { data, map } = await overlayVolumes(SIZE);
    const fault = failing('flush');
    const { device, state } = await openFresh({
      base: base(),
      data: new FaultyDevice(data, fault.plan),
      map,
    });
    await device.write(block(1), 0, PLAIN);
    await device.flush();
    fault.arm();
    await expect(device.flush()).rejects.toMatchObject({ errno: 'EIO' });
    fault.disarm();
    await expect(device.flush()).rejects.toMatchObject({ errno: 'EIO' });
    await expect(device.write(block(1), 0, FUA)).rejects.toMatchObject({ errno: 'EIO' });
    const other = openOverlay({ state, base: base(), data, map, worker: 0, onFull: () => {} });
    await expect(other.flush()).rejects.toMatchObject({ errno: 'EIO' });
  });

  test('a durable map that does not fit is tried again by the next flush', async () => {
    const data = new VolatileDisk(SIZE);
    const map = new VolatileDisk(overlayMapBytes(SIZE));
    const random = seededRandom();
    let full = false;
    const limited = new FaultyDevice(new VolatileDevice(map, random), ({ operation, offset }) =>
      full && operation === 'write' && offset >= 8192 + 8192 ? { errno: 'ENOSPC' } : undefined,
    );
    await formatOverlay(limited, { size: SIZE, bootId: 'boot-1' });
    const volumes = { base: base(), data: new VolatileDevice(data, random), map: limited };
    const { device } = await reopen(volumes, 'boot-1');
    await device.write(block(5), 0, PLAIN);
    full = true;
    await expect(device.flush()).rejects.toMatchObject({ errno: 'ENOSPC' });
    full = false;
    await device.flush();
    data.powerLoss(random, 0);
    map.powerLoss(random, 0);
    const again = await reopen(volumes, 'boot-2');
    const target = Buffer.alloc(BLOCK);
    await again.device.read(target, 0);
    expect(target).toEqual(block(5));
  });
});

describe('recovery', () => {
  test('what was acknowledged before a kill is flushed by the first flush after it', async () => {
    const data = new VolatileDisk(SIZE);
    const map = new VolatileDisk(overlayMapBytes(SIZE));
    const random = seededRandom();
    const volumes = {
      base: base(),
      data: new VolatileDevice(data, random),
      map: new VolatileDevice(map, random),
    };
    await formatOverlay(volumes.map, { size: SIZE, bootId: 'boot-1' });
    const first = await reopen(volumes, 'boot-1');
    await first.device.write(block(5), 0, PLAIN);
    const second = await reopen(volumes, 'boot-1'); // kill -9, restart
    await second.device.flush();
    data.powerLoss(random, 0);
    map.powerLoss(random, 0);
    const third = await reopen(volumes, 'boot-2');
    const target = Buffer.alloc(BLOCK);
    await third.device.read(target, 0);
    expect(target).toEqual(block(5));
    expect(readOverlayGauges(third.state).ownedBytes).toBe(BLOCK);
  });

  test('refuses maps that are foreign, damaged, of another size or too small', async () => {
    const options = { size: SIZE, bootId: 'b', quotaBytes: undefined, workers: 1 };
    const blank = new MemoryDevice({ size: overlayMapBytes(SIZE) });
    await expect(recoverOverlay({ ...options, map: blank })).rejects.toThrow(/not an overlay map/);
    const { map } = await overlayVolumes(SIZE);
    await expect(recoverOverlay({ ...options, map, size: 2 * SIZE })).rejects.toThrow(
      /a disk of 1048576 bytes, not 2097152/,
    );
    for (let byte = 8; byte < 512; byte += 3) {
      const copy = new MemoryDevice({ size: map.geometry.size });
      const header = Buffer.alloc(512);
      map.read(header, 0);
      header[byte] = (header[byte] ?? 0) ^ 0x10;
      copy.write(header, 0, PLAIN);
      await expect(recoverOverlay({ ...options, map: copy })).rejects.toThrow(/damaged/);
    }
    const small = new MemoryDevice({ size: 4096 });
    await expect(formatOverlay(small, { size: SIZE, bootId: 'b' })).rejects.toThrow(/needs/);
    await expect(recoverOverlay({ ...options, map, workers: 0 })).rejects.toThrow(RangeError);
    expect(() => overlayMapBytes(2 ** 42 + 1)).toThrow(RangeError);
    expect(overlayMapBytes(2 ** 42)).toBeGreaterThan(0);
  });

  test('a damaged boot record means another boot: the flushed state comes back', async () => {
    const { data, map } = await overlayVolumes(SIZE);
    const { device } = await reopen({ base: base(), data, map }, 'boot-1');
    await device.write(block(1), 0, FUA);
    await device.write(block(2), BLOCK, PLAIN);
    map.write(Buffer.from([0xff]), 4096 + 6, PLAIN);
    const { device: again } = await reopen({ base: base(), data, map }, 'boot-1');
    const target = Buffer.alloc(2 * BLOCK);
    await again.read(target, 0);
    expect([target[0], target[BLOCK]]).toEqual([1, 0]);
  });

  test('formatting again makes everything the parent’s', async () => {
    const { data, map } = await overlayVolumes(SIZE);
    const { device } = await reopen({ base: base(), data, map }, 'boot-1');
    await device.write(block(1), 0, FUA);
    await formatOverlay(map, { size: SIZE, bootId: 'boot-1' });
    const { device: again, state } = await reopen({ base: base(), data, map }, 'boot-1');
    const target = block(9);
    await again.read(target, 0);
    expect(target).toEqual(block(0));
    expect(readOverlayGauges(state).ownedBytes).toBe(0);
  });

  test('refuses volumes that do not fit the state', async () => {
    const { state, data, map } = await openFresh({ base: base() });
    const parts = { state, data, map, worker: 0, onFull: () => {} };
    expect(() => openOverlay({ ...parts, base: new ZeroDevice(SIZE + 1) })).toThrow(/do not fit/);
    expect(() => openOverlay({ ...parts, base: base(), worker: 1 })).toThrow(RangeError);
    expect(() => readOverlayGauges(new SharedArrayBuffer(4096))).toThrow(RangeError);
  });
});

describe('flush', () => {
  test('of an overlay whose map did not change syncs the data alone, once for all callers', async () => {
    const { data, map } = await overlayVolumes(SIZE);
    const flushed: string[] = [];
    const watch = (device: MemoryDevice, name: string) =>
      new FaultyDevice(device, ({ operation }) => {
        if (operation !== 'flush') return undefined;
        flushed.push(name);
        return { delay: eventLoopTurns(2) };
      });
    const { device } = await openFresh({
      base: base(),
      data: watch(data, 'data'),
      map: watch(map, 'map'),
    });
    flushed.length = 0;
    await device.write(block(1), 0, PLAIN);
    await device.flush();
    expect(flushed).toEqual(['data', 'map']);
    await device.write(block(2), 0, PLAIN);
    await device.flush();
    expect(flushed).toEqual(['data', 'map', 'data']);
    await Promise.all(Array.from({ length: 20 }, () => device.flush()));
    expect(flushed.length).toBe(5); // one that ran, one for the nineteen that came meanwhile
    await device.zero(0, 128 * 1024, PLAIN_ZERO);
    flushed.length = 0;
    await device.flush();
    expect(flushed).toEqual(['data', 'map', 'map']); // zeroed bits first
  });
});

describe('gauges', () => {
  test('count requests and bytes, with the time of the last', async () => {
    let now = 1000;
    const { device, state } = await openFresh({ base: base(), now: () => now });
    expect(readOverlayGauges(state).lastRequestAt).toBeUndefined();
    await device.write(Buffer.alloc(100), 0, PLAIN);
    await device.read(Buffer.alloc(50), 0);
    device.lend(SIZE / 2, 4096)?.release();
    now = 2000;
    await device.flush();
    expect(readOverlayGauges(state)).toEqual({
      ownedBytes: BLOCK,
      quotaBytes: undefined,
      bytesRead: 50 + 4096,
      bytesWritten: 100,
      readRequests: 2,
      writeRequests: 1,
      flushes: 1,
      full: undefined,
      lastRequestAt: 2000,
      reclaimFailures: 0,
    });
  });
});
