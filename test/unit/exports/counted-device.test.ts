import { describe, expect, test } from 'vitest';
import { FaultyDevice, MemoryDevice, PLAIN, PLAIN_ZERO } from '../../../src/block/index.ts';
import { CountedDevice } from '../../../src/exports/counted-device.ts';
import { createTraffic, readTraffic } from '../../../src/exports/index.ts';

const SIZE = 64 * 1024;

const opened = (traffic: SharedArrayBuffer, worker = 0): CountedDevice =>
  new CountedDevice(new MemoryDevice({ size: SIZE }), traffic, worker);

describe('what passes through a device', () => {
  test('is counted as requests and bytes; trims and zeroes have no bytes, flushes and questions are no requests', async () => {
    const traffic = createTraffic(1);
    const device = opened(traffic);
    await device.write(Buffer.alloc(4096), 0, PLAIN);
    await device.write(Buffer.alloc(512), 8192, PLAIN);
    await device.trim(0, 4096, PLAIN);
    await device.zero(0, 4096, PLAIN_ZERO);
    await device.read(Buffer.alloc(1024), 0);
    await device.flush();
    await device.cache(0, 4096);
    await device.extents(0, SIZE, 8);
    expect(readTraffic(traffic)).toEqual({
      ...{ bytesRead: 1024, readRequests: 1, bytesWritten: 4608, writeRequests: 4 },
    });
  });

  test('counts a read that is answered from lent memory once, and one that is not lent when it is read', async () => {
    const traffic = createTraffic(1);
    const chunks = [Buffer.alloc(4096)];
    const inner = new MemoryDevice({ size: SIZE });
    inner.lend = (offset) => (offset === 0 ? { chunks, release: () => {} } : undefined);
    const device = new CountedDevice(inner, traffic, 0);
    expect(device.lend(0, 4096)?.chunks).toBe(chunks);
    expect(device.lend(4096, 512)).toBeUndefined();
    expect(readTraffic(traffic)).toMatchObject({ readRequests: 1, bytesRead: 4096 });
    await device.read(Buffer.alloc(512), 4096);
    expect(readTraffic(traffic)).toMatchObject({ readRequests: 2, bytesRead: 4608 });
  });

  test('is counted when it fails too, and while it waits', async () => {
    const traffic = createTraffic(1);
    const gate = Promise.withResolvers<void>();
    const faulty = new FaultyDevice(new MemoryDevice({ size: SIZE }), ({ operation }) =>
      operation === 'read' ? { delay: gate.promise } : { errno: 'EIO' },
    );
    const device = new CountedDevice(faulty, traffic, 0);
    const waiting = device.read(Buffer.alloc(512), 0);
    expect(readTraffic(traffic).readRequests).toBe(1);
    gate.resolve();
    await waiting;
    await expect(async () => device.write(Buffer.alloc(512), 0, PLAIN)).rejects.toMatchObject({
      errno: 'EIO',
    });
    expect(readTraffic(traffic)).toMatchObject({ writeRequests: 1, bytesWritten: 512 });
  });

  test('is told of all threads together, each of which writes a slot of its own', async () => {
    const traffic = createTraffic(3);
    const threads = [0, 1, 2].map((worker) => opened(traffic, worker));
    for (const [times, device] of threads.entries()) {
      for (let time = 0; time <= times; time++) await device.read(Buffer.alloc(512), 0);
    }
    expect(readTraffic(traffic)).toMatchObject({ readRequests: 6, bytesRead: 6 * 512 });
    expect(() => opened(traffic, 3)).toThrow(RangeError);
  });
});
