import { describe, expect, test } from 'vitest';
import {
  type BlockDevice,
  CheckedDevice,
  FaultyDevice,
  MemoryDevice,
  type ReadableBlockDevice,
  ReadCache,
  ReadOnlyDevice,
} from '../../../../src/block/index.ts';
import { BlockError } from '../../../../src/errors/index.ts';
import {
  buildChainIndex,
  type ChainDifference,
  MAXIMUM_CHAIN_LAYERS,
  openChain,
  openLayer,
} from '../../../../src/vdisk/index.ts';
import { BuiltChain, type DiskChange } from '../../../support/chains.ts';

const BLOCK = 4096;
const UNIT = 64 * 1024;
const CACHE_BLOCK = 2 * UNIT;
const SIZE = 8 * CACHE_BLOCK;

function cacheOf(blocks: number): ReadCache {
  return new ReadCache({ capacityBytes: blocks * CACHE_BLOCK });
}

const write = (offset: number, length: number, fill: number, size = SIZE): DiskChange => ({
  kind: 'write',
  place: (offset + 0.5) / size,
  length,
  fill,
  round: 512,
});

const zero = (offset: number, length: number): DiskChange => ({
  ...write(offset, length, 0),
  kind: 'zero',
});

/** A chain of a base alone, full of 0x11 but for one hole: chunk 7, in cache block 3. */
function chainOf(name?: string, size = SIZE): BuiltChain {
  return new BuiltChain(Buffer.alloc(size, 0x11), name, 8);
}

function read(device: ReadableBlockDevice, offset: number, length: number): Buffer {
  const target = Buffer.alloc(length, 0xee);
  expect(device.read(target, offset)).toBeUndefined();
  return target;
}

/** Counts the reads of a volume. */
function watched(volume: BlockDevice, reads: string[], name: string): BlockDevice {
  return new FaultyDevice(volume, ({ operation, offset, length }) => {
    if (operation === 'read') reads.push(`${name} ${offset / BLOCK}+${length / BLOCK}`);
    return undefined;
  });
}

function errnoOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return error instanceof BlockError ? error.errno : String(error);
  }
  return 'settled';
}

describe('a chain', () => {
  test('reads each block from the volume that has it, in as few reads as there are runs', async () => {
    const chain = chainOf();
    await chain.add([write(0, 2 * UNIT, 1)]);
    await chain.add([write(BLOCK, 2 * BLOCK, 2), zero(UNIT, UNIT), write(UNIT + BLOCK, BLOCK, 3)]);
    const reads: string[] = [];
    const device = chain.open(cacheOf(8), 2, (volume, layer) =>
      watched(volume, reads, `v${layer}`),
    );
    expect(read(device, 0, SIZE).equals(chain.newest.content)).toBe(true);
    expect(reads.slice(0, 4)).toEqual(['v1 0+1', 'v2 1+2', 'v1 3+13', 'v2 17+1']);
    // Chunk 7 is a hole of the base.
    expect(reads.slice(4, 7)).toEqual(['v0 32+32', 'v0 64+32', 'v0 96+16']);
    await device.close();
  });

  test('lends a hit and answers it without a promise, at any depth', async () => {
    const chain = chainOf();
    for (let layer = 1; layer < MAXIMUM_CHAIN_LAYERS; layer++) {
      await chain.add([write((layer * 5 * BLOCK) % SIZE, BLOCK, layer)]);
    }
    const device = chain.open(cacheOf(8));
    await device.cache(0, SIZE);
    const loan = device.lend(UNIT - 100, 5 * UNIT);
    const lent = Buffer.concat(loan?.chunks ?? []);
    expect(lent.equals(chain.newest.content.subarray(UNIT - 100, 6 * UNIT - 100))).toBe(true);
    loan?.release();
    expect(read(device, 0, SIZE).equals(chain.newest.content)).toBe(true);
    await device.close();
  });

  test('says where it has holes', async () => {
    const chain = chainOf();
    await chain.add([zero(0, UNIT), write(BLOCK, BLOCK, 1), zero(3 * UNIT, UNIT)]);
    await chain.add([write(2 * BLOCK, BLOCK, 1)]);
    const device = chain.open(cacheOf(8));
    expect(await device.extents(100, 9 * UNIT - 100, 10)).toEqual([
      { offset: 100, length: BLOCK - 100, kind: 'hole' },
      { offset: BLOCK, length: 2 * BLOCK, kind: 'data' },
      { offset: 3 * BLOCK, length: UNIT - 3 * BLOCK, kind: 'hole' },
      { offset: UNIT, length: 2 * UNIT, kind: 'data' },
      { offset: 3 * UNIT, length: UNIT, kind: 'hole' },
      { offset: 4 * UNIT, length: 3 * UNIT, kind: 'data' },
      { offset: 7 * UNIT, length: UNIT, kind: 'hole' },
      { offset: 8 * UNIT, length: UNIT, kind: 'data' },
    ]);
    expect(await device.extents(0, SIZE, 1)).toHaveLength(1);
    await device.close();
  });

  test('reads zeroed units without I/O and without cache space', async () => {
    const chain = chainOf();
    await chain.add([zero(0, 2 * CACHE_BLOCK)]);
    const reads: string[] = [];
    const cache = cacheOf(8);
    const device = chain.open(cache, 1, (volume, layer) => watched(volume, reads, `v${layer}`));
    expect(read(device, 5, 2 * CACHE_BLOCK - 5).every((byte) => byte === 0)).toBe(true);
    await device.cache(0, 2 * CACHE_BLOCK);
    expect(device.lend(0, 2 * CACHE_BLOCK)).toBeDefined();
    expect(reads).toEqual([]);
    expect(cache.gauges()).toMatchObject({ cachedBytes: 0, misses: 0 });
    await device.close();
  });

  test('without differences is the layer', async () => {
    const chain = chainOf();
    const cache = cacheOf(8);
    const alone = chain.open(cache);
    const { volume, layerId } = chain.newest;
    const { presentChunks } = chain.base;
    const layer = openLayer({
      volume: new ReadOnlyDevice(volume),
      presentChunks,
      layerId,
      cache,
    });
    expect(alone.geometry).toEqual(layer.geometry);
    expect(alone.capabilities).toEqual(layer.capabilities);
    await layer.cache(0, SIZE);
    expect(alone.lend(0, SIZE)).toBeDefined();
    // Nothing but the header and a bit for each chunk.
    const index = buildChainIndex({ size: SIZE, base: chain.base, differences: [] });
    expect(index.byteLength).toBeLessThan(100);
    await alone.close();
  });
});

describe('the cache under a chain', () => {
  test('holds once what versions have in common, the base and mixtures alike', async () => {
    const chain = chainOf();
    await chain.add([write(CACHE_BLOCK, BLOCK, 1)]); // block 1: base and layer 1
    await chain.add([write(2 * CACHE_BLOCK, CACHE_BLOCK, 2)]); // block 2: layer 2 alone
    await chain.add([write(3 * CACHE_BLOCK, BLOCK, 3)]);
    const cache = cacheOf(16);
    const [zeroth, first, second, third] = [0, 1, 2, 3].map((depth) => chain.open(cache, depth));
    const missesOf = (device: ReadableBlockDevice | undefined, block: number): number => {
      const before = cache.gauges().misses;
      device?.read(Buffer.alloc(BLOCK), block * CACHE_BLOCK);
      return cache.gauges().misses - before;
    };
    const all = [zeroth, first, second, third];
    const missesIn = (block: number) => all.map((device) => missesOf(device, block));
    expect(missesIn(0)).toEqual([1, 0, 0, 0]);
    expect(missesIn(1)).toEqual([1, 1, 0, 0]);
    expect(missesIn(2)).toEqual([1, 0, 1, 0]);
    expect(missesIn(3)).toEqual([1, 0, 0, 1]);
    for (const device of all) await device?.close();
  });

  test('keeps apart what equal layers are on different bases, and shares what is theirs alone', async () => {
    const cache = cacheOf(16);
    const changes = [write(0, BLOCK, 1), write(CACHE_BLOCK, CACHE_BLOCK, 1)];
    const devices: ReadableBlockDevice[] = [];
    for (const name of ['a', 'b']) {
      const chain = new BuiltChain(Buffer.alloc(SIZE, name), name, 8);
      await chain.add(changes);
      const layers = chain.versions.map(({ volume }, layer) => ({
        layerId: layer === 0 ? name : 'same',
        volume,
      }));
      const [base, difference] = layers;
      if (base === undefined || difference === undefined) throw new Error('two layers');
      const { base: map, differences } = chain;
      const index = buildChainIndex({ size: SIZE, base: map, differences });
      devices.push(openChain({ index, layers: [base, difference], cache }));
    }
    const bytes = devices.map((device) => read(device, BLOCK, 1).toString());
    expect(bytes).toEqual(['a', 'b']);
    const before = cache.gauges().misses;
    for (const device of devices) read(device, CACHE_BLOCK, 1);
    expect(cache.gauges().misses).toBe(before + 1);
    for (const device of devices) await device.close();
  });

  test('reads a missing block once for readers of several versions', async () => {
    const chain = chainOf();
    await chain.add([write(0, BLOCK, 1)]);
    await chain.add([write(7 * CACHE_BLOCK, BLOCK, 2)]);
    let open = (): void => {};
    const delay = new Promise<void>((resolve) => {
      open = resolve;
    });
    const reads: string[] = [];
    const cache = cacheOf(8);
    const gated = (volume: BlockDevice, layer: number): BlockDevice =>
      new FaultyDevice(watched(volume, reads, `v${layer}`), () => ({ delay }));
    const versions = [chain.open(cache, 1, gated), chain.open(cache, 2, gated)];
    const targets = Array.from({ length: 20 }, () => Buffer.alloc(UNIT));
    const running = targets.map((target, at) => versions[at % 2]?.read(target, at));
    let closed = false;
    const closing = versions[0]?.close().then(() => {
      closed = true;
    });
    await Promise.resolve();
    expect(closed).toBe(false); // a fill is on its way
    open();
    await Promise.all(running);
    await closing;
    expect(reads).toEqual(['v1 0+1', 'v0 1+31']);
    expect(cache.gauges()).toMatchObject({ misses: 20, joins: 19 });
    const expected = chain.newest.content;
    targets.forEach((target, at) => {
      expect(target.equals(expected.subarray(at, at + UNIT))).toBe(true);
    });
    expect(errnoOf(() => versions[0]?.read(Buffer.alloc(1), 0))).toBe('ESHUTDOWN');
    await versions[1]?.close();
  });

  test('keeps nothing of a block of which a layer failed', async () => {
    const chain = chainOf();
    await chain.add([write(0, BLOCK, 1)]);
    let broken = true;
    const cache = cacheOf(8);
    const device = chain.open(cache, 1, (volume, layer) =>
      layer === 1
        ? new FaultyDevice(volume, () => (broken ? { errno: 'EIO' } : undefined))
        : volume,
    );
    expect(errnoOf(() => device.read(Buffer.alloc(10), 100))).toBe('EIO');
    expect(cache.gauges()).toMatchObject({ failedFills: 1, cachedBytes: 0 });
    expect(read(device, CACHE_BLOCK, 10)).toEqual(Buffer.alloc(10, 0x11)); // only that request
    broken = false;
    expect(read(device, 0, UNIT).equals(chain.newest.content.subarray(0, UNIT))).toBe(true);
    await device.close();
  });

  test('shares the block in which a smaller disk ended with the grown one', async () => {
    const small = SIZE - UNIT - 20_777;
    const chain = chainOf('grown', small);
    await chain.add([write(0, BLOCK, 1, small)]);
    await chain.add([], SIZE + 5000);
    const cache = cacheOf(16);
    const [before, after] = [chain.open(cache, 1), chain.open(cache, 2)];
    const used = chainOf('used');
    const filler = used.open(cache);
    await filler.cache(0, SIZE);
    cache.forget('used-base'); // its buffers, full of 0x11, are used for the next blocks
    await before.cache(small - 10, 10);
    const { misses } = cache.gauges();
    const tail = read(after, small - 10, 20);
    expect(tail).toEqual(Buffer.concat([Buffer.alloc(10, 0x11), Buffer.alloc(10)]));
    expect(cache.gauges().misses).toBe(misses);
    expect(read(after, SIZE, 5000)).toEqual(Buffer.alloc(5000));
    // Bits of the maps beyond a layer's end count for nothing.
    const lastBlock = Math.ceil(small / BLOCK) * BLOCK;
    expect(await after.extents(small - 10, SIZE + 5000 - small + 10, 10)).toEqual([
      { offset: small - 10, length: lastBlock - small + 10, kind: 'data' },
      { offset: lastBlock, length: SIZE + 5000 - lastBlock, kind: 'hole' },
    ]);
    for (const device of [before, after, filler]) await device.close();
  });
});

describe('opening a chain', () => {
  const chain = chainOf();
  const { base } = chain;
  const difference = (size: number): ChainDifference => ({
    size,
    owned: new Uint8Array(Math.ceil(size / BLOCK / 8)),
    zeroed: new Uint8Array(Math.ceil(size / UNIT / 8)),
  });

  test('is refused where maps and sizes do not fit', () => {
    const build = (size: number, differences: ChainDifference[], of = base) =>
      errnoOf(() => buildChainIndex({ size, base: of, differences }));
    const full = difference(SIZE);
    expect(build(SIZE, [full, full])).toBe('settled');
    expect(build(SIZE - 512, [full])).toBe('EINVAL');
    expect(build(SIZE, [difference(SIZE - 512)])).toBe('EINVAL');
    expect(build(2 * SIZE, [difference(2 * SIZE), full])).toBe('EINVAL');
    expect(build(SIZE + 0.5, [full])).toBe('EINVAL');
    expect(build(0, [], { ...base, size: 0 })).toBe('EINVAL');
    expect(build(2 ** 43, [full])).toBe('EINVAL');
    expect(build(SIZE, [{ ...full, owned: full.owned.subarray(1) }])).toBe('EINVAL');
    expect(build(SIZE, [{ ...full, zeroed: full.zeroed.subarray(1) }])).toBe('EINVAL');
    expect(build(SIZE, [full], { size: SIZE, presentChunks: new Uint8Array(1) })).toBe('EINVAL');
    const most = Array.from({ length: MAXIMUM_CHAIN_LAYERS - 1 }, () => full);
    expect(MAXIMUM_CHAIN_LAYERS).toBeGreaterThan(255);
    expect(build(SIZE, most)).toBe('settled');
    expect(build(SIZE, [...most, full])).toBe('EINVAL');
  });

  test('is refused where index, volumes and cache do not fit, and leaves the volumes open', () => {
    const full = difference(SIZE);
    const index = buildChainIndex({ size: SIZE, base, differences: [full] });
    const volume = new MemoryDevice({ size: SIZE });
    const layer = { layerId: 'l', volume };
    const cache = cacheOf(8);
    const open = (options: Partial<Parameters<typeof openChain>[0]>) =>
      errnoOf(() => openChain({ index, layers: [layer, layer], cache, ...options }));
    expect(open({})).toBe('settled');
    expect(open({ layers: [layer] })).toBe('EINVAL');
    expect(open({ layers: [layer, layer, layer] })).toBe('EINVAL');
    expect(open({ index: new SharedArrayBuffer(4) })).toBe('EINVAL');
    expect(open({ index: new SharedArrayBuffer(4096) })).toBe('EINVAL');
    const small = { layerId: 's', volume: new MemoryDevice({ size: SIZE - 512 }) };
    expect(open({ layers: [layer, small] })).toBe('EINVAL');
    const coarse = { layerId: 'c', volume: new MemoryDevice({ size: SIZE, minimumIo: 8192 }) };
    expect(open({ layers: [coarse, layer] })).toBe('EINVAL');
    const other = new ReadCache({ capacityBytes: SIZE, blockBytes: UNIT });
    expect(open({ cache: other })).toBe('EINVAL');
    expect(volume.read(Buffer.alloc(10), 0)).toBeUndefined();
  });

  test('reads volumes in sectors at whole sectors', async () => {
    const sectors = chainOf('sectors');
    await sectors.add([write(BLOCK, 512, 1), write(SIZE - 512, 512, 2)]);
    const device = sectors.open(cacheOf(2), 1, (volume) => {
      const inSectors = new FaultyDevice(volume, () => undefined);
      Object.assign(inSectors, { geometry: { ...volume.geometry, minimumIo: 512 } });
      return new CheckedDevice(inSectors);
    });
    expect(read(device, 0, SIZE).equals(sectors.newest.content)).toBe(true);
    await device.close();
  });

  test('closes every volume, also when one fails to close', async () => {
    const built = chainOf('closing');
    await built.add([]);
    const closed: number[] = [];
    const device = built.open(cacheOf(2), 1, (volume, layer) => {
      volume.close = async () => {
        closed.push(layer);
        if (layer === 0) throw new BlockError('EIO', 'flush', 0, 0, 'injected');
      };
      return volume;
    });
    await expect(device.close()).rejects.toThrow(BlockError);
    expect(closed).toEqual([0, 1]);
  });
});
