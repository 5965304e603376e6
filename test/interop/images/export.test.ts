/** What we export, judged by qemu-img: its check, its comparison with the disk, and its size. */
import { createHash } from 'node:crypto';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  type ExportOptions,
  type ExportSource,
  exportFile,
  exportStream,
} from '../../../src/vdisk/index.ts';
import { filledMemory } from '../../support/content.ts';
import { describeWith, program, root } from '../../support/requires.ts';
import { SEED, seededRandom } from '../../support/seed.ts';
import { ImageBench, tool } from './qemu-images.ts';

const K = 1024;
const M = 1024 * K;
const CHUNK = 64 * K;

let bench: ImageBench;

function sourceOf(disk: Buffer): ExportSource {
  const presentChunks = Buffer.alloc(Math.ceil(disk.length / CHUNK / 8));
  for (let at = 0; at < disk.length; at += CHUNK) {
    if (disk.subarray(at, at + CHUNK).every((byte) => byte === 0)) continue;
    const chunk = at / CHUNK;
    presentChunks[chunk >> 3] = (presentChunks[chunk >> 3] ?? 0) | (1 << (chunk & 7));
  }
  const contentId = createHash('sha256').update(disk).digest('hex');
  return { size: disk.length, device: filledMemory(disk), presentChunks, contentId };
}

/** Data that compresses, data that does not, and zeroes, in stretches of all lengths. */
function anyDisk(size: number, random: () => number): Buffer {
  const disk = Buffer.alloc(size);
  for (let at = 0; at < size; ) {
    const end = Math.min(at + Math.ceil(random() ** 4 * 6 * M), size);
    const kind = random();
    if (kind < 0.35) disk.fill(`offset ${at} `, at, end);
    else if (kind < 0.6) {
      for (let word = at; word + 4 <= end; word += 4)
        disk.writeInt32LE((random() * 2 ** 32) | 0, word);
    }
    at = end;
  }
  return disk;
}

const quiet = () => ({ signal: new AbortController().signal, progress: () => undefined });

type Chosen = Pick<ExportOptions, 'format' | 'compress'>;

/** Both ways to export, under these names. */
async function exportBoth(source: ExportSource, chosen: Chosen): Promise<readonly string[]> {
  const file = bench.path('exported-file');
  await exportFile(source, file, { ...chosen, ...quiet(), overwrite: true });
  const pieces: Buffer[] = [];
  const stream = await exportStream(source, { ...chosen, ...quiet() });
  for await (const piece of stream) pieces.push(piece);
  const streamed = bench.path('exported-stream');
  await writeFile(streamed, Buffer.concat(pieces));
  expect((await stat(streamed)).size).toBe(stream.length);
  return [file, streamed];
}

interface QemuInfo {
  readonly 'virtual-size': number;
  readonly format: string;
  readonly 'format-specific'?: { readonly data: { readonly 'compression-type'?: string } };
}

async function info(path: string): Promise<QemuInfo> {
  return JSON.parse(await tool('qemu-img', 'info', '--output=json', path)) as QemuInfo;
}

/** Byte for byte; the strict mode (-s) would compare where the holes are as well. */
async function expectIdentical(path: string, format: string, raw: string): Promise<void> {
  const said = await tool('qemu-img', 'compare', '-f', format, '-F', 'raw', path, raw);
  expect(said).toContain('Images are identical');
}

const FORMATS: readonly [string, Chosen, string][] = [
  ['raw', { format: 'raw' }, 'raw'],
  ['qcow2', { format: 'qcow2', compress: false }, 'qcow2'],
  ['qcow2, zstd', { format: 'qcow2', compress: true }, 'qcow2'],
  ['VHD', { format: 'vhd' }, 'vpc'],
];

/** In sectors: smaller than a chunk, odd, across chunks and blocks, whole. */
const SIZES = [1, 127, 129, 4095, 4097, (24 * M) / 512, (24 * M) / 512 + 777];

describeWith([program('qemu-img', 'qemu-utils')], `exported images (seed ${SEED})`, () => {
  beforeAll(async () => {
    bench = await ImageBench.create();
  });
  afterAll(() => bench.close());

  it.each(FORMATS)('%s: of any size is the disk, to qemu-img', async (_name, chosen, format) => {
    const random = seededRandom();
    for (const sectors of SIZES) {
      const disk = anyDisk(sectors * 512, random);
      await writeFile(bench.path('disk.raw'), disk);
      for (const path of await exportBoth(sourceOf(disk), chosen)) {
        const found = await info(path);
        if (format !== 'raw') expect(found.format).toBe(format);
        expect(found['virtual-size']).toBe(disk.length);
        await expectIdentical(path, format, bench.path('disk.raw'));
      }
    }
  });

  it.each([false, true])(
    'qcow2 (compress: %s): qemu-img check has nothing to say',
    async (compress) => {
      const random = seededRandom(SEED + 1);
      for (let round = 0; round < 6; round += 1) {
        const disk = anyDisk(Math.ceil(random() * 40_000) * 512, random);
        const source = sourceOf(disk);
        // A map that calls everything present leaves free clusters, which are no leaks.
        const all = Buffer.alloc(source.presentChunks.length, 0xff);
        const presentChunks = round % 2 === 0 ? source.presentChunks : all;
        for (const path of await exportBoth(
          { ...source, presentChunks },
          { format: 'qcow2', compress },
        )) {
          const said = await tool('qemu-img', 'check', '-f', 'qcow2', '--output=json', path);
          expect(JSON.parse(said)).not.toHaveProperty('leaks');
          expect(JSON.parse(said)).not.toHaveProperty('corruptions');
          expect(JSON.parse(said)).toMatchObject({ 'check-errors': 0 });
          const type = (await info(path))['format-specific']?.data['compression-type'];
          expect(type).toBe(compress ? 'zstd' : 'zlib');
        }
      }
    },
  );

  it('qcow2: what was exported can be written to, and is still right', async () => {
    const disk = anyDisk(20 * M, seededRandom(SEED + 2));
    const [file = ''] = await exportBoth(sourceOf(disk), { format: 'qcow2' });
    await tool(
      'qemu-io',
      '-f',
      'qcow2',
      '-c',
      'write -P 7 1M 3M',
      '-c',
      'write -P 9 100 1000',
      file,
    );
    disk.fill(7, M, 4 * M);
    disk.fill(9, 100, 1100);
    await writeFile(bench.path('disk.raw'), disk);
    await tool('qemu-img', 'check', '-f', 'qcow2', file);
    await expectIdentical(file, 'qcow2', bench.path('disk.raw'));
  });

  it('VHD: of a size that no geometry has, over 127 GiB and up to the largest', async () => {
    for (const size of [137 * 1024 * M + 512, 2040 * 1024 * M]) {
      const presentChunks = Buffer.alloc(size / CHUNK / 8 + 1);
      presentChunks[0] = 1;
      const content = Buffer.alloc(CHUNK, 'first');
      const device = filledMemory(content);
      const geometry = { ...device.geometry, size };
      const source: ExportSource = {
        size,
        // Reads of the first chunk only: the map has no other.
        device: {
          geometry,
          capabilities: device.capabilities,
          read: (target, offset) => device.read(target, offset),
          lend: () => undefined,
          cache: () => undefined,
          extents: () => [],
          close: () => device.close(),
        },
        presentChunks,
        contentId: 'ab'.repeat(32),
      };
      const path = bench.path('large.vhd');
      await exportFile(source, path, { format: 'vhd', ...quiet(), overwrite: true });
      expect(await info(path)).toMatchObject({ format: 'vpc', 'virtual-size': size });
      const read = bench.path('large.raw');
      await tool('qemu-img', 'dd', '-f', 'vpc', `if=${path}`, `of=${read}`, 'bs=64k', 'count=2');
      const expected = Buffer.concat([content, Buffer.alloc(CHUNK)]);
      expect((await readFile(read)).equals(expected)).toBe(true);
      await rm(read);
    }
  });

  it('is imported again: the same content', async () => {
    const disk = anyDisk(11 * M + 512, seededRandom(SEED + 3));
    await writeFile(bench.path('disk.raw'), disk);
    const { contentId } = await bench.import('disk.raw', { format: 'raw' });
    for (const [, chosen] of FORMATS) {
      await exportBoth(sourceOf(disk), chosen);
      for (const name of ['exported-file', 'exported-stream']) {
        const again = await bench.import(name, { format: chosen.format });
        expect(again.contentId).toBe(contentId);
      }
    }
  });
});

describeWith([program('mount', 'mount'), root()], 'a folder that is nearly full', () => {
  let small: ImageBench;
  beforeAll(async () => {
    small = await ImageBench.create();
    await tool('mkdir', small.path('full'));
    await tool('mount', '-t', 'tmpfs', '-o', 'size=40m', 'rootcast-export', small.path('full'));
  });
  afterAll(async () => {
    await tool('umount', small.path('full'));
    await small.close();
  });

  it('refuses what does not fit, at once where that is known, and keeps nothing', async () => {
    const disk = Buffer.alloc(60 * M);
    const random = seededRandom();
    for (let at = 0; at < disk.length; at += 4) disk.writeInt32LE((random() * 2 ** 32) | 0, at);
    for (const [, chosen] of FORMATS) {
      let looked = 0;
      const made = exportFile(sourceOf(disk), small.path('full/disk'), {
        ...chosen,
        signal: new AbortController().signal,
        progress: () => {
          looked += 1;
        },
      });
      await expect(made).rejects.toMatchObject({ code: 'NO_SPACE' });
      // What compresses is not known before.
      expect(looked > 0).toBe(chosen.compress === true);
      expect(await readdir(small.path('full'))).toEqual([]);
    }
  });
});
