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
