/** A machine installs another kernel; its overlay is sealed, and the chain merged. On real file systems. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LocalVolumeControl, LocalVolumeData } from '../../../src/adapters/local/index.ts';
import { PLAIN } from '../../../src/block/index.ts';
import { layerFiles } from '../../../src/vdisk/index.ts';
import { type BenchVersion, expectSame, LayerBench } from '../../support/layer-bench.ts';
import { describeWith, program } from '../../support/requires.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { tool } from './qemu-images.ts';

const BLOCK = 4096;
const UUID = '0d9a0a9c-1f5e-4a3e-8f0c-c0ffee000002';

describeWith([program('mke2fs', 'e2fsprogs')], 'a disk on which a kernel is installed', () => {
  let bench: LayerBench;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  beforeAll(async () => {
    folder = await temporaryFolder('seal');
    bench = await LayerBench.create(async (path) => ({
      control: await LocalVolumeControl.attach(join(path, 'volumes')),
      data: new LocalVolumeData({ log: { warn: () => undefined } }),
    }));
  });
  afterAll(async () => {
    await bench.close();
    await folder.remove();
  });

  /** A root file system with these kernels. */
  async function disk(name: string, versions: readonly string[]): Promise<Buffer> {
    const tree = join(folder.path, name);
    for (const part of ['boot', 'etc', 'sbin']) await mkdir(join(tree, part), { recursive: true });
    await writeFile(join(tree, 'etc/os-release'), 'ID=debian\n');
    await writeFile(join(tree, 'sbin/mkinitramfs'), '#!/bin/sh\n');
    for (const version of versions) {
      await writeFile(join(tree, `boot/vmlinuz-${version}`), `kernel ${version}`);
      await writeFile(join(tree, `boot/initrd.img-${version}`), `initrd ${version}`);
    }
    const image = join(folder.path, `${name}.img`);
    await tool('mke2fs', '-q', '-F', '-t', 'ext4', '-U', UUID, '-d', tree, image, '32M');
    return readFile(image);
  }

  async function bootFilesOf({ chain }: BenchVersion): Promise<readonly string[]> {
    const { boot } = layerFiles(bench.layersFolder, chain.at(-1)?.layerId ?? '');
    const names = ['vmlinuz', 'initrd'];
    return Promise.all(names.map((name) => readFile(join(boot, name), 'utf8')));
  }

  it('boots the new one from the sealed layer, and from what it is merged into', async () => {
    const before = await disk('before', ['6.1.0-9-amd64']);
    const after = await disk('after', ['6.1.0-9-amd64', '6.1.0-18-amd64']);
    const base = await bench.import(before);
    expect(await bootFilesOf(base)).toEqual(['kernel 6.1.0-9-amd64', 'initrd 6.1.0-9-amd64']);
    let version = base;
    // Half of what has changed in one layer, the rest in another.
    for (const half of [before.length / 2, before.length]) {
      const opened = await bench.overlay(version);
      const content = Buffer.concat([after.subarray(0, half), version.content.subarray(half)]);
      for (let at = 0; at < content.length; at += BLOCK) {
        const block = content.subarray(at, at + BLOCK);
        const isSame = block.equals(version.content.subarray(at, at + BLOCK));
        if (!isSame) await opened.device.write(block, at, PLAIN);
      }
      version = await bench.seal(opened, content);
    }
    const wanted = ['kernel 6.1.0-18-amd64', 'initrd 6.1.0-18-amd64'];
    expect(await bootFilesOf(version)).toEqual(wanted);
    expect(version.contentId).toBe((await bench.import(after)).contentId);
    for (const mode of ['partial', 'full'] as const) {
      const merged = await bench.merge(version, mode);
      expect(await bootFilesOf(merged)).toEqual(wanted);
      const [direct, cached] = await bench.readBothWays(merged);
      expectSame(direct, after, mode);
      expectSame(cached, after, mode);
      expect(await bench.verify(merged.chain)).toEqual([]);
    }
  });
});
