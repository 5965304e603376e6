/** An index that grew layer by layer says what one says that was built of all layers at once. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { buildChainIndex, ChainIndex, ChainIndexDraft } from '../../../../src/vdisk/chain/index.ts';
import { BuiltChain, diskChanges } from '../../../support/chains.ts';
import { SEED } from '../../../support/seed.ts';

const SIZE = 640 * 1024;
const BLOCK = 4096;

function told(buffer: SharedArrayBuffer) {
  const index = new ChainIndex(buffer);
  const blocks = Array.from({ length: Math.ceil(index.size / BLOCK) }, (_, block) => {
    const offset = block * BLOCK;
    return `${index.sourceAt(offset)}`;
  });
  return {
    size: index.size,
    sizes: [...index.layerSizes],
    present: Buffer.from(index.present).toString('hex'),
    keys: [...index.keys],
    blocks,
    mixtures: index.mixed.length,
  };
}

describe('the draft of a chain index', () => {
  test('equals the index built at once, after every layer, also across a finished index', async () => {
    const changes = fc.array(diskChanges(), { maxLength: 8 });
    const cases = fc.record({
      layers: fc.array(fc.tuple(changes, fc.constantFrom(0, 0, 0, 5000, 70_000)), {
        minLength: 1,
        maxLength: 6,
      }),
      cacheBlockBytes: fc.constantFrom(4096, 65_536, 131_072, 262_144),
      cut: fc.constantFrom(0, 512, 777, 70_001),
      finishes: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ layers, cacheBlockBytes, cut, finishes }) => {
        const chain = new BuiltChain(Buffer.alloc(SIZE - cut, 7));
        let size = SIZE - cut;
        for (const [list, growth] of layers) {
          size += growth;
          await chain.add(list, size);
        }
        let draft = ChainIndexDraft.ofBase(chain.base, chain.base.size, cacheBlockBytes);
        for (const [at, difference] of chain.differences.entries()) {
          if (finishes[at] === true || difference.size > chain.base.size) {
            draft = ChainIndexDraft.ofIndex(draft.finish(), difference.size);
          }
          await draft.add(difference);
          const whole = buildChainIndex({
            size: difference.size,
            base: chain.base,
            differences: chain.differences.slice(0, at + 1),
            cacheBlockBytes,
          });
          expect(told(draft.finish())).toEqual(told(whole));
        }
      }),
      { numRuns: 60, seed: SEED },
    );
  });

  test('of two layers that were merged says what they said together', async () => {
    const changes = fc.array(diskChanges(), { maxLength: 8 });
    const cases = fc.record({
      layers: fc.array(changes, { minLength: 1, maxLength: 6 }),
      at: fc.nat(5),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ layers, at }) => {
        const chain = new BuiltChain(Buffer.alloc(SIZE, 7));
        for (const list of layers) await chain.add(list);
        const draft = ChainIndexDraft.ofBase(chain.base, SIZE);
        for (const difference of chain.differences) await draft.add(difference);
        const lower = at % layers.length;
        const before = new ChainIndex(draft.finish());
        const after = new ChainIndex(ChainIndexDraft.ofMerge(draft.finish(), lower).finish());
        expect(after.layerSizes.length).toBe(before.layerSizes.length - 1);
        for (let offset = 0; offset < SIZE; offset += BLOCK) {
          const source = before.sourceAt(offset);
          expect(after.sourceAt(offset)).toBe(source > lower + 1 ? source - 1 : source);
        }
        expect(Buffer.from(after.present)).toEqual(Buffer.from(before.present));
        // As its uppermost layer is now: what a cache block is named after is never below that.
        for (const [block, key] of before.keys.entries()) {
          const number = key >> 1;
          expect((after.keys[block] ?? 0) >> 1).toBe(number > lower ? number - 1 : number);
        }
      }),
      { numRuns: 60, seed: SEED },
    );
  });

  test('refuses a layer that is shorter than the one below, or larger than the disk', async () => {
    const base = { size: SIZE, presentChunks: new Uint8Array(2).fill(0xff) };
    const draft = ChainIndexDraft.ofBase(base, SIZE);
    const layer = (size: number) => ({
      size,
      owned: new Uint8Array(size / BLOCK / 8 + 1),
      zeroed: new Uint8Array(4),
    });
    await expect(draft.add(layer(SIZE - BLOCK))).rejects.toMatchObject({ errno: 'EINVAL' });
    await expect(draft.add(layer(SIZE + BLOCK))).rejects.toMatchObject({ errno: 'EINVAL' });
    await expect(draft.add(layer(SIZE))).resolves.toBeUndefined();
  });
});
