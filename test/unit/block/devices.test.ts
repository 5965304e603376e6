import { describe, expect, test } from 'vitest';
import {
  CheckedDevice,
  FaultyDevice,
  failAtRandom,
  MemoryDevice,
  MeteredDevice,
  PLAIN,
  PLAIN_ZERO,
  ReadOnlyDevice,
  SliceDevice,
} from '../../../src/block/index.ts';
import { BlockError } from '../../../src/errors/index.ts';
import { SEED, seededRandom } from '../../support/seed.ts';

async function errnoOf(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    if (error instanceof BlockError) return error.errno;
    throw error;
  }
  return 'none';
}

describe('checked device', () => {
  const sectors = (): CheckedDevice =>
    new CheckedDevice(new MemoryDevice({ size: 1024 * 1024, minimumIo: 512 }));
  const bytes = (length: number): Buffer => Buffer.alloc(length);

  test('refuses what is out of range, with the errno that the protocol wants', async () => {
    const device = sectors();
    const end = 1024 * 1024;
    expect(await errnoOf(() => device.read(bytes(1024), end - 512))).toBe('EINVAL');
    expect(await errnoOf(() => device.write(bytes(1024), end - 512, PLAIN))).toBe('ENOSPC');
    expect(await errnoOf(() => device.zero(end, 512, PLAIN_ZERO))).toBe('ENOSPC');
    expect(await errnoOf(() => device.trim(end, 512, PLAIN))).toBe('EINVAL');
    expect(await errnoOf(() => device.read(bytes(512), -512))).toBe('EINVAL');
    expect(await errnoOf(() => device.read(bytes(512), 2 ** 53))).toBe('EINVAL');
    expect(await errnoOf(() => device.read(bytes(512), Number.NaN))).toBe('EINVAL');
    expect(await errnoOf(() => device.read(bytes(512), end - 512))).toBe('none');
  });

  test('refuses what is not aligned, too long, or not offered', async () => {
    const device = sectors();
    expect(await errnoOf(() => device.read(bytes(512), 100))).toBe('EINVAL');
    expect(await errnoOf(() => device.write(bytes(100), 0, PLAIN))).toBe('EINVAL');
    expect(await errnoOf(() => device.extents(0, 0, 1))).toBe('EINVAL');
    const large = new CheckedDevice(new MemoryDevice({ size: 2 ** 30 }));
    expect(await errnoOf(() => large.read(bytes(32 * 1024 * 1024 + 1), 0))).toBe('EINVAL');
    expect(await errnoOf(() => large.zero(0, 2 ** 30, PLAIN_ZERO))).toBe('none');
    const readOnly = new CheckedDevice(new ReadOnlyDevice(new MemoryDevice({ size: 4096 })));
    expect(await errnoOf(() => readOnly.write(bytes(1), 0, PLAIN))).toBe('EROFS');
    expect(await errnoOf(() => readOnly.zero(0, 1, PLAIN_ZERO))).toBe('EROFS');
    expect(await errnoOf(() => readOnly.flush())).toBe('none');
  });

  test('a request of no bytes does nothing', async () => {
    const device = sectors();
    expect(await errnoOf(() => device.read(bytes(0), 512))).toBe('none');
    expect(await errnoOf(() => device.trim(0, 0, PLAIN))).toBe('none');
    expect(device.lend(0, 0)).toBeUndefined();
  });

  test('turns whatever is thrown below into a BlockError that keeps its cause', async () => {
    const inner = new MemoryDevice({ size: 4096 });
    const bug = new TypeError('a bug');
    inner.read = () => {
      throw bug;
    };
    inner.flush = (() => Promise.reject(bug)) as never;
    const device = new CheckedDevice(inner);
    for (const call of [() => device.read(bytes(1), 0), () => device.flush()]) {
      const error = await Promise.resolve()
        .then(call)
        .then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
      expect(error).toBeInstanceOf(BlockError);
      expect(error).toMatchObject({ errno: 'EIO', cause: bug });
    }
  });

  test('close waits for what runs below', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const device = new CheckedDevice(
      new FaultyDevice(new MemoryDevice({ size: 4096 }), () => ({ delay: promise })),
    );
    const read = device.read(bytes(10), 0);
    let closed = false;
    const closing = device.close().then(() => {
      closed = true;
    });
    await new Promise((done) => setImmediate(done));
    expect(closed).toBe(false);
    resolve();
    await Promise.all([read, closing]);
  });
});

describe('the other devices', () => {
  test('faulty: fails what its plan says, at the rate that it says', async () => {
    const plan = failAtRandom(seededRandom(SEED), 0.25, 'ENOSPC', new Set(['write']));
    const device = new FaultyDevice(new MemoryDevice({ size: 4096 }), plan);
    let failures = 0;
    for (let i = 0; i < 1000; i++) {
      const errno = await errnoOf(() => device.write(Buffer.alloc(1), 0, PLAIN));
      if (errno === 'ENOSPC') failures += 1;
      expect(await errnoOf(() => device.read(Buffer.alloc(1), 0))).toBe('none');
    }
    expect(failures).toBeGreaterThan(150);
    expect(failures).toBeLessThan(350);
  });

  test('metered: counts requests, bytes, loans and errors', async () => {
    const device = new MeteredDevice(
      new FaultyDevice(new MemoryDevice({ size: 8192 }), ({ operation }) =>
        operation === 'trim' ? { errno: 'EIO' } : undefined,
      ),
    );
    await device.write(Buffer.alloc(100), 0, PLAIN);
    await device.read(Buffer.alloc(50), 0);
    await device.flush();
    expect(await errnoOf(() => device.trim(0, 10, PLAIN))).toBe('EIO');
    expect(device.gauges).toMatchObject({
      writes: 1,
      bytesWritten: 100,
      reads: 1,
      bytesRead: 50,
      flushes: 1,
      trims: 1,
      errors: 1,
      waiting: 0,
    });
    const lending = new MeteredDevice(new MemoryDevice({ size: 8192 }));
    lending.lend(0, 10)?.release();
    expect(lending.gauges).toMatchObject({ reads: 1, lent: 1, bytesRead: 10 });
  });

  test('slice: refuses to be larger than what it is a part of', () => {
    const whole = new MemoryDevice({ size: 8192, minimumIo: 512 });
    expect(() => new SliceDevice(whole, 4096, 4608)).toThrow(BlockError);
    expect(() => new SliceDevice(whole, 100, 512)).toThrow(BlockError);
    expect(new SliceDevice(whole, 4096, 4096).geometry.size).toBe(4096);
  });

  test('memory: gives trimmed pages back and keeps lent ones', () => {
    const device = new MemoryDevice({ size: 2 ** 41 });
    device.write(Buffer.alloc(128 * 1024, 7), 2 ** 40, PLAIN);
    expect(device.allocatedBytes).toBe(128 * 1024);
    const loan = device.lend(2 ** 40, 10);
    device.trim(2 ** 40, 128 * 1024, PLAIN);
    expect(device.allocatedBytes).toBe(0);
    expect(loan?.chunks[0]).toEqual(Buffer.alloc(10, 7));
    loan?.release();
  });
});
