import { readFile, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FaultyDevice, PLAIN, PLAIN_ZERO } from '../../../../src/block/index.ts';
import { type LayerChain, layerFiles, verifyLayer } from '../../../../src/vdisk/index.ts';
import { ManifestWriter } from '../../../../src/vdisk/manifest/index.ts';
import { failure } from '../../../support/failure.ts';
import { type BenchVersion, type LayerBench, memoryBench } from '../../../support/layer-bench.ts';
import type { MemoryRepository } from '../../../support/memory-repository.ts';

const BLOCK = 4096;
const CHUNK = 64 * 1024;
const SIZE = 100 * CHUNK;

let bench: LayerBench;
let memory: MemoryRepository;
let base: BenchVersion;
/** Wrote a block of chunks 3 and 50, zeroed chunk 60, and wrote zeroes to chunk 62. */
let top: BenchVersion;
beforeEach(async () => {
  ({ bench, memory } = await memoryBench());
  const content = Buffer.alloc(SIZE);
  for (let at = 0; at < SIZE; at += 2 * CHUNK) content.fill(`at ${at} `, at, at + CHUNK);
  base = await bench.import(content);
  const opened = await bench.overlay(base);
  const changed = Buffer.from(content);
  for (const [at, fill, length] of [
    [3 * CHUNK, 3, BLOCK],
    [50 * CHUNK + BLOCK, 50, BLOCK],
    [62 * CHUNK, 0, CHUNK],
  ] as const) {
    changed.fill(fill, at, at + length);
    await opened.device.write(changed.subarray(at, at + length), at, PLAIN);
  }
  changed.fill(0, 60 * CHUNK, 61 * CHUNK);
  await opened.device.zero(60 * CHUNK, CHUNK, PLAIN_ZERO);
  top = await bench.seal(opened, changed);
});
afterEach(async () => {
  expect(memory.open).toBe(0);
  await bench.close();
});

const volumeOf = (chain: LayerChain): string => chain.at(-1)?.volume.volume ?? '';
const scribble = async (volume: string, at: number): Promise<void> =>
  void (await memory.get(volume).write(Buffer.alloc(512, 0xbd), at, PLAIN));

describe('verifying', () => {
  it('reads what holds data, and of a difference alone what it decides', async () => {
    const read = new Set<string>();
    memory.wrap = (device, volume) =>
      new FaultyDevice(device, ({ operation, offset, length }) => {
        if (operation !== 'read') return undefined;
        for (let at = offset; at < offset + length; at += BLOCK) {
          read.add(`${volume === volumeOf(top.chain) ? 'own' : 'base'} ${Math.floor(at / CHUNK)}`);
        }
        return undefined;
      });
    const onDamage = (): void => expect.unreachable();
    const request = { chain: top.chain, onlyOwn: true, onDamage };
    const own = await verifyLayer(request, bench.work());
    // Chunk 60 is zeroed and chunk 3 of the base a hole: nothing to read there.
    expect(read).toEqual(new Set(['own 3', 'own 50', 'base 50', 'own 62']));
    expect(own).toEqual({
      contentId: top.contentId,
      chunks: 3,
      bytes: 3 * CHUNK,
      damagedChunks: 0,
    });
    read.clear();
    const whole = await verifyLayer({ ...request, onlyOwn: false }, bench.work());
    expect(whole.chunks).toBe(50 + 1 - 1);
    expect(read.size).toBe(whole.chunks + 1);
    const alone = await verifyLayer({ ...request, chain: base.chain }, bench.work());
    expect(alone.chunks).toBe(50);
  });

  it('says which chunk is damaged, what it should be, and who may have damaged it', async () => {
    await scribble(volumeOf(top.chain), 50 * CHUNK + BLOCK);
    await scribble(volumeOf(base.chain), 98 * CHUNK);
    const found = await bench.verify(top.chain);
    const [baseId, topId] = top.chain.map(({ layerId }) => layerId);
    expect(found).toMatchObject([
      { chunk: 50, offset: 50 * CHUNK, length: CHUNK, layerIds: [topId, baseId] },
      { chunk: 98, offset: 98 * CHUNK, length: CHUNK, layerIds: [baseId] },
    ]);
    for (const { expected, found: is, reason } of found) {
      expect(expected).toMatch(/^[0-9a-f]{64}$/);
      expect(is).toMatch(/^[0-9a-f]{64}$/);
      expect(is).not.toBe(expected);
      expect(reason).toBeUndefined();
    }
    expect((await bench.verify(top.chain, { onlyOwn: true })).map((one) => one.chunk)).toEqual([
      50,
    ]);
    expect((await bench.verify(base.chain)).map((one) => one.chunk)).toEqual([98]);
  });

  it('finds data where there should be zeroes, and zeroes where there should be data', async () => {
    await scribble(volumeOf(top.chain), 62 * CHUNK);
    await memory.get(volumeOf(top.chain)).zero(3 * CHUNK, BLOCK, PLAIN_ZERO);
    const found = await bench.verify(top.chain, { onlyOwn: true });
    expect(
      found.map(({ chunk, expected, found: is }) => [chunk, expected?.length, is?.length]),
    ).toEqual([
      [3, 64, undefined],
      [62, undefined, 64],
    ]);
  });

  it('finds a chunk of the manifest that no layer has', async () => {
    const { manifest } = layerFiles(bench.layersFolder, top.chain.at(-1)?.layerId ?? '');
    await writeFile(`${manifest}.old`, await readFile(manifest));
    const forged = await ManifestWriter.create(`${manifest}.new`, SIZE);
    await forged.add(60, Buffer.alloc(32, 1));
    await forged.add(61, Buffer.alloc(32, 1));
    await forged.finish();
    await writeFile(manifest, await readFile(`${manifest}.new`));
    const found = await bench.verify(top.chain, { onlyOwn: true });
    expect(found.find(({ chunk }) => chunk === 60)).toMatchObject({
      expected: '01'.repeat(32),
      found: undefined,
      layerIds: [],
    });
    expect((await bench.verify(top.chain)).map(({ chunk }) => chunk)).toContain(61);
  });

  it('goes on where a chunk cannot be read, and says why', async () => {
    memory.wrap = (device, volume) =>
      new FaultyDevice(device, ({ operation, offset, length }) => {
        const isBad = offset < 40 * CHUNK + 512 && offset + length > 40 * CHUNK;
        return operation === 'read' && volume === volumeOf(base.chain) && isBad
          ? { errno: 'EIO' }
          : undefined;
      });
    await scribble(volumeOf(top.chain), 50 * CHUNK + BLOCK);
    const found = await bench.verify(top.chain);
    expect(found.map(({ chunk }) => chunk)).toEqual([40, 50]);
    expect(found[0]).toMatchObject({ found: undefined, layerIds: [base.chain[0].layerId] });
    expect(found[0]?.reason).toContain('EIO');
  });

  it('judges nothing by files that are damaged themselves', async () => {
    const { manifest, map } = layerFiles(bench.layersFolder, top.chain.at(-1)?.layerId ?? '');
    for (const path of [manifest, map]) {
      const bytes = await readFile(path);
      const bad = Buffer.from(bytes);
      bad[bad.length - 1] = (bad.at(-1) ?? 0) ^ 1;
      await writeFile(path, bad);
      const seen: number[] = [];
      const onDamage = ({ chunk }: { chunk: number }): void => void seen.push(chunk);
      const fault = await failure(bench.verify(top.chain, { onDamage }));
      expect(fault.code).toBe('IMAGE_INVALID');
      expect(seen).toEqual([]);
      await writeFile(path, bytes);
    }
    memory.devices.delete(volumeOf(top.chain));
    expect((await failure(bench.verify(top.chain))).code).toBe('UNAVAILABLE');
  });

  it('reads no faster than it is told', async () => {
    let time = 1000;
    const slept: number[] = [];
    const work = {
      ...bench.work(),
      now: () => time,
      sleep: async (milliseconds: number) => {
        slept.push(milliseconds);
        time += milliseconds;
      },
    };
    await bench.verify(top.chain, { bytesPerSecond: 10 * CHUNK }, work);
    // Fifty chunks at ten a second, in windows of 32 and 18.
    expect(slept).toEqual([3200, 1800]);
    slept.length = 0;
    time = 0;
    const slow = { ...work, now: () => (time += 10_000) };
    await bench.verify(top.chain, { bytesPerSecond: 10 * CHUNK }, slow);
    expect(slept).toEqual([]); // the disk is slower than that
  });

  it('is cancelled between windows and in its sleep', async () => {
    for (const when of ['before', 'sleep', 'progress']) {
      const controller = new AbortController();
      if (when === 'before') controller.abort();
      const progress = (): void => {
        if (when === 'progress') controller.abort();
      };
      const work = { ...bench.work({ signal: controller.signal, progress }) };
      const sleep = async (): Promise<void> => {
        controller.abort();
        throw new Error('woken up');
      };
      const pace = { bytesPerSecond: 1, onDamage: () => undefined };
      const chain = top.chain;
      const running = verifyLayer({ chain, onlyOwn: false, ...pace }, { ...work, sleep });
      expect((await failure(running)).code, when).toBe('CANCELLED');
    }
  });
});
