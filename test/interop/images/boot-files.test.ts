/** Kernel and initrd out of file systems that mke2fs made, in tables that sfdisk made. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { layerFiles } from '../../../src/vdisk/index.ts';
import { describeWith, program } from '../../support/requires.ts';
import { SEED, seededRandom } from '../../support/seed.ts';
import { ImageBench, tool } from './qemu-images.ts';

const M = 1024 * 1024;
const UUID = '0d9a0a9c-1f5e-4a3e-8f0c-c0ffee000001';

let bench: ImageBench;
const kernel = randomBytes(3 * M + 123);
const initrd = randomBytes(9 * M + 321);

async function writeTree(name: string): Promise<string> {
  const tree = bench.path(name);
  for (const folder of ['boot', 'etc', 'usr/sbin', 'usr/lib']) {
    await mkdir(join(tree, folder), { recursive: true });
  }
  await symlink('usr/sbin', join(tree, 'sbin'));
  await symlink('../usr/lib/os-release', join(tree, 'etc/os-release'));
  await writeFile(join(tree, 'usr/lib/os-release'), 'ID=debian\n');
  await writeFile(join(tree, 'usr/sbin/mkinitramfs'), '#!/bin/sh\n');
  await writeFile(join(tree, 'boot/vmlinuz-6.1.0-9-amd64'), 'old kernel');
  await writeFile(join(tree, 'boot/initrd.img-6.1.0-9-amd64'), 'old initrd');
  await writeFile(join(tree, 'boot/vmlinuz-6.1.0-18-amd64'), kernel);
  await writeFile(join(tree, 'boot/initrd.img-6.1.0-18-amd64'), initrd);
  await symlink('boot/vmlinuz-6.1.0-18-amd64', join(tree, 'vmlinuz'));
  return tree;
}

async function makeExt(
  name: string,
  tree: string,
  type: string,
  ...options: string[]
): Promise<void> {
  await tool(
    'mke2fs',
    '-q',
    '-F',
    '-t',
    type,
    '-U',
    UUID,
    '-d',
    tree,
    ...options,
    bench.path(name),
    '48M',
  );
}

/** A disk with a table after `script` (sfdisk) and files written at byte offsets. */
async function makeDisk(
  name: string,
  script: string,
  parts: readonly [string, number][],
): Promise<void> {
  await tool('truncate', '-s', '128M', bench.path(name));
  await writeFile(bench.path('script'), script);
  await tool('sh', '-c', `sfdisk -q '${bench.path(name)}' < '${bench.path('script')}'`);
  for (const [part, offset] of parts) {
    await tool(
      'dd',
      `if=${bench.path(part)}`,
      `of=${bench.path(name)}`,
      'bs=1M',
      `seek=${offset / M}`,
      'conv=notrunc,sparse',
      'status=none',
    );
  }
}

async function expectBootFiles(
  name: string,
  rootPartition: string,
  rootFilesystem = 'ext4',
): Promise<void> {
  const layer = await bench.import(name);
  expect(layer.bootFiles).toEqual({
    kernel: 'vmlinuz',
    initrd: 'initrd',
    kernelVersion: '6.1.0-18-amd64',
    rootPartition,
    rootFilesystem,
    rootUuid: UUID,
    initramfs: 'initramfs-tools',
    reason: undefined,
  });
  const { boot } = layerFiles(bench.layers, layer.layerId);
  expect((await readFile(join(boot, 'vmlinuz'))).equals(kernel)).toBe(true);
  expect((await readFile(join(boot, 'initrd'))).equals(initrd)).toBe(true);
}

const NEEDS = [
  program('mke2fs', 'e2fsprogs'),
  program('sfdisk', 'fdisk'),
  program('qemu-img', 'qemu-utils'),
];

describeWith(NEEDS, `boot files of real file systems (seed ${SEED})`, () => {
  let tree = '';
  beforeAll(async () => {
    bench = await ImageBench.create();
    tree = await writeTree('tree');
    await makeExt('ext4.img', tree, 'ext4');
  });
  afterAll(() => bench.close());

  it.each([
    ['ext4', []],
    ['ext4', ['-O', 'orphan_file,metadata_csum,metadata_csum_seed,64bit']],
    ['ext4', ['-b', '1024', '-O', 'inline_data']],
    ['ext3', []],
    ['ext2', ['-b', '1024']],
  ])('%s %j on the whole disk', async (type, options) => {
    await makeExt('bare.img', tree, type, ...options);
    await expectBootFiles('bare.img', '', type);
  });

  it('second partition of a GPT', async () => {
    await makeDisk('gpt.raw', 'label: gpt\nstart=2048,size=8M\nstart=20480,size=48M\n', [
      ['ext4.img', 10 * M],
    ]);
    await expectBootFiles('gpt.raw', 'p2');
    await tool(
      'qemu-img',
      'convert',
      '-c',
      '-O',
      'qcow2',
      bench.path('gpt.raw'),
      bench.path('gpt.qcow2'),
    );
    await expectBootFiles('gpt.qcow2', 'p2');
  });

  it('logical partition of an MBR', async () => {
    const script =
      'label: dos\nstart=2048,size=8M,type=83\nstart=20480,type=5\nstart=40960,size=48M,type=83\n';
    await makeDisk('mbr.raw', script, [['ext4.img', 20 * M]]);
    await expectBootFiles('mbr.raw', 'p5');
  });

  it('a /boot of its own', async () => {
    const split = await writeTree('split');
    await rename(join(split, 'boot'), bench.path('boot-tree'));
    await mkdir(join(split, 'boot'));
    await makeExt('root.img', split, 'ext4');
    await tool(
      'mke2fs',
      '-q',
      '-F',
      '-t',
      'ext2',
      '-d',
      bench.path('boot-tree'),
      bench.path('boot.img'),
      '32M',
    );
    const script = 'label: gpt\nstart=2048,size=32M\nstart=81920,size=48M\n';
    await makeDisk('split.raw', script, [
      ['boot.img', M],
      ['root.img', 40 * M],
    ]);
    await expectBootFiles('split.raw', 'p2');
  });

  it('a file system that is damaged anywhere: imported, with a reason, in bounded time', async () => {
    const random = seededRandom();
    for (let round = 0; round < 8; round += 1) {
      await tool('cp', '--sparse=always', bench.path('ext4.img'), bench.path('bad.img'));
      const file = await open(bench.path('bad.img'), 'r+');
      for (let hit = 0; hit < 200; hit += 1) {
        // The group descriptors, inode tables and folders; not the superblock's signature.
        const at = 4096 + Math.floor(random() ** 2 * 6 * M);
        await file.write(Buffer.from([Math.floor(random() * 256)]), 0, 1, at);
      }
      await file.close();
      const { bootFiles } = await bench.import('bad.img');
      expect(bootFiles.kernel === undefined).toBe(bootFiles.reason !== undefined);
    }
  });
});
