/** Merging: what it copies, what it refuses, and what is left when it does not come to its end. */
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FaultyDevice, PLAIN, PLAIN_ZERO } from '../../../../src/block/index.ts';
import { Fault } from '../../../../src/errors/index.ts';
import { layerFiles, removeLeftovers } from '../../../../src/vdisk/index.ts';
import type { MergeRequest, MergeStep } from '../../../../src/vdisk/layers/index.ts';
import { readLayerMap } from '../../../../src/vdisk/layers/layer-map.ts';
import { failure } from '../../../support/failure.ts';
import {
  type BenchVersion,
  expectSame,
  type LayerBench,
  memoryBench,
} from '../../../support/layer-bench.ts';
import type { MemoryRepository } from '../../../support/memory-repository.ts';
import { SEED, seededRandom } from '../../../support/seed.ts';

import { VolatileDevice, VolatileDisk } from '../../../support/volatile-device.ts';

const BLOCK = 4096;
const CHUNK = 64 * 1024;
const M = 1024 * 1024;
const SIZE = 75 * CHUNK;
const STEPS: readonly MergeStep[] = ['begun', 'volume', 'data', 'files'];
const MODES = ['full', 'partial'] as const;
const CASES = MODES.flatMap((mode) => STEPS.map((step) => [mode, step] as const));

let bench: LayerBench;
let memory: MemoryRepository;
/** A base and three differences. */
let top: BenchVersion;
beforeEach(async () => {
  ({ bench, memory } = await memoryBench());
  const content = Buffer.alloc(SIZE);
  for (let at = 0; at < SIZE; at += 2 * CHUNK) content.fill(`at ${at} `, at, at + CHUNK);
  top = await bench.import(content);
  for (const layer of [1, 2, 3]) top = await changed(top, layer);
});
afterEach(async () => {
  expect(memory.open).toBe(0);
  await bench.close();
});

async function changed(version: BenchVersion, layer: number): Promise<BenchVersion> {
  const opened = await bench.overlay(version);
  const content = Buffer.from(version.content);
  const zeroed = (20 + 3 * layer) * CHUNK;
  content.fill(0, zeroed, zeroed + 4 * CHUNK);
  await opened.device.zero(zeroed, 4 * CHUNK, PLAIN_ZERO);
  for (let at = layer * 5 * BLOCK; at < SIZE; at += 7 * CHUNK) {
    content.fill(`layer ${layer} `, at, at + 3 * BLOCK);
    await opened.device.write(content.subarray(at, at + 3 * BLOCK), at, PLAIN);
  }
  // Long runs, which are copied in long writes.
  content.fill(layer, 60 * CHUNK, 70 * CHUNK);
  await opened.device.write(content.subarray(60 * CHUNK, 70 * CHUNK), 60 * CHUNK, PLAIN);
  return bench.seal(opened, content);
}

async function expectWhole(version: BenchVersion): Promise<void> {
  const [direct, cached] = await bench.readBothWays(version);
  expectSame(direct, version.content, 'read past the cache');
  expectSame(cached, version.content, 'read through the cache');
  expect(await bench.verify(version.chain)).toEqual([]);
}

const volumes = (): readonly string[] => [...memory.devices.keys()];

describe('a merge', () => {
  it.each(MODES)(
    '(%s) makes a layer of the same content, and leaves the old ones alone',
    async (mode) => {
      const from = layerFiles(bench.layersFolder, top.chain.at(-1)?.layerId ?? '').boot;
      await writeFile(join(from, 'vmlinuz'), 'kernel');
      const before = await memory.snapshot();
      const merged = await bench.merge(top, mode, { layerId: 'merged' });
      expect(merged.chain.length).toBe(mode === 'full' ? 1 : 2);
      await expectWhole(merged);
      await expectWhole(top);
      for (const volume of before.devices.keys()) {
        expectSame(await memory.contentOf(volume), await before.contentOf(volume), volume);
      }
      const files = layerFiles(bench.layersFolder, 'merged');
      const old = layerFiles(bench.layersFolder, top.chain.at(-1)?.layerId ?? '');
      expect((await readFile(files.manifest)).equals(await readFile(old.manifest))).toBe(true);
      expect(await readFile(join(files.boot, 'vmlinuz'), 'utf8')).toBe('kernel');
      expect(await readdir(files.folder)).toEqual(
        mode === 'full' ? ['boot', 'manifest'] : ['boot', 'manifest', 'map'],
      );
    },
  );

  it('(partial) owns what any difference has for the disk, and nothing of the base', async () => {
    const merged = await bench.merge(top, 'partial', { layerId: 'merged' });
    const { owned, zeroed } = await readLayerMap(layerFiles(bench.layersFolder, 'merged').map);
    const has = (bits: Uint8Array, bit: number): boolean =>
      (((bits[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 1;
    const [base] = top.chain;
    const was = await memory.contentOf(base.volume.volume);
    for (let unit = 0; unit < SIZE / CHUNK; unit++) {
      const isZeroed = unit >= 23 && unit < 33;
      expect(has(zeroed, unit), `unit ${unit}`).toBe(isZeroed);
    }
    for (let block = 0; block < SIZE / BLOCK; block++) {
      const bytes = merged.content.subarray(block * BLOCK, (block + 1) * BLOCK);
      const isChanged = !bytes.equals(was.subarray(block * BLOCK, (block + 1) * BLOCK));
      const isEmpty = bytes.every((byte) => byte === 0);
      if (isChanged && !isEmpty) expect(has(owned, block), `block ${block}`).toBe(true);
      if (!isChanged) expect(has(owned, block), `block ${block}`).toBe(false);
    }
  });

  it.each(MODES)('(%s) survives the death of the host the moment it is done', async (mode) => {
    let disk: VolatileDisk | undefined;
    memory.make = (size) => {
      disk = new VolatileDisk(size);
      return new VolatileDevice(disk, () => 0);
    };
    const merged = await bench.merge(top, mode);
    disk?.powerLoss(() => 0.5, 0);
    await expectWhole(merged);
    expect(disk).toBeDefined();
  });

  it.each(MODES)('(%s) copies in long runs, and reports what it has done', async (mode) => {
    const writes: number[] = [];
    memory.wrap = (device, volume) =>
      new FaultyDevice(device, ({ operation, offset, length }) => {
        if (volume === 'merged' && operation === 'write' && offset >= 60 * CHUNK) {
          if (offset < 70 * CHUNK) writes.push(length);
        }
        return undefined;
      });
    const seen: number[] = [];
    const progress = (done: { bytesDone: number; bytesTotal: number }): void => {
      seen.push(done.bytesDone / done.bytesTotal);
    };
    await bench.merge(top, mode, { layerId: 'merged' }, bench.work({ progress }));
    expect(writes.length).toBeLessThanOrEqual(3);
    expect(seen.toSorted((a, b) => a - b)).toEqual(seen);
    expect(seen.at(-1)).toBe(1);
  });

  it('refuses what makes no sense, before it makes anything', async () => {
    const [base, first] = top.chain;
    if (first === undefined) throw new Error('no difference');
    const folders = await bench.folders();
    const merge = (change: Partial<MergeRequest>, mode: 'full' | 'partial' = 'full') =>
      failure(bench.merge(top, mode, change));
    expect((await merge({ chain: [base] })).code).toBe('INVALID_INPUT');
    expect((await merge({ chain: [base, first] }, 'partial')).code).toBe('INVALID_INPUT');
    const other = await merge({ expectedContentId: '00'.repeat(32) });
    expect(other).toMatchObject({ code: 'IMAGE_INVALID', details: { field: 'contentId' } });
    expect((await merge({ layerId: base.layerId })).code).toBe('ALREADY_EXISTS');
    memory.free = 64 * M;
    for (const mode of MODES) expect((await merge({}, mode)).code).toBe('NO_SPACE');
    memory.free = 2 ** 50;
    await memory.control.createVolume({ id: 'taken', size: 512 });
    expect((await merge({ layerId: 'taken' })).code).toBe('ALREADY_EXISTS');
    expect(volumes()).toContain('taken');
    expect(await bench.folders()).toEqual(folders);
    await expectWhole(top);
  });

  it.each(MODES)('(%s) names the first chunk that is damaged, and its layer', async (mode) => {
    const folders = await bench.folders();
    const before = volumes();
    const [, , second] = top.chain;
    if (second === undefined) throw new Error('no second difference');
    // Only the second layer has these blocks: the first and the third wrote elsewhere.
    for (const at of [7 * CHUNK + 10 * BLOCK, 14 * CHUNK + 10 * BLOCK]) {
      await memory.get(second.volume.volume).write(Buffer.alloc(512, 0xbb), at, PLAIN);
    }
    const fault = await failure(bench.merge(top, mode));
    expect(fault).toMatchObject({ code: 'IMAGE_INVALID', details: { field: 'chunk', value: 7 } });
    expect(fault.message).toContain(second.layerId);
    expect(await bench.folders()).toEqual(folders);
    expect(volumes()).toEqual(before);
  });
});

describe('a merge that does not come to its end', () => {
  it.each(CASES)('(%s) leaves nothing when it fails after "%s"', async (mode, step) => {
    const folders = await bench.folders();
    const before = volumes();
    const afterStep = (done: MergeStep): void => {
      if (done === step) throw new Error('broken');
    };
    expect((await failure(bench.merge(top, mode, { afterStep }))).code).toBe('UNAVAILABLE');
    expect(await bench.folders()).toEqual(folders);
    expect(volumes()).toEqual(before);
    await expectWhole(top);
  });

  it.each(CASES)('(%s) leaves nothing when it is cancelled after "%s"', async (mode, step) => {
    const folders = await bench.folders();
    const before = volumes();
    const controller = new AbortController();
    const afterStep = (done: MergeStep): void => {
      if (done === step) controller.abort();
    };
    const work = bench.work({ signal: controller.signal });
    expect((await failure(bench.merge(top, mode, { afterStep }, work))).code).toBe('CANCELLED');
    expect(await bench.folders()).toEqual(folders);
    expect(volumes()).toEqual(before);
  });

  it.each(MODES)(
    '(%s) leaves nothing when it is cancelled in the middle of the data',
    async (mode) => {
      const before = volumes();
      const controller = new AbortController();
      const progress = (): void => controller.abort();
      const work = bench.work({ signal: controller.signal, progress });
      expect((await failure(bench.merge(top, mode, {}, work))).code).toBe('CANCELLED');
      expect(volumes()).toEqual(before);
    },
  );

  it.each(CASES)('(%s) is swept when the process dies after "%s"', async (mode, step) => {
    const folders = await bench.folders();
    const before = volumes();
    const crash = join(bench.layersFolder, '..', 'crash');
    let left: MemoryRepository | undefined;
    const afterStep = async (done: MergeStep): Promise<void> => {
      if (done !== step) return;
      await cp(bench.layersFolder, crash, { recursive: true });
      left = await memory.snapshot();
    };
    await bench.merge(top, mode, { afterStep, layerId: 'half' });
    if (left === undefined) throw new Error('the step was not reached');
    expect(await removeLeftovers(crash, left.control)).toEqual(['half']);
    expect((await readdir(crash)).toSorted()).toEqual(folders);
    expect([...left.devices.keys()]).toEqual(before);
    await expectWhole(top);
  });

  it.each(MODES)(`(%s) leaves nothing whichever request fails (seed ${SEED})`, async (mode) => {
    const folders = await bench.folders();
    const before = volumes();
    let failed = 0;
    // One in three of them, others in each run.
    for (let nth = Math.floor(seededRandom()() * 3); ; nth += 3) {
      let requests = 0;
      memory.wrap = (device) =>
        new FaultyDevice(device, () => {
          requests += 1;
          return requests === nth + 1 ? { errno: 'EIO' } : undefined;
        });
      const result = await bench.merge(top, mode).catch((error: unknown) => error);
      memory.wrap = (device) => device;
      if (!(result instanceof Fault)) {
        expect(result).toMatchObject({ contentId: top.contentId });
        // A read of many chunks that failed was made again, chunk by chunk.
        if (requests <= nth) break;
        const layerId = (await bench.folders()).filter((name) => !folders.includes(name));
        for (const one of layerId) await bench.remove(one);
        continue;
      }
      failed += 1;
      expect(['UNAVAILABLE', 'IMAGE_INVALID']).toContain(result.code);
      expect(await bench.folders()).toEqual(folders);
      expect(volumes()).toEqual(before);
    }
    expect(failed).toBeGreaterThan(5);
    await expectWhole(top);
  });

  it('leaves nothing when the disk becomes full', async () => {
    const before = volumes();
    memory.wrap = (device, volume) =>
      new FaultyDevice(device, ({ operation, index }) =>
        volume === 'merged' && operation === 'write' && index > 2 ? { errno: 'ENOSPC' } : undefined,
      );
    for (const mode of MODES) {
      const fault = await failure(bench.merge(top, mode, { layerId: 'merged' }));
      expect(fault.code).toBe('NO_SPACE');
      expect(volumes()).toEqual(before);
    }
  });
});
