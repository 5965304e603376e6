import { describe, expect, test } from 'vitest';
import { FaultyDevice, FUA, MemoryDevice, PLAIN, WriteBatch } from '../../../src/block/index.ts';
import { SwapDevice } from '../../../src/exports/swap-device.ts';

const filled = (fill: number): Buffer => Buffer.alloc(512, fill);

async function settled(promise: Promise<unknown>): Promise<boolean> {
  const marker = Symbol('running');
  await new Promise((resolve) => setImmediate(resolve));
  return (await Promise.race([promise, Promise.resolve(marker)])) !== marker;
}

function firstByte(device: MemoryDevice): number | undefined {
  const target = Buffer.alloc(512);
  void device.read(target, 0);
  return target[0];
}

describe('a device whose requests can be held', () => {
  test('waits for what runs, holds what comes, and lets it go to the next device in order', async () => {
    const first = new MemoryDevice({ size: 4096 });
    const second = new MemoryDevice({ size: 4096 });
    const gate = Promise.withResolvers<void>();
    const slow = new FaultyDevice(first, () => ({ delay: gate.promise }));
    const swap = new SwapDevice(slow);
    const view = swap.view();
    const running = view.write(filled(1), 0, PLAIN);
    const holding = swap.hold();
    expect(await settled(holding)).toBe(false);
    gate.resolve();
    await running;
    await holding;
    const order: number[] = [];
    const held = [2, 3].map(async (fill) => {
      await view.write(filled(fill), 0, fill === 3 ? FUA : PLAIN);
      order.push(fill);
    });
    const read = Buffer.alloc(512);
    const reading = view.read(read, 0);
    expect(view.lend(0, 512)).toBeUndefined();
    expect(await settled(Promise.race(held))).toBe(false);
    expect(firstByte(first)).toBe(1);
    swap.exchange(second);
    swap.release();
    await Promise.all([...held, reading]);
    expect(order).toEqual([2, 3]);
    expect([firstByte(first), firstByte(second), read[0]]).toEqual([1, 3, 3]);
  });

  test('a held write does not join a batch that is committed before it runs', async () => {
    let batches = 0;
    const memory = new MemoryDevice({ size: 4096 });
    const write = memory.write.bind(memory);
    memory.write = (source, offset, options) => {
      if (options.batch !== undefined) batches += 1;
      return write(source, offset, options);
    };
    const swap = new SwapDevice(memory);
    const view = swap.view();
    await swap.hold();
    const batch = new WriteBatch();
    const held = view.write(filled(1), 0, { fua: false, batch });
    await batch.commit();
    swap.release();
    await held;
    expect(batches).toBe(0);
    await view.write(filled(2), 0, { fua: false, batch });
    await batch.commit();
    expect(batches).toBe(1);
  });

  test('takes no device that offers less, and fails every request when it is refused', async () => {
    const swap = new SwapDevice(new MemoryDevice({ size: 8192, minimumIo: 512 }));
    const view = swap.view();
    await swap.hold();
    const held = view.read(Buffer.alloc(512), 0);
    expect(() => swap.exchange(new MemoryDevice({ size: 4096 }))).toThrow(
      expect.objectContaining({ errno: 'EINVAL' }),
    );
    expect(() => swap.exchange(new MemoryDevice({ size: 8192, minimumIo: 4096 }))).toThrow(
      expect.objectContaining({ errno: 'EINVAL' }),
    );
    swap.refuse(new Error('gone'));
    swap.release();
    await expect(held).rejects.toMatchObject({ errno: 'EIO' });
    await expect(async () => view.write(filled(1), 0, PLAIN)).rejects.toMatchObject({
      errno: 'EIO',
    });
    expect(view.lend(0, 512)).toBeUndefined();
  });
});
