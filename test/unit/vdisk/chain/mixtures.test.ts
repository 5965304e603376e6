import { describe, expect, test } from 'vitest';
import { MemoryDevice, ReadCache } from '../../../../src/block/index.ts';
import { ChainIndex } from '../../../../src/vdisk/chain/chain-index.ts';
import { Mixtures } from '../../../../src/vdisk/chain/mixtures.ts';
import { buildChainIndex, openChain } from '../../../../src/vdisk/index.ts';

const UNIT = 64 * 1024;

const MIXTURES = 65_000;

/** Layer by layer, units of which it owns the blocks that the number of the unit names, in bits. */
function manyMixtures(layers: number) {
  const units = layers * 2 ** 16;
  const size = units * UNIT;
  const differences = Array.from({ length: layers }, (_, layer) => {
    const owned = new Uint16Array(units);
    for (let unit = 0; unit < MIXTURES; unit++) owned[layer * 2 ** 16 + unit] = unit;
    return {
      size,
      owned: layer === 0 ? new Uint8Array(owned.buffer) : unaligned(owned),
      zeroed: new Uint8Array(units / 8),
    };
  });
  const presentChunks = new Uint8Array(units / 8).fill(0xff);
  return { size, base: { size, presentChunks }, differences };
}

/** The bytes of the words, at an odd place in memory. */
function unaligned(words: Uint16Array): Uint8Array {
  const bytes = new Uint8Array(words.byteLength + 1).subarray(1);
  bytes.set(new Uint8Array(words.buffer));
  return bytes;
}

describe('the index of a chain', () => {
  test('stores equal mixtures once', () => {
    const mixtures = new Mixtures();
    const sources = (seed: number) => Uint16Array.from({ length: 16 }, (_, at) => (seed >> at) & 1);
    const numbers = Array.from({ length: 3000 }, (_, seed) => mixtures.numberOf(sources(seed)));
    const again = Array.from({ length: 3000 }, (_, seed) => mixtures.numberOf(sources(seed)));
    expect(numbers).toEqual(Array.from({ length: 3000 }, (_, number) => number));
    expect(again).toEqual(numbers);
    expect(mixtures.sources.subarray(16 * 2999)).toEqual(sources(2999));
  });

  test('takes wider entries where there are many mixtures, and stays within its bound', async () => {
    for (const layers of [1, 2]) {
      const chain = manyMixtures(layers);
      const buffer = buildChainIndex(chain);
      const index = new ChainIndex(buffer);
      expect(index.units.BYTES_PER_ELEMENT).toBe(layers === 1 ? 2 : 4);
      expect(index.mixed.length / 16).toBe(layers * (MIXTURES - 1));
      expect(buffer.byteLength).toBeLessThan(chain.size / 1700);
      for (const unit of [1, 2, 40_000, MIXTURES - 1, (layers - 1) * 2 ** 16 + MIXTURES - 1]) {
        for (let block = 0; block < 16; block++) {
          const layer = 2 + Math.floor(unit / 2 ** 16);
          const source = (unit >> block) & 1 ? layer : 1;
          expect(index.sourceAt(unit * UNIT + block * 4096 + 5)).toBe(source);
        }
      }
      const volume = new MemoryDevice({ size: chain.size });
      const device = openChain({
        index: buffer,
        layers: [
          { layerId: 'base', volume },
          ...chain.differences.map((_, at) => ({ layerId: `${at}`, volume })),
        ],
        cache: new ReadCache({ capacityBytes: 2 ** 20 }),
      });
      // Stops early, but not before it has said something.
      const [first] = await device.extents(0, chain.size, 10);
      expect(first?.length).toBeGreaterThan(UNIT);
      await device.close();
    }
  });

  test('is at most 8 MiB for 100 GiB with fewer than 65,000 mixtures', () => {
    const units = (100 * 2 ** 30) / UNIT;
    const shape = {
      size: units * UNIT,
      layerSizes: Array.from({ length: 256 }, () => units * UNIT),
      cacheBlockBytes: 128 * 1024,
    };
    const common = ChainIndex.allocate({ ...shape, unitEntryBytes: 2, mixedUnits: 65_000 });
    expect(common.byteLength).toBeLessThan(8 * 2 ** 20);
    const worst = ChainIndex.allocate({ ...shape, unitEntryBytes: 4, mixedUnits: units });
    expect(worst.byteLength).toBeLessThan(58.5 * 2 ** 20);
  });
});
