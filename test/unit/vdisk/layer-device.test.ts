import { describe, expect, test } from 'vitest';
import { FaultyDevice, MemoryDevice, PLAIN, ReadCache } from '../../../src/block/index.ts';
import { openLayer } from '../../../src/vdisk/index.ts';

const CHUNK = 64 * 1024;

/** Chunks 1, 2 and 5 of eight hold their number; the volume holds 0x99 wherever the layer has holes. */
function layer() {
  const size = 7 * CHUNK + 1000;
  const volume = new MemoryDevice({ size });
  for (let chunk = 0; chunk * CHUNK < size; chunk++) {
    const fill = [1, 2, 5].includes(chunk) ? chunk : 0x99;
    volume.write(Buffer.alloc(Math.min(CHUNK, size - chunk * CHUNK), fill), chunk * CHUNK, PLAIN);
  }
  const reads: [number, number][] = [];
  const watched = new FaultyDevice(volume, ({ operation, offset, length }) => {
    if (operation === 'read') reads.push([offset / CHUNK, length / CHUNK]);
    return undefined;
  });
  const cache = new ReadCache({ capacityBytes: 1024 * 1024 });
  const presentChunks = Uint8Array.of(0b0010_0110);
  return {
    device: openLayer({ volume: watched, presentChunks, layerId: 'l', cache }),
    reads,
    cache,
  };
}

describe('layer', () => {
  test('reads absent chunks as zeroes without I/O and without cache space', async () => {
    const { device, reads, cache } = layer();
    const target = Buffer.alloc(CHUNK + 1000, 7);
    expect(device.read(target, 6 * CHUNK)).toBeUndefined();
    expect(target.every((byte) => byte === 0)).toBe(true);
    const loan = device.lend(3 * CHUNK, 2 * CHUNK);
    expect(Buffer.concat(loan?.chunks ?? []).equals(Buffer.alloc(2 * CHUNK))).toBe(true);
    loan?.release();
    await device.cache(3 * CHUNK, 2 * CHUNK);
    expect(reads).toEqual([]);
    expect(cache.gauges().cachedBytes).toBe(0);
  });

  test('reads only the present chunks of a block of the cache', async () => {
    const { device, reads } = layer();
    const target = Buffer.alloc(7 * CHUNK + 1000);
    await device.read(target, 0);
    const seen = Array.from({ length: 8 }, (_, chunk) => target[chunk * CHUNK]);
    expect(seen).toEqual([0, 1, 2, 0, 0, 5, 0, 0]);
    expect(reads).toEqual([
      [1, 1],
      [2, 1],
      [5, 1],
    ]);
  });

  test('lends cached chunks and zeroes in one loan, counted and given back', async () => {
    const { device, cache } = layer();
    expect(device.lend(0, 6 * CHUNK)).toBeUndefined();
    await device.cache(0, 6 * CHUNK);
    const loan = device.lend(0, 6 * CHUNK);
    const lent = Buffer.concat(loan?.chunks ?? []);
    expect([0, 1, 2, 3, 4, 5].map((chunk) => lent[chunk * CHUNK + 5])).toEqual([0, 1, 2, 0, 0, 5]);
    expect(cache.gauges().loans).toBeGreaterThan(0);
    loan?.release();
    expect(cache.gauges().loans).toBe(0);
  });

  test('says where it has holes, and refuses a bitmap that is too short', async () => {
    const { device } = layer();
    const found = await device.extents(0, 7 * CHUNK + 1000, 10);
    expect(found.map(({ kind, length }) => [kind, length])).toEqual([
      ['hole', CHUNK],
      ['data', 2 * CHUNK],
      ['hole', 2 * CHUNK],
      ['data', CHUNK],
      ['hole', CHUNK + 1000],
    ]);
    const cache = new ReadCache({ capacityBytes: 1024 * 1024 });
    const volume = new MemoryDevice({ size: 9 * CHUNK });
    const options = { volume, presentChunks: new Uint8Array(1), layerId: 'l', cache };
    expect(() => openLayer(options)).toThrow(RangeError);
  });
});
