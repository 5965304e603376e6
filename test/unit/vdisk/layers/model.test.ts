/**
 * A random tree of versions against a naive model: overlays are written, killed, sealed, sealed on top of
 * each other, and merged, in any order; then every version is read back both ways, named and verified,
 * and single bits of layers are flipped.
 */
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LocalVolumeControl, LocalVolumeData } from '../../../../src/adapters/local/index.ts';
import { PLAIN } from '../../../../src/block/index.ts';
import type { LayerChain } from '../../../../src/vdisk/index.ts';
import { openLayerChain } from '../../../../src/vdisk/index.ts';
import { applyChange, type DiskChange, diskChanges } from '../../../support/chains.ts';
import {
  type BenchVersion,
  expectSame,
  LayerBench,
  naiveContentId,
} from '../../../support/layer-bench.ts';
import { SEED, seededRandom } from '../../../support/seed.ts';

const BLOCK = 4096;
const CHUNK = 64 * 1024;

type Step =
  | {
      readonly kind: 'seal';
      /** Which version, as a share of them. */
      readonly version: number;
      readonly changes: readonly DiskChange[];
      /** Bytes by which the disk grows. */
      readonly growth: number;
      /** The machine flushes before it is ended; the service is killed and the overlay opened again. */
      readonly isFlushed: boolean;
      readonly isKilled: boolean;
    }
  | { readonly kind: 'merge'; readonly version: number; readonly mode: 'full' | 'partial' };

interface Case {
  readonly size: number;
  readonly steps: readonly Step[];
  /** Where bits are flipped, as shares: of the versions, of its layers, of the layer's blocks. */
  readonly flips: readonly (readonly [number, number, number])[];
}

const share = fc.nat(9999).map((tenThousandths) => tenThousandths / 10_000);

function cases(most: number): fc.Arbitrary<Case> {
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('seal' as const),
        version: fc.oneof(share, fc.constant(0.9999)),
        changes: fc.array(diskChanges(), { maxLength: 6 }),
        growth: fc.constantFrom(0, 0, 0, 512, 5120, 70_144, 200_704),
        isFlushed: fc.boolean(),
        isKilled: fc.boolean(),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('merge' as const),
        version: fc.oneof(share, fc.constant(0.9999)),
        mode: fc.constantFrom('full', 'partial'),
      }),
    },
  );
  return fc.record<Case>({
    // The last one has more chunks than are read at once.
    size: fc.constantFrom(512, 40_960, 300_544, 5 * CHUNK, 75 * CHUNK + 512),
    steps: fc.array(step, { minLength: 1, maxLength: most }),
    flips: fc.array(fc.tuple(share, share, share), { minLength: 3, maxLength: 3 }),
  });
}

function pick<T>(list: readonly T[], where: number): T {
  const found = list[Math.floor(where * list.length)];
  if (found === undefined) throw new Error('an empty list');
  return found;
}

/** Bytes that differ from place to place, with holes. */
function baseContent(size: number): Buffer {
  const random = seededRandom();
  const content = Buffer.alloc(size);
  for (let at = 0; at < size; at += 512) {
    const isHole = Math.floor(at / CHUNK) % 3 === 1 || random() < 0.1;
    if (!isHole) content.fill(1 + Math.floor(random() * 255), at, Math.min(size, at + 512));
  }
  return content;
}

async function perform(bench: LayerBench, versions: BenchVersion[], step: Step): Promise<void> {
  const version = pick(versions, step.version);
  if (step.kind === 'merge') {
    if (version.chain.length < (step.mode === 'full' ? 2 : 3)) return;
    const merged = await bench.merge(version, step.mode);
    expect(merged.contentId).toBe(version.contentId);
    versions.push(merged);
    return;
  }
  const content = Buffer.alloc(version.content.length + step.growth);
  version.content.copy(content);
  let opened = await bench.overlay(version, content.length);
  for (const change of step.changes) await applyChange(opened.device, content, change);
  if (step.isFlushed) await opened.device.flush();
  // Of a killed process nothing is closed; here its handles are, or they would leak.
  if (step.isKilled) {
    const killed = opened;
    opened = await bench.reopen(opened.overlay, version);
    await killed.device.close();
  }
  versions.push(await bench.seal(opened, content));
}

async function checkVersion(bench: LayerBench, version: BenchVersion): Promise<void> {
  const name = version.chain.map(({ layerId }) => layerId).join(' ');
  const [direct, cached] = await bench.readBothWays(version);
  expectSame(direct, version.content, `${name}, read past the cache`);
  expectSame(cached, version.content, `${name}, read through the cache`);
  expect(version.contentId, name).toBe(naiveContentId(version.content));
  expect(await bench.verify(version.chain), name).toEqual([]);
  expect(await bench.verify(version.chain, { onlyOwn: true }), name).toEqual([]);
}

/** Blocks of the disk of a chain that are read from its top layer. */
async function visibleBlocks(bench: LayerBench, chain: LayerChain): Promise<readonly number[]> {
  const top = chain.at(-1)?.layerId;
  const disk = await openLayerChain(chain, bench.work());
  const blocks: number[] = [];
  for (let at = 0; at < disk.size; at += BLOCK) if (disk.layerAt(at) === top) blocks.push(at);
  await disk.close();
  return blocks;
}

async function flipBit(
  bench: LayerBench,
  version: BenchVersion,
  [, layerShare, blockShare]: readonly [number, number, number],
): Promise<void> {
  const depth = 1 + Math.floor(layerShare * version.chain.length);
  const [base, ...above] = version.chain;
  const chain: LayerChain = [base, ...above.slice(0, depth - 1)];
  const top = chain.at(-1) ?? base;
  const blocks = await visibleBlocks(bench, chain);
  if (blocks.length === 0) return;
  const block = pick(blocks, blockShare);
  const bytes = Buffer.alloc(Math.min(BLOCK, top.size - block));
  const at = Math.floor(blockShare * 7919) % bytes.length;
  const device = await bench.repository.data.open(top.volume, { write: true });
  const flip = async (): Promise<void> => {
    await device.read(bytes, block);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
    await device.write(bytes, block, PLAIN);
  };
  await flip();
  const chunk = Math.floor(block / CHUNK);
  for (const onlyOwn of [true, false]) {
    const damage = await bench.verify(chain, { onlyOwn });
    expect(damage.map((one) => one.chunk)).toEqual([chunk]);
    expect(damage[0]).toMatchObject({
      offset: chunk * CHUNK,
      length: Math.min(CHUNK, top.size - chunk * CHUNK),
      reason: undefined,
    });
    expect(damage[0]?.layerIds[0]).toBe(top.layerId);
    expect(damage[0]?.found).not.toBe(damage[0]?.expected);
  }
  await flip();
  await device.close();
  expect(await bench.verify(chain)).toEqual([]);
}

async function check(bench: LayerBench, { size, steps, flips }: Case): Promise<void> {
  const versions: BenchVersion[] = [await bench.import(baseContent(size))];
  for (const step of steps) await perform(bench, versions, step);
  for (const version of versions) await checkVersion(bench, version);
  for (const flip of flips) await flipBit(bench, pick(versions, flip[0]), flip);
  // The same content by another way has the same name.
  const last = versions.at(-1);
  if (last === undefined) throw new Error('no version');
  expect((await bench.import(last.content)).contentId).toBe(last.contentId);
  const layers = new Set(versions.flatMap(({ chain }) => chain.map(({ layerId }) => layerId)));
  expect((await bench.folders()).length).toBe(layers.size + 1);
}

describe('a tree of versions', () => {
  test('holds what the model holds, in memory', { timeout: 60_000 }, async () => {
    const property = fc.asyncProperty(cases(8), async (random) => {
      const bench = await LayerBench.create();
      try {
        await check(bench, random);
      } finally {
        await bench.close();
      }
    });
    await fc.assert(property, { seed: SEED, numRuns: 25, endOnFailure: true });
  });

  test('holds what the model holds, on the local repository', { timeout: 60_000 }, async () => {
    const property = fc.asyncProperty(cases(5), async (random) => {
      const bench = await LayerBench.create(async (folder) => ({
        control: await LocalVolumeControl.attach(join(folder, 'volumes')),
        data: new LocalVolumeData({ log: { warn: () => undefined } }),
      }));
      try {
        await check(bench, random);
      } finally {
        await bench.close();
      }
    });
    await fc.assert(property, { seed: SEED, numRuns: 3, endOnFailure: true });
  });
});
