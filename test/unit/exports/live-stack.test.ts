import { expect, test } from 'vitest';
import { FaultyDevice, MemoryDevice, PLAIN } from '../../../src/block/index.ts';
import type { VolumePlan } from '../../../src/exports/index.ts';
import { LiveStack } from '../../../src/exports/live-stack.ts';

const PLAN: VolumePlan = {
  ...{ key: 'volume:v', name: 'volume/r/v', description: '', readOnly: false },
  volume: { kind: 'plain', locator: { adapter: 'memory', volume: 'v', address: {} } },
};

test('whoever gave up waiting for a worker to hold finds that it does not hold later', async () => {
  const gate = Promise.withResolvers<void>();
  const memory = new MemoryDevice({ size: 4096 });
  const slow = new FaultyDevice(memory, ({ operation }) =>
    operation === 'flush' ? { delay: gate.promise } : undefined,
  );
  const live = new LiveStack(PLAN, async () => ({ device: slow, close: async () => {} }));
  const { device } = await live.device();
  const holding = live.hold({ flush: true });
  await new Promise((resolve) => setImmediate(resolve));
  await live.resume(undefined);
  gate.resolve();
  await holding;
  await device.write(Buffer.alloc(512, 1), 0, PLAIN);
  await live.close();
});

test('what cannot be built fails the requests, and what was open is closed with the last connection', async () => {
  let closed = 0;
  let built = 0;
  const close = async (): Promise<void> => {
    closed += 1;
  };
  const live = new LiveStack(PLAN, async () => {
    built += 1;
    if (built > 1) throw new Error('no such volume');
    return { device: new MemoryDevice({ size: 4096 }), close };
  });
  const { device } = await live.device();
  await live.hold({ flush: true });
  const held = device.write(Buffer.alloc(512, 1), 0, PLAIN);
  await expect(live.resume(PLAN)).rejects.toThrow('no such volume');
  await expect(held).rejects.toMatchObject({ errno: 'EIO' });
  expect(closed).toBe(0);
  await live.close();
  expect(closed).toBe(1);
});

test('a hold that comes while the exchange of another moment still runs holds when that has ended', async () => {
  const gate = Promise.withResolvers<void>();
  const [first, second] = [new MemoryDevice({ size: 4096 }), new MemoryDevice({ size: 4096 })];
  let built = 0;
  const live = new LiveStack(PLAN, async () => {
    built += 1;
    if (built > 1) await gate.promise;
    return { device: built > 1 ? second : first, close: async () => {} };
  });
  const { device } = await live.device();
  await live.hold({ flush: true });
  const resuming = live.resume(PLAN);
  let isHeld = false;
  const holding = live.hold({ flush: true }).then(() => {
    isHeld = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(isHeld).toBe(false);
  gate.resolve();
  await resuming;
  await holding;
  let isWritten = false;
  const writing = Promise.resolve(device.write(Buffer.alloc(512, 1), 0, PLAIN)).then(() => {
    isWritten = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(isWritten).toBe(false);
  await live.resume(undefined);
  await writing;
  await live.close();
});

test('one that was opened while others were held is exchanged like them', async () => {
  const devices = [new MemoryDevice({ size: 4096 }), new MemoryDevice({ size: 4096 })];
  let built = 0;
  const live = new LiveStack(PLAN, async () => {
    const device = devices[built] ?? new MemoryDevice({ size: 4096 });
    built += 1;
    return { device, close: async () => {} };
  });
  await live.resume(PLAN);
  const { device } = await live.device();
  await device.write(Buffer.alloc(512, 1), 0, PLAIN);
  const found = Buffer.alloc(512);
  await devices[1]?.read(found, 0);
  expect(found[0]).toBe(1);
  await live.close();
});

test('what is closed was flushed', async () => {
  let flushed = 0;
  const counting = new FaultyDevice(new MemoryDevice({ size: 4096 }), ({ operation }) => {
    if (operation === 'flush') flushed += 1;
    return undefined;
  });
  const live = new LiveStack(PLAN, async () => ({ device: counting, close: async () => {} }));
  await live.device();
  await live.close();
  expect(flushed).toBe(1);
});
