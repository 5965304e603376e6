/** What a map says after a process or a host died, in the cases that random crashes rarely reach. */
import { describe, expect, test } from 'vitest';
import {
  type BlockDevice,
  FaultyDevice,
  MemoryDevice,
  PLAIN,
  PLAIN_ZERO,
} from '../../../../src/block/index.ts';
import {
  formatOverlay,
  openOverlay,
  overlayMapBytes,
  recoverOverlay,
} from '../../../../src/vdisk/index.ts';
import { eventLoopTurns } from '../../../support/content.ts';
import { handle, openFresh, overlayVolumes, reopen } from '../../../support/overlays.ts';
import { VolatileDevice, VolatileDisk } from '../../../support/volatile-device.ts';

const SIZE = 1024 * 1024;
const BLOCK = 4096;
/** The disk that one page of the map describes. */
const MAP_PAGE_SPAN = 128 * 1024 * 1024;

const block = (value: number): Buffer => Buffer.alloc(BLOCK, value);

async function byteAt(device: BlockDevice, offset: number): Promise<number> {
  const target = Buffer.alloc(1);
  await device.read(target, offset);
  return target[0] ?? -1;
}

describe('the durable map', () => {
  test('keeps what was flushed after a kill when the next first write comes', async () => {
    const base = new MemoryDevice({ size: SIZE });
    const first = await openFresh({ base });
    await first.device.write(block(1), 0, PLAIN);
    // kill -9: nothing was flushed, the live map alone knows of the block
    const second = await reopen({ ...first, base }, 'boot-1');
    await second.device.flush();
    await second.device.write(block(2), 5 * BLOCK, PLAIN);
    // power loss: everything written so far happens to be on disk
    const third = await reopen({ ...second, base }, 'boot-2');
    expect(await byteAt(third.device, 0)).toBe(1);
  });

  test('keeps what is being flushed while the first write comes', async () => {
    const base = new MemoryDevice({ size: SIZE });
    const first = await openFresh({ base });
    await first.device.write(block(1), 0, PLAIN);
    const { promise: stored, resolve: finish } = Promise.withResolvers<void>();
    let reached = 0;
    const map = new FaultyDevice(handle(first.map), ({ operation }) => {
      if (operation !== 'flush') return undefined;
      reached += 1;
      return { delay: stored };
    });
    const second = await reopen({ base, data: first.data, map }, 'boot-1');
    const flushed = second.device.flush();
    while (reached === 0) await eventLoopTurns(1); // the map's page is written, not synced
    await second.device.write(block(2), 5 * BLOCK, PLAIN);
    finish();
    await flushed;
    const third = await reopen({ base, data: first.data, map: first.map }, 'boot-2');
    expect(await byteAt(third.device, 0)).toBe(1);
  });
});

describe('a flush after a kill', () => {
  test('makes durable what a killed flush had written and not synced', async () => {
    const base = new MemoryDevice({ size: SIZE });
    const [dataDisk, mapDisk] = [new VolatileDisk(SIZE), new VolatileDisk(overlayMapBytes(SIZE))];
    const volumes = () => ({
      data: new VolatileDevice(dataDisk, () => 0),
      map: new VolatileDevice(mapDisk, () => 0),
    });
    const before = volumes();
    await formatOverlay(before.map, { size: SIZE, bootId: 'boot-1' });
    let flushes = 0;
    const dying = new FaultyDevice(handle(before.map), ({ operation }) => {
      if (operation !== 'flush') return undefined;
      flushes += 1;
      before.map.kill(); // the page of the durable map is written, not synced
      return undefined;
    });
    const first = await reopen({ base, data: before.data, map: dying }, 'boot-1');
    await first.device.write(block(1), 0, PLAIN);
    await expect(first.device.flush()).rejects.toMatchObject({ errno: 'ESHUTDOWN' });
    expect(flushes).toBe(1);
    // The live and the durable map are the same now, in the page cache: nothing is left to write.
    const second = await reopen({ base, ...volumes() }, 'boot-1');
    await second.device.flush();
    for (const disk of [dataDisk, mapDisk]) disk.powerLoss(() => 0.5, 0);
    const third = await reopen({ base, ...volumes() }, 'boot-2');
    expect(await byteAt(third.device, 0)).toBe(1);
  });
});

describe('a flush that failed', () => {
  test('takes the disk back to what was flushed, also when only the process restarts', async () => {
    const base = new MemoryDevice({ size: SIZE });
    const volumes = await overlayVolumes(SIZE);
    let failing = false;
    const data = new FaultyDevice(handle(volumes.data), ({ operation }) =>
      failing && operation === 'flush' ? { errno: 'EIO' } : undefined,
    );
    const first = await reopen({ base, data, map: volumes.map }, 'boot-1');
    await first.device.write(block(1), 0, PLAIN);
    await first.device.flush();
    await first.device.write(block(2), BLOCK, PLAIN);
    failing = true;
    await expect(first.device.flush()).rejects.toMatchObject({ errno: 'EIO' });
    failing = false;
    await expect(first.device.flush()).rejects.toMatchObject({ errno: 'EIO' });
    // kill -9: the kernel has told of the lost write once and would not again
    const second = await reopen({ base, ...volumes }, 'boot-1');
    await second.device.flush();
    expect([await byteAt(second.device, 0), await byteAt(second.device, BLOCK)]).toEqual([1, 0]);
    // and from then on as ever
    await second.device.write(block(3), 2 * BLOCK, PLAIN);
    const third = await reopen({ base, ...volumes }, 'boot-1');
    expect(await byteAt(third.device, 2 * BLOCK)).toBe(3);
  });
});

describe('a write that failed', () => {
  test('leaves nothing behind in the live map', async () => {
    const size = 2 * MAP_PAGE_SPAN;
    const base = new MemoryDevice({ size });
    const volumes = await overlayVolumes(size);
    const start = MAP_PAGE_SPAN - 2 * BLOCK;
    // The file system is full: of a write across two pages of the map the first fits.
    let full = false;
    const cut = handle(volumes.map);
    const write = cut.write.bind(cut);
    cut.write = (source, offset, options) => {
      const room = BLOCK - (offset % BLOCK);
      if (!full || source.length <= room) return write(source, offset, options);
      write(source.subarray(0, room), offset, options);
      return new FaultyDevice(volumes.map, () => ({ errno: 'ENOSPC' })).write(
        source,
        offset,
        options,
      );
    };
    const first = await reopen({ base, data: volumes.data, map: cut }, 'boot-1');
    // openOverlay was given a handle of `cut`, whose write is the one above.
    full = true;
    const refused = async () => first.device.write(Buffer.alloc(4 * BLOCK, 7), start, PLAIN);
    await expect(refused()).rejects.toMatchObject({ errno: 'ENOSPC' });
    full = false;
    expect(await byteAt(first.device, start)).toBe(0);
    const second = await reopen({ base, ...volumes }, 'boot-1');
    expect(await byteAt(second.device, start)).toBe(0);
  });

  test('gives the mutex back once, also when the parent fails', async () => {
    const base = new MemoryDevice({ size: SIZE });
    const { data, map } = await overlayVolumes(SIZE);
    const state = await recoverOverlay({
      map,
      size: SIZE,
      bootId: 'boot-1',
      quotaBytes: undefined,
      workers: 2,
    });
    const gates = new Map([20, 40].map((at) => [at * BLOCK, Promise.withResolvers<void>()]));
    const reached = new Set<number>();
    const stopping = new FaultyDevice(data, ({ operation, offset }) => {
      const gate = operation === 'write' ? gates.get(offset) : undefined;
      if (gate === undefined) return undefined;
      reached.add(offset / BLOCK);
      return { delay: gate.promise };
    });
    const failing = new FaultyDevice(base, ({ operation, offset }) =>
      operation === 'read' && offset === 0 ? { errno: 'EIO' } : undefined,
    );
    const onFull = (): void => {};
    const open = (worker: number): BlockDevice =>
      openOverlay({ state, base: failing, data: stopping, map, worker, onFull });
    const [a, b] = [open(0), open(1)];
    await b.write(block(1), 0, PLAIN);
    const held = b.write(block(2), 20 * BLOCK, PLAIN); // holds the mutex until its gate opens
    const trimmed = b.trim(0, BLOCK, PLAIN); // next in line
    // Began when block 0 was owned; when its turn comes it needs the parent, which cannot be read.
    const failed = expect(
      a.write(Buffer.alloc(2 * BLOCK - 100, 3), 100, PLAIN),
    ).rejects.toMatchObject({
      errno: 'EIO',
    });
    const next = a.write(block(4), 40 * BLOCK, PLAIN); // inherits the mutex from it
    gates.get(20 * BLOCK)?.resolve();
    await Promise.all([held, trimmed, failed]);
    while (!reached.has(40)) await eventLoopTurns(1);
    let overtaken = false;
    const other = Promise.resolve(b.write(block(5), 60 * BLOCK, PLAIN)).then(() => {
      overtaken = true;
    });
    await eventLoopTurns(5);
    expect(overtaken).toBe(false);
    gates.get(40 * BLOCK)?.resolve();
    await Promise.all([next, other]);
    await b.zero(0, BLOCK, PLAIN_ZERO);
  });
});

test('where a flush covers its own handle only, one of another thread does not count', async () => {
  const base = new MemoryDevice({ size: SIZE });
  const { data, map } = await overlayVolumes(SIZE);
  const state = await recoverOverlay({
    ...{ map, size: SIZE, bootId: 'boot-1', quotaBytes: undefined, workers: 2 },
  });
  const flushed = [0, 0];
  const overlays = [0, 1].map((worker) => {
    const own = new FaultyDevice(handle(data), ({ operation }) => {
      if (operation === 'flush') flushed[worker] = (flushed[worker] ?? 0) + 1;
      return undefined;
    });
    // As a file on NFS: what this thread has written only this thread can make stable.
    const capabilities = { ...own.capabilities, multiConn: false };
    Object.defineProperty(own, 'capabilities', { value: capabilities });
    return openOverlay({
      ...{ state, base: handle(base), data: own, map: handle(map), worker, onFull: () => {} },
    });
  });
  const [first, second] = overlays;
  await first?.write(block(1), 0, PLAIN);
  await second?.write(block(2), BLOCK, PLAIN);
  await Promise.all([second?.flush(), second?.flush(), first?.flush(), first?.flush()]);
  expect(flushed[0]).toBeGreaterThan(0);
  expect(flushed[1]).toBeGreaterThan(0);
  expect(first?.capabilities.multiConn).toBe(false);
  // Begun before another thread's, which ends first.
  flushed[0] = 0;
  await first?.write(block(3), 0, PLAIN);
  const ends = [second?.flush(), first?.flush(), second?.flush()];
  await Promise.all(ends);
  expect(flushed[0]).toBeGreaterThan(0);
});
