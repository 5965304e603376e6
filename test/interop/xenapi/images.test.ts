/** What other people's programs make of our images, and we of theirs. */
import { createWriteStream } from 'node:fs';
import { open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { MemoryDevice, PLAIN } from '../../../src/block/index.ts';
import type { ImageFormat } from '../../../src/xenapi/images/index.ts';
import { describeWith, program } from '../../support/requires.ts';
import { succeed } from '../../support/run-program.ts';
import { SEED, seededRandom } from '../../support/seed.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import {
  BASE_UUID,
  contentOf,
  differencesOf,
  dirty,
  type ExportChoice,
  expectSame,
  exportPieces,
  imported,
  K,
  M,
  memoryOf,
} from '../../unit/xenapi/images/transfers.ts';

const QEMU_NAME = { raw: 'raw', vhd: 'vpc', qcow2: 'qcow2' } as const;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder('xenapi-images');
});
afterAll(() => folder.remove());

const at = (name: string): string => join(folder.path, name);
const qemuImg = (...args: string[]) => succeed('qemu-img', args);

const random = seededRandom();

function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let word = 0; word + 4 <= length; word += 4) {
    bytes.writeUInt32LE(Math.floor(random() * 2 ** 32), word);
  }
  return bytes;
}

/** Stretches of noise and of text, anywhere. */
function painted(size: number, stretches: number): Buffer {
  const disk = Buffer.alloc(size);
  for (let stretch = 0; stretch < stretches; stretch += 1) {
    const start = Math.floor((random() * size) / 512) * 512;
    const length = Math.min(size - start, 512 * (1 + Math.floor(random() * 400)));
    if (random() < 0.5) noise(length).copy(disk, start);
    else disk.fill(`stretch ${stretch} `, start, start + length);
  }
  return disk;
}

/** Empty, random and full ones, of sizes that are no multiple of anything. */
const DISKS: readonly [string, () => Buffer][] = [
  ['empty, 4 MiB', () => Buffer.alloc(4 * M)],
  ['random, 4 MiB', () => painted(4 * M, 20)],
  ['full, 4 MiB', () => noise(4 * M)],
  ['random, 33 MiB and 13 sectors', () => painted(33 * M + 13 * 512, 60)],
  ['one sector', () => noise(512)],
];

async function exportTo(name: string, format: ImageFormat, choice: ExportChoice): Promise<string> {
  await pipeline(Readable.from(exportPieces(format, choice)), createWriteStream(at(name)));
  return at(name);
}

async function importFrom(
  name: string,
  format: ImageFormat,
  device: MemoryDevice,
  spoolBytesMax?: number,
): Promise<void> {
  const { size } = await stat(at(name));
  const file = await open(at(name));
  try {
    await imported(format, file.createReadStream({ autoClose: false }), device, {
      length: size,
      temporaryFolder: folder.path,
      ...(spoolBytesMax === undefined ? {} : { spoolBytesMax }),
    });
  } finally {
    await file.close();
  }
}

describeWith([program('qemu-img', 'qemu-utils')], `images and qemu-img (seed ${SEED})`, () => {
  it.each(DISKS)('reads what we export of a disk: %s', async (_name, make) => {
    const disk = make();
    await writeFile(at('disk.raw'), disk);
    for (const format of ['raw', 'vhd', 'qcow2'] as const) {
      const path = await exportTo(`disk.${format}`, format, { disk: memoryOf(disk) });
      const qemu = QEMU_NAME[format];
      await qemuImg('compare', '-f', qemu, '-F', 'raw', path, at('disk.raw'));
      if (format === 'qcow2') await qemuImg('check', '-f', qemu, path);
      const info = JSON.parse((await qemuImg('info', '-f', qemu, '--output=json', path)).stdout);
      expect(info['virtual-size']).toBe(disk.length);
      await qemuImg('convert', '-f', qemu, '-O', 'raw', path, at('back.raw'));
      expectSame(await readFile(at('back.raw')), disk);
    }
  });

  it('reads a sparse disk of more than 2 GiB, which stays small', async () => {
    const disk = new MemoryDevice({ size: 2048 * M + 8 * M + 512 });
    for (const place of [0, 5 * M + 77 * K, 1024 * M, disk.geometry.size - 4096]) {
      disk.write(noise(4096), place, PLAIN);
    }
    const raw = await exportTo('sparse.raw', 'raw', { disk });
    for (const format of ['vhd', 'qcow2'] as const) {
      const path = await exportTo(`sparse.${format}`, format, { disk });
      expect((await stat(path)).size).toBeLessThan(12 * M);
      await qemuImg('compare', '-f', QEMU_NAME[format], '-F', 'raw', path, raw);
      const target = new MemoryDevice({ size: disk.geometry.size });
      await importFrom(`sparse.${format}`, format, target);
      expect(target.allocatedBytes).toBe(disk.allocatedBytes);
    }
    await rm(raw);
  });

  it('takes a qcow2 relative to a base for an overlay of it', async () => {
    for (const isTold of [false, true]) {
      const base = painted(33 * M + 512, 40);
      const disk = Buffer.concat([base, painted(3 * M, 2)]);
      noise(100_000).copy(disk, 7 * M + 512);
      disk.fill(0, 20 * M, 21 * M);
      await writeFile(at('base.raw'), base);
      await writeFile(at('disk.raw'), disk);
      const path = await exportTo('delta.qcow2', 'qcow2', {
        disk: memoryOf(disk),
        base: memoryOf(base),
        ...(isTold ? { differs: differencesOf(base, disk) } : {}),
      });
      await qemuImg('check', '-f', 'qcow2', path);
      await qemuImg('rebase', '-u', '-f', 'qcow2', '-b', at('base.raw'), '-F', 'raw', path);
      await qemuImg('compare', '-f', 'qcow2', '-F', 'raw', path, at('disk.raw'));
    }
  });

  const MADE: readonly [string, ImageFormat, string[]][] = [
    ['dynamic VHD', 'vhd', ['-O', 'vpc', '-o', 'subformat=dynamic']],
    [
      'dynamic VHD, size to the byte',
      'vhd',
      ['-O', 'vpc', '-o', 'subformat=dynamic,force_size=on'],
    ],
    ['fixed VHD', 'vhd', ['-O', 'vpc', '-o', 'subformat=fixed']],
    ['fixed VHD, size to the byte', 'vhd', ['-O', 'vpc', '-o', 'subformat=fixed,force_size=on']],
    ['qcow2', 'qcow2', ['-O', 'qcow2']],
    ['qcow2, version 2', 'qcow2', ['-O', 'qcow2', '-o', 'compat=0.10']],
    ['qcow2, zlib', 'qcow2', ['-c', '-O', 'qcow2']],
    ['qcow2, zstd', 'qcow2', ['-c', '-O', 'qcow2', '-o', 'compression_type=zstd']],
    ['qcow2, clusters of 4 KiB', 'qcow2', ['-O', 'qcow2', '-o', 'cluster_size=4k']],
    ['qcow2, clusters of 2 MiB', 'qcow2', ['-O', 'qcow2', '-o', 'cluster_size=2M']],
    ['qcow2, subclusters', 'qcow2', ['-O', 'qcow2', '-o', 'extended_l2=on,cluster_size=128k']],
    ['qcow2, all allocated', 'qcow2', ['-O', 'qcow2', '-o', 'preallocation=full']],
  ];

  it.each(MADE)('makes images that we import: %s', async (_name, format, options) => {
    for (const [name, make] of DISKS) {
      const disk = make();
      await writeFile(at('disk.raw'), disk);
      await qemuImg('convert', '-f', 'raw', ...options, at('disk.raw'), at('made'));
      // A qcow2 leaves alone what it has no cluster for.
      const target =
        format === 'vhd' ? dirty(disk.length) : new MemoryDevice({ size: disk.length });
      await importFrom('made', format, target);
      expectSame(contentOf(target), disk);
      expect(name).toBeDefined();
    }
  });

  it('a qcow2 whose tables lie between its data is kept up to a limit, and no further', async () => {
    const disk = new MemoryDevice({ size: 700 * M });
    for (let place = 0; place < 700 * M; place += 50 * M) disk.write(noise(64 * K), place, PLAIN);
    const raw = await exportTo('disk.raw', 'raw', { disk });
    await qemuImg('convert', '-f', 'raw', '-O', 'qcow2', raw, at('made'));
    const target = new MemoryDevice({ size: 700 * M });
    await importFrom('made', 'qcow2', target);
    expect(target.allocatedBytes).toBe(disk.allocatedBytes);
    for (let place = 0; place < 700 * M; place += 50 * M) {
      const [wanted, found] = [Buffer.alloc(64 * K), Buffer.alloc(64 * K)];
      disk.read(wanted, place);
      target.read(found, place);
      expectSame(found, wanted);
    }
    const refused = importFrom('made', 'qcow2', new MemoryDevice({ size: 700 * M }), 500 * K);
    await expect(refused).rejects.toMatchObject({ code: 'IMAGE_UNSUPPORTED' });
    await rm(raw);
  });
});

/** libvhdi, by a script: the disk that a child and its parent make. */
const READ_CHAIN = `
import sys, pyvhdi
child = pyvhdi.file(); child.open(sys.argv[1])
if len(sys.argv) > 3:
    parent = pyvhdi.file(); parent.open(sys.argv[2])
    assert child.get_parent_identifier() == parent.get_identifier()
    child.set_parent(parent)
with open(sys.argv[-1], 'wb') as out:
    left = child.get_media_size()
    while left > 0:
        piece = child.read_buffer(min(left, 1 << 20))
        out.write(piece)
        left -= len(piece)
`;

describeWith([program('vhdiinfo', 'libvhdi-utils')], 'images and libvhdi', () => {
  it('reads a differencing VHD above the VHD of its base', async () => {
    const base = painted(33 * M + 512, 40);
    const disk = Buffer.from(base);
    noise(100_000).copy(disk, 7 * M + 512);
    disk.fill(0, 20 * M, 21 * M);
    await writeFile(at('read-chain.py'), READ_CHAIN);
    const whole = await exportTo('base.vhd', 'vhd', { disk: memoryOf(base), uuid: BASE_UUID });
    await succeed('/usr/bin/python3', [at('read-chain.py'), whole, at('back.raw')]);
    expectSame(await readFile(at('back.raw')), base);
    const delta = await exportTo('delta.vhd', 'vhd', {
      disk: memoryOf(disk),
      base: memoryOf(base),
    });
    expect((await stat(delta)).size).toBeLessThan(10 * M);
    await succeed('/usr/bin/python3', [at('read-chain.py'), delta, whole, at('back.raw')]);
    expectSame(await readFile(at('back.raw')), disk);
  });
});

describeWith([program('tar', 'tar'), program('xxhsum', 'xxhash')], 'images, tar and xxhsum', () => {
  it('unpacks blocks that have the hashes that lie beside them', async () => {
    const disk = painted(5 * M + 512, 4);
    const path = await exportTo('disk.tar', 'tar', { disk: memoryOf(disk) });
    await succeed('tar', ['-xf', path, '-C', folder.path]);
    const back = Buffer.alloc(disk.length);
    const { stdout } = await succeed('ls', [at('vdi')]);
    for (const name of stdout.split('\n').filter((line) => /^\d+$/.test(line))) {
      const block = await readFile(at(`vdi/${name}`));
      block.copy(back, Number(name) * M);
      const said = await readFile(at(`vdi/${name}.xxhash`), 'latin1');
      const is = (await succeed('xxhsum', ['-H1', at(`vdi/${name}`)])).stdout.slice(0, 16);
      expect(said).toBe(is.toUpperCase());
    }
    expectSame(back, disk);
  });

  it('packs a disk that we import', async () => {
    const disk = painted(3 * M + 512, 4);
    await succeed('rm', ['-rf', at('vdi')]);
    await succeed('mkdir', [at('vdi')]);
    const names: string[] = [];
    for (let number = 0; number * M < disk.length; number += 1) {
      const name = `vdi/${String(number).padStart(8, '0')}`;
      await writeFile(at(name), disk.subarray(number * M, number * M + M));
      const sum = (await succeed('sha1sum', [at(name)])).stdout.slice(0, 40);
      await writeFile(at(`${name}.checksum`), sum);
      names.push(name, `${name}.checksum`);
    }
    for (const format of ['ustar', 'gnu']) {
      const options = [`--format=${format}`, '-C', folder.path, '-cf', at('made.tar')];
      await succeed('tar', [...options, ...names]);
      const target = dirty(disk.length);
      await importFrom('made.tar', 'tar', target);
      expectSame(contentOf(target), disk);
    }
  });
});
