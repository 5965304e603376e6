/** Images that qemu-img wrote, compared byte for byte with what qemu-img reads from them. */
import { open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { layerFiles } from '../../../src/vdisk/index.ts';
import { describeWith, program, root } from '../../support/requires.ts';
import { SEED, seededRandom } from '../../support/seed.ts';
import { ImageBench, tool } from './qemu-images.ts';

const M = 1024 * 1024;
const DISK_BYTES = 24 * M;

let bench: ImageBench;

/** Data that compresses and data that does not, in stretches of all lengths. */
async function writeDisk(): Promise<void> {
  const random = seededRandom();
  const disk = Buffer.alloc(DISK_BYTES);
  for (let at = 0; at < disk.length; ) {
    const end = Math.min(at + Math.ceil(random() ** 4 * 2 * M), disk.length);
    const kind = random();
    if (kind < 0.3) disk.fill(`offset ${at} `, at, end);
    else if (kind < 0.5) {
      for (let word = at; word + 4 <= end; word += 4)
        disk.writeInt32LE((random() * 2 ** 32) | 0, word);
    }
    at = end;
  }
  await writeFile(bench.path('base.raw'), disk);
}

/** Imports `name` and compares the volume with the oracle's reading of the same file. */
async function check(name: string, qemuFormat: string, format?: string): Promise<string> {
  const layer = await bench.import(name, format === undefined ? {} : { format });
  const volume = await bench.volumePath(layer.layerId);
  const compare = await tool(
    'qemu-img',
    'compare',
    '-f',
    'raw',
    '-F',
    qemuFormat,
    volume,
    bench.path(name),
  );
  expect(compare).toContain('Images are identical');
  const { blocks } = await stat(volume);
  expect(blocks * 512).toBeLessThanOrEqual(layer.dataBytes + 64 * 1024);
  return layer.contentId;
}

const qcow2 = (...options: string[]) => [
  '-O',
  'qcow2',
  ...(options.length > 0 ? ['-o', options.join(',')] : []),
];

describeWith(
  [program('qemu-img', 'qemu-utils'), program('qemu-io', 'qemu-utils')],
  `images of qemu-img (seed ${SEED})`,
  () => {
    let contentId = '';

    beforeAll(async () => {
      bench = await ImageBench.create();
      await writeDisk();
      contentId = await check('base.raw', 'raw');
    });
    afterAll(() => bench.close());

    it.each([
      ['0.10', qcow2('compat=0.10')],
      ['1.1', qcow2('compat=1.1')],
      ['lazy refcounts', qcow2('lazy_refcounts=on')],
      ['zlib', ['-c', ...qcow2()]],
      ['zlib 0.10', ['-c', ...qcow2('compat=0.10')]],
      ['zstd', ['-c', ...qcow2('compression_type=zstd')]],
      ['zstd, clusters of 512', ['-c', ...qcow2('compression_type=zstd', 'cluster_size=512')]],
      ['zlib, clusters of 2M', ['-c', ...qcow2('cluster_size=2M')]],
      ['clusters of 512', qcow2('cluster_size=512')],
      ['clusters of 2M', qcow2('cluster_size=2M')],
      ['extended L2', qcow2('extended_l2=on')],
      ['extended L2, zstd', ['-c', ...qcow2('extended_l2=on', 'compression_type=zstd')]],
      ['preallocated', qcow2('preallocation=falloc')],
      ['metadata preallocated', qcow2('preallocation=metadata')],
    ])('qcow2: %s', async (_name, args) => {
      await tool(
        'qemu-img',
        'convert',
        '-f',
        'raw',
        ...args,
        bench.path('base.raw'),
        bench.path('a.qcow2'),
      );
      expect(await check('a.qcow2', 'qcow2')).toBe(contentId);
    });

    it('qcow2 with an external data file', async () => {
      for (const raw of ['off', 'on']) {
        const options = `data_file=${bench.path('data.raw')},data_file_raw=${raw}`;
        await tool(
          'qemu-img',
          'convert',
          '-f',
          'raw',
          ...qcow2(options),
          bench.path('base.raw'),
          bench.path('d.qcow2'),
        );
        expect(await check('d.qcow2', 'qcow2')).toBe(contentId);
        await rm(bench.path('data.raw'));
      }
    });

    it('a chain of qcow2 over qcow2 over raw, grown, with zeroes and discards', async () => {
      const create = (name: string, backing: string, format: string, ...rest: string[]) =>
        tool(
          'qemu-img',
          'create',
          '-q',
          '-f',
          'qcow2',
          '-b',
          backing,
          '-F',
          format,
          ...rest.slice(1),
          bench.path(name),
          ...rest.slice(0, 1),
        );
      await create('middle.qcow2', 'base.raw', 'raw', '24M', '-o', 'extended_l2=on');
      await tool(
        'qemu-io',
        '-c',
        'write -P 7 3M 5000',
        '-c',
        'write -z 6M 4k',
        '-c',
        'write -z 9M 3M',
        '-c',
        'discard 12M 1M',
        bench.path('middle.qcow2'),
      );
      await create('top.qcow2', 'middle.qcow2', 'qcow2', '40M');
      await tool(
        'qemu-io',
        '-c',
        'write -P 9 30M 64k',
        '-c',
        'write -P 1 512 512',
        '-c',
        'write -z 20M 100k',
        bench.path('top.qcow2'),
      );
      await check('top.qcow2', 'qcow2');
      await rm(bench.path('middle.qcow2'));
      await expect(bench.import('top.qcow2')).rejects.toMatchObject({
        code: 'BACKING_FILE_MISSING',
      });
    });

    it.each([
      ['dynamic', 'subformat=dynamic'],
      ['dynamic, exact size', 'subformat=dynamic,force_size=on'],
      ['fixed', 'subformat=fixed'],
      ['fixed, exact size', 'subformat=fixed,force_size=on'],
    ])('VHD: %s', async (_name, options) => {
      await tool(
        'qemu-img',
        'convert',
        '-f',
        'raw',
        '-O',
        'vpc',
        '-o',
        options,
        bench.path('base.raw'),
        bench.path('a.vhd'),
      );
      const id = await check('a.vhd', 'vpc');
      expect(id === contentId).toBe(options.includes('force_size'));
    });

    it.each([
      ['vmdk', 'vmdk', 'subformat=monolithicSparse'],
      ['vmdk', 'vmdk', 'subformat=streamOptimized'],
      ['vmdk', 'vmdk', 'subformat=monolithicFlat'],
      ['vhdx', 'vhdx', 'subformat=dynamic'],
      ['vdi', 'vdi', 'static=off'],
    ])('%s through qemu-img: %s, %s', async (extension, format, options) => {
      const name = `a.${extension}`;
      await tool(
        'qemu-img',
        'convert',
        '-f',
        'raw',
        '-O',
        format,
        '-o',
        options,
        bench.path('base.raw'),
        bench.path(name),
      );
      expect(await check(name, format)).toBe(contentId);
      const whole = await readFile(bench.path(name));
      if (whole.length < 10_000) return; // a text that names the file with the data
      for (const length of [3000, Math.floor(whole.length / 2), whole.length - M]) {
        await writeFile(bench.path(name), whole.subarray(0, length));
        await expect(bench.import(name, { format }), `${length} bytes`).rejects.toMatchObject({
          code: 'IMAGE_INVALID',
        });
      }
    });

    it('a sparse raw disk of 100 GiB: only its data is read', async () => {
      const file = await open(bench.path('sparse.raw'), 'w');
      await file.truncate(100 * 1024 * M);
      await file.write(Buffer.alloc(1000, 'x'), 0, 1000, 77 * 1024 * M + 5);
      await file.close();
      const layer = await bench.import('sparse.raw');
      expect(layer).toMatchObject({ size: 100 * 1024 * M, dataBytes: 64 * 1024, format: 'raw' });
      expect((await stat(await bench.volumePath(layer.layerId))).blocks * 512).toBeLessThan(M);
      expect((await stat(layerFiles(bench.layers, layer.layerId).manifest)).size).toBeLessThan(M);
    });

    it('takes little memory for a large disk', async () => {
      const file = await open(bench.path('large.raw'), 'w');
      for (let at = 0; at < 512; at += 1) await file.write(Buffer.alloc(M, at + 1), 0, M, at * M);
      await file.close();
      let most = 0;
      const onProgress = () => {
        most = Math.max(most, process.memoryUsage().arrayBuffers);
      };
      await bench.import('large.raw', { onProgress });
      expect(most).toBeGreaterThan(M);
      expect(most).toBeLessThan(128 * M);
      await rm(bench.path('large.raw'));
    });

    it('leaves no file and no volume when it fails', async () => {
      const before = [...(await readdir(bench.repository)), ...(await readdir(bench.layers))];
      await tool(
        'qemu-img',
        'convert',
        '-f',
        'raw',
        '-O',
        'vhdx',
        bench.path('base.raw'),
        bench.path('b.vhdx'),
      );
      const controller = new AbortController();
      const options = { signal: controller.signal, onProgress: () => controller.abort() };
      for (const name of ['b.vhdx', 'base.raw']) {
        await expect(bench.import(name, options)).rejects.toMatchObject({ code: 'CANCELLED' });
      }
      expect([...(await readdir(bench.repository)), ...(await readdir(bench.layers))]).toEqual(
        before,
      );
    });
  },
);

describeWith([program('mount', 'mount'), root()], 'a repository that is nearly full', () => {
  let small: ImageBench;
  beforeAll(async () => {
    small = await ImageBench.create();
    await tool('mkdir', small.path('full'));
    await tool('mount', '-t', 'tmpfs', '-o', 'size=100m', 'rootcast-h4', small.path('full'));
    const file = await open(small.path('disk.raw'), 'w');
    for (let at = 0; at < 60; at += 1) await file.write(Buffer.alloc(M, at + 1), 0, M, at * M);
    await file.close();
  });
  afterAll(async () => {
    await tool('umount', small.path('full'));
    await small.close();
  });

  it('refuses what does not fit, with both figures, and leaves nothing', async () => {
    const fault = await small.import('disk.raw', { repository: small.path('full') }).then(
      () => undefined,
      (error: Error) => error,
    );
    expect(fault).toMatchObject({ code: 'NO_SPACE' });
    expect(fault?.message).toMatch(/needs up to \d+ bytes .* has \d+ free/);
    expect(await readdir(small.path('full'))).toEqual([]);
    expect(await readdir(small.layers)).toEqual([]);
  });
});
