import { describe, expect, test } from 'vitest';
import {
  type BlockDevice,
  CachedDevice,
  FaultyDevice,
  type InjectedFault,
  type Loan,
  MemoryDevice,
  PLAIN,
  ReadCache,
} from '../../../src/block/index.ts';

const BLOCK = 4096;

/** A device whose block b holds the byte b + 1. */
function numbered(blocks: number, tail = 0): MemoryDevice {
  const device = new MemoryDevice({ size: blocks * BLOCK + tail });
  for (let block = 0; block < blocks; block++) {
    device.write(Buffer.alloc(BLOCK, block + 1), block * BLOCK, PLAIN);
  }
  return device;
}

/** Counts reads, and makes each wait until `open` is called. */
function gated(inner: BlockDevice) {
  let open = (): void => {};
  const until = new Promise<void>((resolve) => {
    open = resolve;
  });
  const reads: number[] = [];
  const device = new FaultyDevice(inner, ({ offset, operation }) => {
    if (operation === 'read') reads.push(offset);
    return { delay: until };
  });
  return { device, reads, open };
}

function makeCache(blocks: number, lentLimitBytes = 16 * BLOCK): ReadCache {
  return new ReadCache({
    capacityBytes: blocks * BLOCK,
    blockBytes: BLOCK,
    lentLimitBytes,
  });
}

const bytesOf = (loan: Loan | undefined): Buffer => Buffer.concat([...(loan?.chunks ?? [])]);

describe('read cache', () => {
  test('keeps blocks apart whatever the number of their layer, beyond what a double can tell', async () => {
    const source = numbered(4);
    for (const layer of [0, 2 ** 21 - 1, 2 ** 21, 2 ** 21 + 1, 2 ** 40]) {
      const cache = makeCache(4);
      const target = Buffer.alloc(BLOCK);
      for (const block of [0, 1, 2, 3, 0, 1]) {
        await cache.read(layer, source, target, block * BLOCK);
        expect(target[0], `block ${block} of layer ${layer}`).toBe(block + 1);
        expect(bytesOf(cache.lend(layer, block * BLOCK, 1))[0]).toBe(block + 1);
      }
    }
  });

  test('many readers of one missing block cause one read', async () => {
    const { device, reads, open } = gated(numbered(4));
    const cache = makeCache(4);
    const cached = new CachedDevice(device, cache, 'layer');
    const other = new CachedDevice(device, cache, 'layer'); // another machine's handle
    const targets = Array.from({ length: 50 }, () => Buffer.alloc(100));
    const all = targets.map((target, i) => (i % 2 ? cached : other).read(target, BLOCK + i));
    expect(reads).toEqual([BLOCK]);
    open();
    await Promise.all(all);
    for (const target of targets) expect(target.every((byte) => byte === 2)).toBe(true);
    expect(cache.gauges()).toMatchObject({ misses: 50, joins: 49, filledBytes: BLOCK });
    expect(cached.read(Buffer.alloc(10), BLOCK)).toBeUndefined();
    expect(cache.gauges()).toMatchObject({ hits: 1, hitBytes: 10 });
  });

  test('layers of different names do not share blocks', async () => {
    const cache = makeCache(8);
    const a = new CachedDevice(numbered(2), cache, 'a');
    const b = new CachedDevice(new MemoryDevice({ size: 2 * BLOCK }), cache, 'b');
    await a.cache(0, 2 * BLOCK);
    await b.cache(0, 2 * BLOCK);
    expect(bytesOf(b.lend(0, 10))).toEqual(Buffer.alloc(10));
    expect(bytesOf(a.lend(0, 10))).toEqual(Buffer.alloc(10, 1));
    cache.forget('a');
    expect(a.lend(0, 10)).toBeUndefined();
    expect(b.lend(0, 10)).toBeDefined();
    expect(cache.gauges().cachedBytes).toBe(2 * BLOCK);
  });

  test('blocks of one device are cached under the layers they come from', async () => {
    const cache = makeCache(8);
    const layers = [cache.layer('a'), cache.layer('b'), cache.layer('a')];
    const mixed = new CachedDevice(numbered(3), cache, { layerAt: (block) => layers[block] ?? 0 });
    const a = new CachedDevice(numbered(3), cache, 'a');
    await mixed.cache(0, 3 * BLOCK);
    expect([0, 1, 2].map((block) => a.lend(block * BLOCK, 10) !== undefined)).toEqual([
      true,
      false,
      true,
    ]);
    expect(bytesOf(mixed.lend(BLOCK - 1, BLOCK + 2))).toEqual(
      Buffer.concat([Buffer.alloc(1, 1), Buffer.alloc(BLOCK, 2), Buffer.alloc(1, 3)]),
    );
  });

  test('a block that is cut by the end of one device is filled up with zeroes for a longer one', async () => {
    const cache = makeCache(1);
    await new CachedDevice(numbered(1), cache, 'x').cache(0, BLOCK);
    cache.forget('x'); // the buffer, full of ones, is used again
    await new CachedDevice(numbered(1, 10), cache, 'layer').cache(BLOCK, 10);
    const longer = new CachedDevice(new MemoryDevice({ size: 2 * BLOCK }), cache, 'layer');
    expect(bytesOf(longer.lend(BLOCK + 10, BLOCK - 10))).toEqual(Buffer.alloc(BLOCK - 10));
  });

  test('a lent block that is evicted keeps its bytes until the loan is released', async () => {
    const cache = makeCache(2);
    const cached = new CachedDevice(numbered(20), cache, 'layer');
    await cached.cache(0, BLOCK);
    const loan = cached.lend(0, BLOCK);
    const twice = cached.lend(10, 20);
    // Pushes block 0 out and churns through every buffer that the cache could reuse.
    for (let round = 0; round < 3; round++) {
      for (let block = 1; block < 20; block++) await cached.cache(block * BLOCK, BLOCK);
    }
    expect(cached.lend(0, BLOCK)).toBeUndefined();
    expect(bytesOf(loan)).toEqual(Buffer.alloc(BLOCK, 1));
    expect(cache.gauges()).toMatchObject({ loans: 2, evictedLentBytes: BLOCK });
    loan?.release();
    loan?.release(); // a mistake that must not free it under the other loan
    expect(cache.gauges()).toMatchObject({ loans: 1, evictedLentBytes: BLOCK });
    for (let block = 1; block < 20; block++) await cached.cache(block * BLOCK, BLOCK);
    expect(bytesOf(twice)).toEqual(Buffer.alloc(20, 1));
    twice?.release();
    expect(cache.gauges()).toMatchObject({ loans: 0, evictedLentBytes: 0 });
    expect(cache.gauges().spareBytes).toBeGreaterThan(0);
  });

  test('lends nothing more once too much is lent', async () => {
    const cache = makeCache(2, 3 * BLOCK);
    const cached = new CachedDevice(numbered(20), cache, 'layer');
    const loans: Loan[] = [];
    for (let block = 0; block < 20; block++) {
      await cached.cache(block * BLOCK, BLOCK);
      const loan = cached.lend(block * BLOCK, BLOCK);
      if (loan !== undefined) loans.push(loan);
    }
    const gauges = cache.gauges();
    expect(gauges.lentBytes).toBe(3 * BLOCK);
    expect(gauges.evictedLentBytes).toBe(3 * BLOCK);
    expect(gauges.refusedLoans).toBe(17);
    const target = Buffer.alloc(BLOCK);
    await cached.read(target, 19 * BLOCK); // a copy is always to be had
    expect(target).toEqual(Buffer.alloc(BLOCK, 20));
    for (const loan of loans) loan.release();
    expect(cached.lend(19 * BLOCK, BLOCK)).toBeDefined();
  });

  test('keeps to its size and counts what it holds', async () => {
    const cache = makeCache(3);
    const cached = new CachedDevice(numbered(10, 100), cache, 'layer');
    await cached.cache(0, 10 * BLOCK + 100);
    expect(cache.gauges().cachedBytes).toBe(3 * BLOCK);
    const tail = cached.lend(10 * BLOCK, 100);
    expect(bytesOf(tail)).toEqual(Buffer.alloc(100));
    tail?.release();
  });

  test('a failed fill fails everybody who waited, and the next reader tries again', async () => {
    let failing = true;
    const faulty = new FaultyDevice(numbered(4), (): InjectedFault | undefined =>
      failing ? { errno: 'EIO', delay: Promise.resolve() } : undefined,
    );
    const cache = makeCache(4);
    const cached = new CachedDevice(faulty, cache, 'layer');
    const reads = [cached.read(Buffer.alloc(10), 0), cached.read(Buffer.alloc(10), 5)];
    for (const read of reads) await expect(read).rejects.toMatchObject({ errno: 'EIO' });
    expect(cache.gauges()).toMatchObject({ failedFills: 1, cachedBytes: 0 });
    failing = false;
    const target = Buffer.alloc(10);
    await cached.read(target, 0);
    expect(target).toEqual(Buffer.alloc(10, 1));
  });

  test('a read that fails at its end settles only when its start has arrived', async () => {
    const { device, open } = gated(numbered(4));
    const mixed: BlockDevice = new FaultyDevice(device, ({ offset }) =>
      offset >= 2 * BLOCK ? { errno: 'EIO' } : undefined,
    );
    const cached = new CachedDevice(mixed, makeCache(4), 'layer');
    let settled = false;
    const read = Promise.resolve(cached.read(Buffer.alloc(4 * BLOCK), 0)).finally(() => {
      settled = true;
    });
    read.catch(() => {});
    await new Promise((resolve) => setImmediate(resolve));
    expect(settled).toBe(false);
    open();
    await expect(read).rejects.toMatchObject({ errno: 'EIO' });
  });

  test('refuses a size that holds no block', () => {
    expect(() => makeCache(0)).toThrow(RangeError);
  });
});
