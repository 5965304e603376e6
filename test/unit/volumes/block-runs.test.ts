import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BlockRuns, mergeBits } from '../../../src/volumes/block-runs.ts';
import { SEED } from '../../support/seed.ts';

const BLOCK = 4096;
const PER_UNIT = 16;

/** What a layer says of a block: its own, zeroes, or nothing. */
type Said = 'owned' | 'zeroed' | undefined;

interface Layer {
  readonly size: number;
  readonly owned: Uint8Array;
  readonly zeroed: Uint8Array;
}

const layers = (blocks: number): fc.Arbitrary<Layer> => {
  const units = Math.ceil(blocks / PER_UNIT);
  // Bits beyond the end mean nothing, and are there.
  return fc
    .tuple(
      fc.uint8Array({ minLength: units * 2, maxLength: units * 2 }),
      fc.uint8Array({ minLength: Math.ceil(units / 8), maxLength: Math.ceil(units / 8) }),
      fc.integer({ min: 0, max: BLOCK / 512 - 1 }),
    )
    .map(([owned, zeroed, cut]) => ({ size: blocks * BLOCK - cut * 512, owned, zeroed }));
};

function said({ size, owned, zeroed }: Layer, block: number): Said {
  if (block * BLOCK >= size) return undefined;
  if (((owned[block >> 3] ?? 0) >> (block & 7)) & 1) return 'owned';
  const unit = Math.floor(block / PER_UNIT);
  return ((zeroed[unit >> 3] ?? 0) >> (unit & 7)) & 1 ? 'zeroed' : undefined;
}

const pairs = fc
  .tuple(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 0, max: 60 }))
  .chain(([blocks, growth]) => fc.tuple(layers(blocks), layers(blocks + growth)));

test('the runs of a layer are what its bits say, in order and as long as they can be', () => {
  fc.assert(
    fc.property(layers(100), (layer) => {
      const runs = new BlockRuns(layer, layer.size);
      const told: Said[] = [];
      let last: { end: number; kind: Said } | undefined;
      for (let run = runs.next(); run !== undefined; run = runs.next()) {
        const end = run.offset + run.length;
        expect(last?.end === run.offset && last.kind === run.kind).toBe(false);
        for (let at = run.offset; at < end; at += BLOCK) told[at / BLOCK] = run.kind;
        last = { end, kind: run.kind };
        expect(end).toBeLessThanOrEqual(layer.size);
      }
      for (let block = 0; block * BLOCK < layer.size; block++) {
        expect(told[block]).toBe(said(layer, block));
      }
    }),
    { seed: SEED },
  );
});

test('two layers in one say of each block what the upper one says, or else the lower one', async () => {
  await fc.assert(
    fc.asyncProperty(pairs, async ([lower, upper]) => {
      fc.pre(lower.size <= upper.size);
      const merged = await mergeBits(lower, upper);
      expect(merged.size).toBe(upper.size);
      for (let block = 0; block * BLOCK < upper.size; block++) {
        const expected = said(upper, block) ?? said(lower, block);
        const found = said(merged, block);
        // Beyond the lower one's end nothing lies below: nothing and zeroes are the same.
        const isBeyond = block * BLOCK >= lower.size;
        expect(isBeyond && found === 'zeroed' ? undefined : found).toBe(
          isBeyond && expected === 'zeroed' ? undefined : expected,
        );
      }
    }),
    { seed: SEED },
  );
});
