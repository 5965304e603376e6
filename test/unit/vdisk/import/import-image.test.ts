import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BlockDevice } from '../../../../src/block/index.ts';
import { BlockError, Fault } from '../../../../src/errors/index.ts';
import { layerFiles, removeLayer, removeLeftovers } from '../../../../src/vdisk/layers/index.ts';
import { readPresentChunks } from '../../../../src/vdisk/manifest/index.ts';
import { failure } from '../../../support/failure.ts';
import { SEED, seededRandom } from '../../../support/seed.ts';
import { MemoryFiles } from '../formats/memory-files.ts';
import { type Cluster, qcow2Image } from '../formats/qcow2-images.ts';
import { vhdImage } from '../formats/vhd-images.ts';
import { ImportBench } from './import-bench.ts';

const K = 1024;
const M = 1024 * K;

let files: MemoryFiles;
let bench: ImportBench;
beforeEach(async () => {
  files = new MemoryFiles();
  bench = await ImportBench.create(files);
});
afterEach(async () => {
  expect(files.open).toBe(0);
  await bench.close();
});

/** A disk of stretches of data and zeroes of all lengths. */
function patchwork(size: number, random: () => number): Buffer {
  const disk = Buffer.alloc(size);
  for (let at = 0; at < size; ) {
    const length = Math.ceil(random() ** 3 * 700 * K);
    if (random() < 0.4) disk.fill(`at ${at} `, at, Math.min(at + length, size));
    at += length;
  }
  return disk;
}

function asQcow2(disk: Buffer, clusterBits: number, packed: boolean): Buffer {
  const clusterBytes = 2 ** clusterBits;
  const clusters = new Map<number, Cluster>();
  for (let at = 0; at < disk.length; at += clusterBytes) {
    const bytes = Buffer.alloc(clusterBytes);
    disk.copy(bytes, 0, at);
    if (bytes.every((byte) => byte === 0)) continue;
    clusters.set(at / clusterBytes, { kind: packed ? 'compressed' : 'data', bytes });
  }
  return qcow2Image({ size: disk.length, clusters, clusterBits });
}

describe('an import', () => {
  it(`gives the same disk, manifest and name for every format (seed ${SEED})`, async () => {
    const random = seededRandom();
    const disk = patchwork(5 * M + 3 * K + 512, random);
    files.files.set('/raw', disk);
    files.files.set('/q9', asQcow2(disk, 9, false));
    files.files.set('/q16', asQcow2(disk, 16, true));
    files.files.set('/q21', asQcow2(disk, 21, false));
    files.files.set(
      '/fixed',
      vhdImage({ kind: 'fixed', size: disk.length, disk, uniqueId: 'ee'.repeat(16) }),
    );
    const blocks = new Map(
      [0, 1, 2].map((index) => [
        index,
        { bytes: disk.subarray(index * 2 * M, (index + 1) * 2 * M) },
      ]),
    );
    files.files.set(
      '/dynamic',
      vhdImage({ kind: 'dynamic', size: disk.length, blocks, uniqueId: 'ee'.repeat(16) }),
    );
    const ids = new Set<string>();
    let manifest: Buffer | undefined;
    for (const path of files.files.keys()) {
      const layer = await bench.import(path);
      expect((await bench.disk(layer.layerId)).equals(disk), path).toBe(true);
      expect(layer.size).toBe(disk.length);
      ids.add(layer.contentId);
      const written = await readFile(layerFiles(bench.layersFolder, layer.layerId).manifest);
      manifest ??= written;
      expect(written.equals(manifest), path).toBe(true);
      expect(layer.dataBytes).toBe(dataBytes(disk));
    }
    expect(ids.size).toBe(1);
  });

  it('marks exactly the chunks that hold data, and writes nothing else', async () => {
    const disk = Buffer.alloc(10 * 64 * K + 512);
    disk.write('x', 2 * 64 * K - 1);
    disk.write('y', disk.length - 1);
    files.files.set('/raw', disk);
    const written: number[] = [];
    bench.wrap = (device) =>
      overriding(device, {
        write: (source, offset, options) => {
          written.push(offset, source.length);
          return device.write(source, offset, options);
        },
      });
    const layer = await bench.import('/raw');
    expect(written).toEqual([64 * K, 64 * K, 10 * 64 * K, 512]);
    const bitmap = await readPresentChunks(layerFiles(bench.layersFolder, layer.layerId).manifest);
    expect([...bitmap]).toEqual([0b0000_0010, 0b0000_0100]);
  });

  it('rounds the disk up to whole sectors, filled with zeroes', async () => {
    // Three windows: the buffer of the last one has held data before.
    const image = Buffer.alloc(4 * M + 1000, 'a');
    files.files.set('/raw', image);
    const layer = await bench.import('/raw', { format: 'raw' });
    expect(layer.size).toBe(4 * M + 1024);
    const expected = Buffer.concat([image, Buffer.alloc(24)]);
    expect((await bench.disk(layer.layerId)).equals(expected)).toBe(true);
  });

  it('reads ahead without touching what a slow volume still writes', async () => {
    const disk = Buffer.alloc(9 * M);
    for (let at = 0; at < disk.length; at += K) disk.fill(`at ${at} `, at, at + K);
    files.files.set('/raw', disk);
    bench.wrap = (device) =>
      overriding(device, {
        write: async (source, offset, options) => {
          for (let turn = 0; turn < 20; turn += 1) await setImmediate();
          await device.write(source, offset, options);
        },
      });
    const layer = await bench.import('/raw');
    expect((await bench.disk(layer.layerId)).equals(disk)).toBe(true);
  });

  it('reports progress that rises to the whole disk', async () => {
    files.files.set('/raw', Buffer.alloc(7 * M, 1));
    const seen: number[] = [];
    await bench.import('/raw', {
      progress: ({ bytesDone, bytesTotal }) => seen.push(bytesDone / bytesTotal),
    });
    expect(seen.toSorted((a, b) => a - b)).toEqual(seen);
    expect(seen.length).toBeGreaterThan(3);
    expect(seen.at(-1)).toBe(1);
  });

  it('takes a sparse 100 GiB image in few steps and bytes', async () => {
    const last = (100 * 2 ** 30) / (64 * K) - 1;
    const clusters = new Map<number, Cluster>([
      [last, { kind: 'data', bytes: Buffer.alloc(64 * K, 7) }],
    ]);
    files.files.set('/q', qcow2Image({ size: 100 * 2 ** 30, clusters }));
    const layer = await bench.import('/q');
    expect(layer).toMatchObject({ size: 100 * 2 ** 30, dataBytes: 64 * K });
    expect(files.bytesRead).toBeLessThan(4 * M);
  });

  it('says why there is no kernel', async () => {
    files.files.set('/raw', Buffer.alloc(M));
    const { bootFiles } = await bench.import('/raw');
    expect(bootFiles).toMatchObject({ kernel: undefined, initrd: undefined, initramfs: 'unknown' });
    expect(bootFiles.reason).toContain('no ext2, ext3 or ext4');
  });

  it('takes kernel and initrd given by hand', async () => {
    files.files.set('/raw', Buffer.alloc(M));
    const kernel = join(bench.layersFolder, 'my-kernel');
    const initrd = join(bench.layersFolder, 'my-initrd');
    await writeFile(kernel, 'kernel');
    await writeFile(initrd, 'initrd');
    const layer = await bench.import('/raw', { kernel, initrd });
    expect(layer.bootFiles).toMatchObject({
      kernel: 'vmlinuz',
      initrd: 'initrd',
      reason: undefined,
    });
    const { boot } = layerFiles(bench.layersFolder, layer.layerId);
    expect(await readFile(join(boot, 'vmlinuz'), 'utf8')).toBe('kernel');
    expect(await readFile(join(boot, 'initrd'), 'utf8')).toBe('initrd');
    const fault = await failure(bench.import('/raw', { kernel: '/no/such/kernel' }));
    expect(fault.code).toBe('NOT_FOUND');
  });
});

describe('an import that fails leaves nothing', () => {
  it('larger than the free space: before anything is written', async () => {
    files.files.set('/raw', Buffer.alloc(8 * M, 1));
    bench.free = 70 * M;
    const fault = await failure(bench.import('/raw'));
    expect(fault.code).toBe('NO_SPACE');
    expect(fault.message).toMatch(new RegExp(`${72 * M} bytes.* ${70 * M} free`));
    expect(await bench.leftOver()).toEqual([]);
    bench.free = 72 * M;
    await bench.import('/raw');
  });

  it('nothing for the free space of a repository that cannot tell it', async () => {
    files.files.set('/raw', Buffer.alloc(8 * M, 1));
    bench.free = undefined;
    await bench.import('/raw');
  });

  it('a disk that becomes full in the middle', async () => {
    files.files.set('/raw', Buffer.alloc(8 * M, 1));
    bench.wrap = (device) =>
      overriding(device, {
        write: (source, offset, options) => {
          if (offset < 5 * M && offset + source.length > 4 * M) {
            throw new BlockError('ENOSPC', 'write', offset, source.length, 'full');
          }
          return device.write(source, offset, options);
        },
      });
    expect((await failure(bench.import('/raw'))).code).toBe('NO_SPACE');
    expect(await bench.leftOver()).toEqual([]);
  });

  it('a flush that fails', async () => {
    files.files.set('/raw', Buffer.alloc(M, 1));
    bench.wrap = (device) =>
      overriding(device, {
        flush: () => {
          throw new BlockError('EIO', 'flush', 0, 0, 'broken');
        },
      });
    expect((await failure(bench.import('/raw'))).code).toBe('UNAVAILABLE');
    expect(await bench.leftOver()).toEqual([]);
  });

  it('an image that is damaged in the middle', async () => {
    const disk = patchwork(8 * M, () => 0.3);
    const image = asQcow2(disk, 16, false);
    files.files.set('/q', image.subarray(0, image.length / 2));
    expect((await failure(bench.import('/q'))).code).toBe('IMAGE_INVALID');
    expect(await bench.leftOver()).toEqual([]);
  });

  it.each([0, 1, 2, 3])('cancelled after %i windows', async (windows) => {
    files.files.set('/raw', Buffer.alloc(9 * M, 1));
    const controller = new AbortController();
    if (windows === 0) controller.abort();
    let seen = 0;
    const fault = await failure(
      bench.import('/raw', {
        signal: controller.signal,
        progress: () => {
          seen += 1;
          if (seen === windows) controller.abort();
        },
      }),
    );
    expect(fault.code).toBe('CANCELLED');
    expect(await bench.leftOver()).toEqual([]);
  });

  it('a missing image, an unknown format, no bytes', async () => {
    files.files.set('/empty', Buffer.alloc(0));
    expect((await failure(bench.import('/none'))).code).toBe('NOT_FOUND');
    expect((await failure(bench.import('/empty', { format: 'floppy' }))).code).toBe(
      'INVALID_INPUT',
    );
    expect((await failure(bench.import('/empty'))).code).toBe('IMAGE_INVALID');
    expect(await bench.leftOver()).toEqual([]);
  });
});

describe('layers', () => {
  it('removes what a dead process left, and keeps what is sealed', async () => {
    files.files.set('/raw', Buffer.alloc(M, 1));
    const kept = await bench.import('/raw');
    // Died after the volume was made, and before it was made.
    const volume = bench.volumes.get(kept.layerId);
    if (volume === undefined) throw new Error('no volume');
    bench.volumes.set('dead-1', volume);
    await mkdir(join(bench.layersFolder, 'dead-1.partial', 'boot'), { recursive: true });
    await mkdir(join(bench.layersFolder, 'dead-2.partial'));
    const { volumes } = bench.dependencies;
    expect((await removeLeftovers(bench.layersFolder, volumes)).toSorted()).toEqual([
      'dead-1',
      'dead-2',
    ]);
    expect(await bench.leftOver()).toEqual([kept.layerId, kept.layerId]);
  });

  it('removes a sealed layer whole', async () => {
    files.files.set('/raw', Buffer.alloc(M, 1));
    const { layerId } = await bench.import('/raw');
    const { volumes } = bench.dependencies;
    await removeLayer(bench.layersFolder, layerId, volumes);
    expect(await bench.leftOver()).toEqual([]);
    expect((await failure(removeLayer(bench.layersFolder, layerId, volumes))).code).toBe(
      'NOT_FOUND',
    );
  });

  it('keeps a half import that cannot be removed for the next start', async () => {
    files.files.set('/raw', Buffer.alloc(M, 1));
    const { volumes, ...rest } = bench.dependencies;
    const broken = {
      ...volumes,
      deleteVolume: async () => {
        throw new Fault('UNAVAILABLE', 'the array sleeps');
      },
    };
    await mkdir(join(rest.layersFolder, 'half.partial'));
    expect((await failure(removeLeftovers(rest.layersFolder, broken))).code).toBe('UNAVAILABLE');
    expect(await removeLeftovers(rest.layersFolder, volumes)).toEqual(['half']);
  });
});

function dataBytes(disk: Buffer): number {
  let bytes = 0;
  for (let at = 0; at < disk.length; at += 64 * K) {
    const chunk = disk.subarray(at, at + 64 * K);
    if (chunk.some((byte) => byte !== 0)) bytes += chunk.length;
  }
  return bytes;
}

function overriding(device: BlockDevice, over: Partial<BlockDevice>): BlockDevice {
  return new Proxy(device, {
    get: (target, name) => {
      if (name in over) return Reflect.get(over, name);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
