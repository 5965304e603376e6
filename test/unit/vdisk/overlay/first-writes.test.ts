/** First writes that are acknowledged together change the map together, and are none before that. */
import { describe, expect, test } from 'vitest';
import {
  type BlockDevice,
  FaultyDevice,
  MemoryDevice,
  PLAIN,
  PLAIN_ZERO,
  WriteBatch,
} from '../../../../src/block/index.ts';
import { eventLoopTurns } from '../../../support/content.ts';
import { handle, openFresh, overlayVolumes, reopen } from '../../../support/overlays.ts';

const SIZE = 1024 * 1024;
const BLOCK = 4096;

const block = (value: number): Buffer => Buffer.alloc(BLOCK, value);

async function byteAt(device: BlockDevice, offset: number): Promise<number> {
  const target = Buffer.alloc(1);
  await device.read(target, offset);
  return target[0] ?? -1;
}

/** An overlay whose map counts the writes to it, and fails them when told to. */
async function openCounting(quotaBytes?: number) {
  const base = new MemoryDevice({ size: SIZE });
  const volumes = await overlayVolumes(SIZE);
  const faults = { failing: false, delay: undefined as Promise<void> | undefined };
  const counts = { writes: 0 };
  const map = new FaultyDevice(handle(volumes.map), ({ operation }) => {
    if (operation !== 'write') return undefined;
    counts.writes += 1;
    if (faults.failing) return { errno: 'EIO' };
    return faults.delay === undefined ? undefined : { delay: faults.delay };
  });
  const opened = await reopen({ base, data: volumes.data, map, quotaBytes }, 'boot-1');
  // The first write to a page of the map gives it space, by itself.
  await opened.device.write(block(1), SIZE - BLOCK, PLAIN);
  counts.writes = 0;
  const afterKill = async (): Promise<BlockDevice> =>
    (await reopen({ base, ...volumes }, 'boot-1')).device;
  return { device: opened.device, faults, counts, afterKill };
}

describe('first writes of a batch', () => {
  test('cost one write of the map, and are in it once the batch is committed', async () => {
    const { device, counts, afterKill } = await openCounting();
    const batch = new WriteBatch();
    for (let index = 0; index < 16; index += 1) {
      expect(device.write(block(2), index * 3 * BLOCK, { fua: false, batch })).toBe(undefined);
    }
    expect(counts.writes).toBe(0);
    expect(batch.commit()).toBe(undefined);
    expect(counts.writes).toBe(1);
    // The batch is used for the next event.
    device.write(block(3), BLOCK, { fua: false, batch });
    expect(batch.commit()).toBe(undefined);
    expect(counts.writes).toBe(2);
    const restarted = await afterKill();
    expect(await byteAt(restarted, 45 * BLOCK)).toBe(2);
    expect(await byteAt(restarted, BLOCK)).toBe(3);
  });

  test('are seen by reads when it is committed', () => {
    return openCounting().then(({ device }) => {
      const batch = new WriteBatch();
      device.write(block(2), 0, { fua: false, batch });
      const before = Buffer.alloc(1);
      device.read(before, 0);
      batch.commit();
      const after = Buffer.alloc(1);
      device.read(after, 0);
      expect([before[0], after[0]]).toEqual([0, 2]);
    });
  });

  test('may be of parts of one block', async () => {
    const { device } = await openCounting();
    const batch = new WriteBatch();
    const options = { fua: false, batch };
    const results = [
      device.write(Buffer.alloc(512, 2), 0, options),
      device.write(Buffer.alloc(512, 3), 512, options),
      device.write(Buffer.alloc(512, 4), 256, options),
      device.write(block(5), BLOCK, options),
      device.write(Buffer.alloc(512, 6), BLOCK + 512, options),
      batch.commit(),
    ];
    await Promise.all(results);
    const found = await Promise.all(
      [0, 256, 767, 768, 1023, 1024, BLOCK, BLOCK + 512, BLOCK + 1024].map((at) =>
        byteAt(device, at),
      ),
    );
    expect(found).toEqual([2, 4, 4, 3, 3, 0, 5, 6, 5]);
  });

  test('may be of parts of one block that reads as zeroes', async () => {
    const { device } = await openCounting();
    await device.zero(0, 64 * 1024, PLAIN_ZERO);
    const batch = new WriteBatch();
    const options = { fua: false, batch };
    const first = device.write(Buffer.alloc(512, 2), 0, options);
    const second = device.write(Buffer.alloc(512, 3), 512, options);
    await Promise.all([first, second, batch.commit()]);
    expect([await byteAt(device, 0), await byteAt(device, 512)]).toEqual([2, 3]);
  });

  test('are none of them done when the map cannot be written', async () => {
    const { device, faults, afterKill } = await openCounting();
    const batch = new WriteBatch();
    device.write(block(2), 0, { fua: false, batch });
    device.write(block(2), BLOCK, { fua: false, batch });
    faults.failing = true;
    await expect((async () => batch.commit())()).rejects.toMatchObject({ errno: 'EIO' });
    faults.failing = false;
    expect(await byteAt(device, 0)).toBe(0);
    expect(await byteAt(await afterKill(), BLOCK)).toBe(0);
    // And the overlay goes on.
    await device.write(block(3), 0, PLAIN);
    expect(await byteAt(device, 0)).toBe(3);
  });

  test('tell their own batch of a failure that somebody else ran into', async () => {
    const { device, faults } = await openCounting();
    const batch = new WriteBatch();
    device.write(block(2), 0, { fua: false, batch });
    faults.failing = true;
    // A partial write over it has to have it in the map first.
    const partial = Promise.resolve(device.write(Buffer.alloc(512, 3), 512, { fua: false, batch }));
    const committed = (async () => batch.commit())();
    await expect(partial).rejects.toMatchObject({ errno: 'EIO' });
    await expect(committed).rejects.toMatchObject({ errno: 'EIO' });
  });

  test('settle with a map that is slow, and keep nobody else out for good', async () => {
    const { device, faults } = await openCounting();
    const { promise, resolve } = Promise.withResolvers<void>();
    faults.delay = promise;
    const batch = new WriteBatch();
    device.write(block(2), 0, { fua: false, batch });
    const committed = batch.commit();
    expect(committed).toBeInstanceOf(Promise);
    const other = device.write(block(4), 2 * BLOCK, PLAIN);
    resolve();
    faults.delay = undefined;
    await Promise.all([committed, other]);
    expect([await byteAt(device, 0), await byteAt(device, 2 * BLOCK)]).toEqual([2, 4]);
  });

  test('of a batch that nobody commits are done all the same, and block nobody', async () => {
    const { device } = await openCounting();
    device.write(block(2), 0, { fua: false, batch: new WriteBatch() });
    await eventLoopTurns(1);
    await device.flush();
    await device.write(block(3), BLOCK, PLAIN);
    expect([await byteAt(device, 0), await byteAt(device, BLOCK)]).toEqual([2, 3]);
  });

  test('count against the quota before they are owned', async () => {
    const { device } = await openCounting(3 * BLOCK); // one of them is used
    const batch = new WriteBatch();
    const write = (at: number) => device.write(block(2), at * BLOCK, { fua: false, batch });
    expect(write(0)).toBe(undefined);
    expect(write(0)).toBe(undefined); // the same again is no other block
    expect(write(1)).toBe(undefined);
    expect(() => write(2)).toThrow('quota');
    await batch.commit();
    expect(await byteAt(device, BLOCK)).toBe(2);
  });

  test('in several pages of a slow map are all in it', async () => {
    const size = 256 * 1024 * 1024;
    const page = 32_768;
    const base = new MemoryDevice({ size });
    const volumes = await overlayVolumes(size);
    const faults = { delay: undefined as Promise<void> | undefined };
    const map = new FaultyDevice(handle(volumes.map), ({ operation }) =>
      operation === 'write' && faults.delay !== undefined ? { delay: faults.delay } : undefined,
    );
    const { device } = await reopen({ base, data: volumes.data, map }, 'boot-1');
    for (const at of [0, page]) await device.write(block(1), at * BLOCK, PLAIN);
    faults.delay = eventLoopTurns(1);
    const batch = new WriteBatch();
    const written = [page / 2, page - 1, page + 9];
    const two = Buffer.alloc(2 * BLOCK, 2);
    for (const at of written) device.write(two, at * BLOCK, { fua: false, batch });
    await batch.commit();
    const restarted = (await reopen({ base, ...volumes }, 'boot-1')).device;
    for (const at of written) {
      const found = [
        await byteAt(restarted, at * BLOCK),
        await byteAt(restarted, (at + 1) * BLOCK),
      ];
      expect(found).toEqual([2, 2]);
    }
  });

  test('keep the mutex until they are in a slow map, also when another write fails', async () => {
    const base = new MemoryDevice({ size: SIZE });
    const volumes = await overlayVolumes(SIZE);
    const faults = { delay: undefined as Promise<void> | undefined, failing: false };
    const map = new FaultyDevice(handle(volumes.map), ({ operation }) =>
      operation === 'write' && faults.delay !== undefined ? { delay: faults.delay } : undefined,
    );
    const data = new FaultyDevice(handle(volumes.data), ({ operation }) =>
      operation === 'write' && faults.failing
        ? { delay: Promise.resolve(), errno: 'EIO' }
        : undefined,
    );
    const { device } = await reopen({ base, data, map }, 'boot-1');
    await device.write(block(1), SIZE - BLOCK, PLAIN);
    const batch = new WriteBatch();
    device.write(block(2), 0, { fua: false, batch });
    const slow = Promise.withResolvers<void>();
    faults.delay = slow.promise;
    faults.failing = true;
    const failed = Promise.resolve(device.write(block(3), 2 * BLOCK, { fua: false, batch }));
    failed.catch(() => undefined);
    const committed = batch.commit();
    await eventLoopTurns(1);
    faults.failing = false;
    faults.delay = undefined;
    const other = device.write(block(4), BLOCK, PLAIN);
    await eventLoopTurns(1);
    slow.resolve();
    await Promise.all([committed, other]);
    await expect(failed).rejects.toMatchObject({ errno: 'EIO' });
    const restarted = (await reopen({ base, ...volumes }, 'boot-1')).device;
    expect([await byteAt(restarted, 0), await byteAt(restarted, BLOCK)]).toEqual([2, 4]);
  });

  test('keep their order with a trim and a flush of the same turn', async () => {
    const base = new MemoryDevice({ size: SIZE });
    const { device } = await openFresh({ base });
    await device.write(block(1), 64 * BLOCK, PLAIN);
    const batch = new WriteBatch();
    device.write(block(2), 0, { fua: false, batch });
    const trimmed = device.trim(0, 16 * BLOCK, PLAIN);
    const flushed = device.flush();
    await Promise.all([batch.commit(), trimmed, flushed]);
    expect(await byteAt(device, 0)).toBe(0);
  });
});
