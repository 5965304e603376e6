/** Sealing: what it makes, what it leaves alone, and what is left when it does not come to its end. */
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FaultyDevice, PLAIN, PLAIN_ZERO } from '../../../../src/block/index.ts';
import { Fault } from '../../../../src/errors/index.ts';
import {
  type LayerChain,
  layerFiles,
  openLayerChain,
  removeLeftovers,
  sealOverlay,
} from '../../../../src/vdisk/index.ts';
import type { SealStep } from '../../../../src/vdisk/layers/index.ts';
import { readChunkHashes } from '../../../../src/vdisk/manifest/index.ts';
import { failure } from '../../../support/failure.ts';
import {
  type BenchOverlay,
  type BenchVersion,
  expectSame,
  type LayerBench,
  memoryBench,
  naiveContentId,
} from '../../../support/layer-bench.ts';
import type { MemoryRepository } from '../../../support/memory-repository.ts';
import { VolatileDevice, VolatileDisk } from '../../../support/volatile-device.ts';

const BLOCK = 4096;
const CHUNK = 64 * 1024;
const SIZE = 100 * CHUNK;
const STEPS: readonly SealStep[] = ['begun', 'settled', 'map', 'manifest', 'boot files'];

let bench: LayerBench;
let memory: MemoryRepository;
let base: BenchVersion;
beforeEach(async () => {
  ({ bench, memory } = await memoryBench());
  const content = Buffer.alloc(SIZE);
  for (let at = 0; at < SIZE; at += 2 * CHUNK) content.fill(`at ${at} `, at, at + CHUNK);
  base = await bench.import(content);
});
afterEach(async () => {
  expect(memory.open).toBe(0);
  await bench.close();
});

/** An overlay that was written all over, and what its disk holds. */
async function written(): Promise<{ readonly opened: BenchOverlay; readonly content: Buffer }> {
  const opened = await bench.overlay(base);
  const content = Buffer.from(base.content);
  for (let at = 5 * CHUNK + BLOCK; at < SIZE; at += 11 * CHUNK) {
    content.fill(7, at, at + BLOCK);
    await opened.device.write(content.subarray(at, at + BLOCK), at, PLAIN);
  }
  content.fill(0, 30 * CHUNK, 40 * CHUNK);
  await opened.device.zero(30 * CHUNK, 10 * CHUNK, PLAIN_ZERO);
  return { opened, content };
}

/** Opened again, it reads as it was written, in this boot of the host and in the next. */
async function expectOverlay({ overlay, parent }: BenchOverlay, content: Buffer): Promise<void> {
  const again = await bench.reopen(overlay, parent);
  const found = Buffer.alloc(content.length);
  await again.device.read(found, 0);
  await again.device.close();
  expectSame(found, content, 'the overlay');
}

const nextBoot = (opened: BenchOverlay): BenchOverlay => ({
  ...opened,
  overlay: { ...opened.overlay, bootId: 'boot-2' },
});

describe('sealing', () => {
  it('tells what the layer is', async () => {
    const { opened, content } = await written();
    const { sealed } = await bench.seal(opened, content);
    expect(sealed).toMatchObject({
      contentId: naiveContentId(content),
      size: SIZE,
      dataBytes: dataChunks(content) * CHUNK,
      // Of nine blocks one is in what was zeroed later.
      ownedBytes: 8 * BLOCK,
      changedChunks: 8 + 10,
    });
    expect(sealed.bootFiles).toMatchObject({ kernel: undefined });
  });

  it('copies no data and changes neither the volumes nor anything below', async () => {
    const { opened, content } = await written();
    await opened.device.close();
    const before = await memory.snapshot();
    const { sealed, chain } = await bench.seal(opened, content);
    expect([...memory.devices.keys()]).toEqual([...before.devices.keys()]);
    for (const volume of [opened.overlay.data, base.chain[0].volume]) {
      const was = await before.contentOf(volume.volume);
      expectSame(await memory.contentOf(volume.volume), was, volume.volume);
    }
    expect(chain.at(-1)?.volume).toEqual(opened.overlay.data);
    const { folder } = layerFiles(bench.layersFolder, sealed.layerId);
    expect((await readdir(folder)).toSorted()).toEqual(['boot', 'manifest', 'map', 'volume']);
    await expectOverlay(nextBoot(opened), content);
  });

  it('reads only what was touched, and takes the rest from the manifest of the parent', async () => {
    const opened = await bench.overlay(base);
    await opened.device.write(Buffer.alloc(BLOCK, 1), 20 * CHUNK, PLAIN);
    await opened.device.zero(50 * CHUNK, CHUNK, PLAIN_ZERO);
    await opened.device.close();
    const read: string[] = [];
    memory.wrap = (device, volume) =>
      new FaultyDevice(device, ({ operation, offset, length }) => {
        if (operation !== 'read' || volume.endsWith('.map')) return undefined;
        for (let at = offset; at < offset + length; at += CHUNK) {
          read.push(
            `${volume === opened.overlay.data.volume ? 'own' : 'base'} ${Math.floor(at / CHUNK)}`,
          );
        }
        return undefined;
      });
    const { overlay, parent } = opened;
    const names: number[] = [];
    const request = { overlay: { ...overlay, journalled: 0 }, parent: parent.chain, layerId: 'l' };
    // Looking for a kernel reads the first chunks of the disk.
    const afterStep = (step: SealStep): void => {
      if (step === 'manifest') names.push(...read.map((one) => Number(one.split(' ')[1])));
    };
    await sealOverlay({ ...request, afterStep }, bench.work());
    expect(new Set(names)).toEqual(new Set([20]));
    const chunks: number[] = [];
    const { manifest } = layerFiles(bench.layersFolder, 'l');
    await readChunkHashes(manifest, ({ chunk }) => {
      chunks.push(chunk);
    });
    expect(chunks).toEqual(
      Array.from({ length: 50 }, (_, index) => 2 * index).filter((chunk) => chunk !== 50),
    );
  });

  it('takes an overlay of an untouched disk, and one of a disk that has only grown', async () => {
    const same = await bench.seal(await bench.overlay(base), base.content);
    expect(same.contentId).toBe(base.contentId);
    expect(same.sealed).toMatchObject({ ownedBytes: 0, changedChunks: 0 });
    const odd = await bench.import(Buffer.alloc(3 * CHUNK + 512, 5));
    const content = Buffer.concat([odd.content, Buffer.alloc(2 * CHUNK)]);
    const grown = await bench.seal(await bench.overlay(odd, content.length), content);
    expect(grown.contentId).toBe(naiveContentId(content));
    expect(grown.sealed).toMatchObject({ size: content.length, dataBytes: 4 * CHUNK });
    const [direct] = await bench.readBothWays(grown);
    expectSame(direct, content, 'the grown disk');
  });

  it('reports progress that rises to all that is read', async () => {
    const { opened, content } = await written();
    const seen: number[] = [];
    const progress = (done: { bytesDone: number; bytesTotal: number }): void => {
      seen.push(done.bytesDone / done.bytesTotal);
    };
    await bench.seal(opened, content, {}, bench.work({ progress }));
    expect(seen.toSorted((a, b) => a - b)).toEqual(seen);
    expect(seen.at(-1)).toBe(1);
  });

  it('copies the boot files of the parent where they were given by hand', async () => {
    const from = layerFiles(bench.layersFolder, base.chain[0].layerId).boot;
    await writeFile(join(from, 'vmlinuz'), 'kernel');
    await writeFile(join(from, 'initrd'), 'initrd');
    const { opened, content } = await written();
    const { sealed } = await bench.seal(opened, content, { bootFiles: 'parents' });
    expect(sealed.bootFiles).toBeUndefined();
    const { boot } = layerFiles(bench.layersFolder, sealed.layerId);
    expect(await readFile(join(boot, 'vmlinuz'), 'utf8')).toBe('kernel');
    expect(await readFile(join(boot, 'initrd'), 'utf8')).toBe('initrd');
  });

  it('copies the boot files of the parent where none are found, before the layer is there', async () => {
    const from = layerFiles(bench.layersFolder, base.chain[0].layerId).boot;
    await writeFile(join(from, 'vmlinuz'), 'kernel');
    const { opened, content } = await written();
    const boot = join(bench.layersFolder, 'half.sealing', 'boot');
    let before: readonly string[] = [];
    const afterStep = async (step: SealStep): Promise<void> => {
      if (step === 'boot files') before = await readdir(boot);
    };
    const how = { bootFiles: 'found or parents', layerId: 'half', afterStep } as const;
    const { sealed } = await bench.seal(opened, content, how);
    expect(sealed.bootFiles).toBeUndefined();
    expect(before).toEqual(['vmlinuz']);
    expect(await readdir(layerFiles(bench.layersFolder, 'half').boot)).toEqual(before);
  });

  it('survives the death of the host the moment it is done', async () => {
    const opened = await bench.overlay(base);
    await opened.device.close();
    const lost: (() => void)[] = [];
    for (const { volume } of [opened.overlay.data, opened.overlay.map]) {
      const disk = new VolatileDisk(memory.get(volume).geometry.size);
      disk.write(await memory.contentOf(volume), 0);
      disk.beginSync()();
      memory.devices.set(volume, new VolatileDevice(disk, () => 0));
      lost.push(() => disk.powerLoss(() => 0.5, 0));
    }
    const again = await bench.reopen(opened.overlay, base);
    const content = Buffer.from(base.content);
    content.fill(9, 3 * CHUNK, 3 * CHUNK + 2 * BLOCK);
    await again.device.write(content.subarray(3 * CHUNK, 3 * CHUNK + 2 * BLOCK), 3 * CHUNK, PLAIN);
    const version = await bench.seal(again, content);
    for (const lose of lost) lose();
    const [direct] = await bench.readBothWays(version);
    expectSame(direct, content, 'the sealed disk');
    expect(await bench.verify(version.chain)).toEqual([]);
    await expectOverlay(nextBoot(opened), content);
  });
});

describe('a seal that does not come to its end', () => {
  it.each(STEPS)('leaves nothing when it fails after "%s"', async (step) => {
    const { opened, content } = await written();
    const folders = await bench.folders();
    const afterStep = (done: SealStep): void => {
      if (done === step) throw new Error('broken');
    };
    const fault = await failure(bench.seal(opened, content, { afterStep }));
    expect(fault.code).toBe('UNAVAILABLE');
    expect(await bench.folders()).toEqual(folders);
    await expectOverlay(opened, content);
    expect(await bench.verify(base.chain)).toEqual([]);
    expect((await bench.seal(await bench.reopen(opened.overlay, base), content)).contentId).toBe(
      naiveContentId(content),
    );
  });

  it.each(STEPS)('leaves nothing when it is cancelled after "%s"', async (step) => {
    const { opened, content } = await written();
    const folders = await bench.folders();
    const controller = new AbortController();
    const afterStep = (done: SealStep): void => {
      if (done === step) controller.abort();
    };
    const work = bench.work({ signal: controller.signal });
    const fault = await failure(bench.seal(opened, content, { afterStep }, work));
    expect(fault.code).toBe('CANCELLED');
    expect(await bench.folders()).toEqual(folders);
    await expectOverlay(opened, content);
  });

  it.each(STEPS)(
    'is swept when the process dies after "%s", and the overlay is whole',
    async (step) => {
      const { opened, content } = await written();
      const folders = await bench.folders();
      const crash = join(bench.layersFolder, '..', 'crash');
      let volumes: MemoryRepository | undefined;
      const afterStep = async (done: SealStep): Promise<void> => {
        if (done !== step) return;
        await cp(bench.layersFolder, crash, { recursive: true });
        volumes = await memory.snapshot();
      };
      await bench.seal(opened, content, { afterStep, layerId: 'half' });
      if (volumes === undefined) throw new Error('the step was not reached');
      expect(await readdir(crash)).toContain('half.sealing');
      expect(await removeLeftovers(crash, volumes.control)).toEqual(['half']);
      expect((await readdir(crash)).toSorted()).toEqual(folders);
      expect([...volumes.devices.keys()]).toEqual([...memory.devices.keys()]);
      for (const [volume, device] of volumes.devices) memory.devices.set(volume, device);
      await expectOverlay(opened, content);
    },
  );

  it('leaves nothing whichever request of a volume fails', async () => {
    const { opened, content } = await written();
    await opened.device.flush();
    await opened.device.close();
    const folders = await bench.folders();
    const { overlay } = opened;
    const parent: LayerChain = base.chain;
    let failed = 0;
    for (let nth = 0; ; nth += 1) {
      let requests = 0;
      memory.wrap = (device) =>
        new FaultyDevice(device, () => {
          requests += 1;
          return requests === nth + 1 ? { errno: 'EIO' } : undefined;
        });
      const request = { overlay: { ...overlay, journalled: 0 }, parent, layerId: `nth-${nth}` };
      const result = await sealOverlay(request, bench.work()).catch((error: unknown) => error);
      memory.wrap = (device) => device;
      if (!(result instanceof Fault)) {
        // Nothing failed any more, or only the search for a kernel did, which says so.
        expect(result).toMatchObject({ contentId: naiveContentId(content) });
        if (requests <= nth) break;
        continue;
      }
      failed += 1;
      expect(result.code).toBe('UNAVAILABLE');
      expect((await bench.folders()).filter((name) => !name.startsWith('nth-'))).toEqual(folders);
      expect(await bench.folders()).not.toContain(`nth-${nth}.sealing`);
      expect(await bench.folders()).not.toContain(`nth-${nth}`);
    }
    expect(failed).toBeGreaterThan(10);
    await expectOverlay(opened, content);
  });

  it('refuses what makes no sense', async () => {
    const { opened, content } = await written();
    const overlay = { ...opened.overlay, journalled: 0 };
    const small = { ...overlay, size: SIZE - 512 };
    const parent = base.chain;
    await opened.device.close();
    const refused = (change: Parameters<typeof sealOverlay>[0]) =>
      failure(sealOverlay(change, bench.work()));
    expect((await refused({ overlay: small, parent, layerId: 'l' })).code).toBe('INVALID_INPUT');
    expect((await refused({ overlay, parent, layerId: base.chain[0].layerId })).code).toBe(
      'ALREADY_EXISTS',
    );
    const [source] = parent;
    const many: LayerChain = [
      source,
      ...Array.from({ length: 256 }, () => ({ ...source, kind: 'difference' as const })),
    ];
    expect((await refused({ overlay, parent: many, layerId: 'l' })).code).toBe('LIMIT_EXCEEDED');
    const twice: LayerChain = [source, source];
    expect((await refused({ overlay, parent: twice, layerId: 'l' })).code).toBe('INVALID_INPUT');
    const gone: LayerChain = [{ ...source, layerId: 'gone' }];
    expect((await refused({ overlay, parent: gone, layerId: 'l' })).code).toBe('NOT_FOUND');
    const other: LayerChain = [{ ...source, size: SIZE - 512 }];
    expect((await refused({ overlay, parent: other, layerId: 'l' })).code).toBe('IMAGE_INVALID');
    expect(await bench.folders()).toEqual([source.layerId]);
    await expectOverlay(opened, content);
  });

  it('seals nothing on a manifest that is damaged', async () => {
    const { opened, content } = await written();
    const { manifest } = layerFiles(bench.layersFolder, base.chain[0].layerId);
    const bytes = await readFile(manifest);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    await writeFile(manifest, bytes);
    expect((await failure(bench.seal(opened, content))).code).toBe('IMAGE_INVALID');
  });
});

describe('a chain of layers', () => {
  it('says which layer holds what', async () => {
    const { opened, content } = await written();
    const { chain, sealed } = await bench.seal(opened, content);
    const disk = await openLayerChain(chain, bench.work());
    expect(disk.size).toBe(SIZE);
    expect(disk.layerAt(5 * CHUNK + BLOCK)).toBe(sealed.layerId);
    expect(disk.layerAt(4 * CHUNK)).toBe(base.chain[0].layerId);
    expect(disk.layerAt(5 * CHUNK)).toBeUndefined();
    expect(disk.layerAt(32 * CHUNK)).toBeUndefined();
    expect(disk.presentChunks[0]).toBe(0b0111_0101);
    await disk.close();
  });

  it('closes what it has opened when a volume is missing', async () => {
    const { opened, content } = await written();
    const { chain } = await bench.seal(opened, content);
    memory.devices.delete(opened.overlay.data.volume);
    await expect(openLayerChain(chain, bench.work())).rejects.toThrow('no volume');
    expect(memory.open).toBe(0);
  });
});

function dataChunks(content: Buffer): number {
  let count = 0;
  for (let at = 0; at < content.length; at += CHUNK) {
    if (content.subarray(at, at + CHUNK).some((byte) => byte !== 0)) count += 1;
  }
  return count;
}
