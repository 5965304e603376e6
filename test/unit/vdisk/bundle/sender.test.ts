/** What a sender has beside chunks, and what it refuses to send. */
import { createHash, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BundleBootFiles } from '../../../../src/vdisk/bundle/index.ts';
import { readManifestHeader } from '../../../../src/vdisk/manifest/index.ts';
import { coloured } from './chunk-colours.ts';
import { collect, MemoryServer, pieces, sourceOf, threeVersions } from './memory-server.ts';
import { kindsOf } from './rewrite.ts';

let from: MemoryServer;
let to: MemoryServer;
beforeEach(async () => {
  from = await MemoryServer.create();
  to = await MemoryServer.create();
});
afterEach(async () => {
  expect(await from.leftOver()).toEqual([]);
  expect(await to.leftOver()).toEqual([]);
  await from.close();
  await to.close();
});

describe('boot files', () => {
  const facts: BundleBootFiles = {
    kernel: undefined,
    initrd: undefined,
    kernelVersion: '6.1.0-18-amd64',
    rootPartition: 'p1',
    rootFilesystem: 'ext4',
    rootUuid: undefined,
    initramfs: 'initramfs-tools',
    reason: undefined,
    given: true,
  };

  it('come with their versions, each once', async () => {
    const [one, two, three] = await threeVersions(from);
    if (one === undefined || two === undefined || three === undefined) throw new Error('none');
    const big = randomBytes(700_000);
    const paths = [from.newPath(), from.newPath(), from.newPath()] as const;
    await writeFile(paths[0], 'a kernel');
    await writeFile(paths[1], big);
    await writeFile(paths[2], 'a kernel');
    const source = sourceOf([one, two, three]);
    const given = [
      { ...facts, kernel: paths[0], initrd: paths[1] },
      { ...facts, kernel: paths[2], initrd: undefined },
      undefined,
    ];
    const versions = source.versions.map((version, index) => ({
      ...version,
      bootFiles: given[index],
    }));
    const bundle = await collect(from.write({ ...source, versions }));
    expect(kindsOf(bundle).filter((kind) => kind === 'file')).toHaveLength(4);
    const received = await to.read(pieces(bundle, 65_536));
    const hex = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest('hex');
    expect(received.head.files).toEqual([
      { sha256: hex('a kernel'), size: 8 },
      { sha256: hex(big), size: 700_000 },
    ]);
    expect(received.head.versions[0]?.bootFiles).toEqual({
      ...facts,
      kernel: hex('a kernel'),
      initrd: hex(big),
    });
    expect(to.begun.map(({ bootFiles }) => Object.fromEntries(bootFiles))).toEqual([
      { kernel: Buffer.from('a kernel'), initrd: big },
      { kernel: Buffer.from('a kernel') },
      {},
    ]);
  });

  it('are refused when they are not there or empty, before anything is sent', async () => {
    const [one] = await threeVersions(from);
    if (one === undefined) throw new Error('none');
    const empty = from.newPath();
    await writeFile(empty, '');
    const withKernel = (kernel: string) =>
      collect(from.write(sourceOf([one], { bootFiles: { ...facts, kernel } })));
    await expect(withKernel(from.newPath())).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(withKernel(empty)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  it('that change while they are sent end the bundle', async () => {
    const [one] = await threeVersions(from);
    if (one === undefined) throw new Error('none');
    const kernel = from.newPath();
    await writeFile(kernel, 'a kernel');
    const sending = from.write(sourceOf([one], { bootFiles: { ...facts, kernel } }));
    await sending.next();
    await writeFile(kernel, 'another kernel');
    await expect(collect(sending)).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
  });
});

describe('a sender', () => {
  it('refuses a version that is damaged here, and names the chunk', async () => {
    const [one] = await threeVersions(from);
    if (one === undefined) throw new Error('none');
    one.own.set(3, coloured(9));
    const source = sourceOf([one]);
    const header = await readManifestHeader(one.manifestPath);
    const versions = source.versions.map((version) => ({ ...version, ...header }));
    // Chunk 3 is read where chunk 0 is: what is sent is checked, not what is not.
    await expect(collect(from.write({ ...source, versions }))).resolves.toBeDefined();
    one.own.set(1, coloured(9));
    await expect(collect(from.write({ ...source, versions }))).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
      message: expect.stringContaining('version 1, chunk 1:'),
    });
  });

  it('refuses a manifest of another version, and a version that cannot be described', async () => {
    const [one, two] = await threeVersions(from);
    if (one === undefined || two === undefined) throw new Error('none');
    const send = (more: object) => collect(from.write(sourceOf([one], more)));
    await expect(send({ manifestPath: two.manifestPath })).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
    });
    await expect(send({ parentNumber: 7 })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      details: { field: 'versions[0].parentNumber' },
    });
    await expect(send({ description: 'x'.repeat(5000) })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      details: { field: 'versions[0].description' },
    });
  });

  it('is cancelled, or not wanted any more, and leaves nothing', async () => {
    const versions = await threeVersions(from);
    const controller = new AbortController();
    const sending = from.write(sourceOf(versions), { signal: controller.signal });
    for (let record = 0; record < 6; record += 1) await sending.next();
    controller.abort();
    await expect(collect(sending)).rejects.toMatchObject({ code: 'CANCELLED' });
    let closed = 0;
    const counted = sourceOf(versions, {
      openDevice: async () => {
        const device = versions[0]?.open();
        if (device === undefined) throw new Error('none');
        const { close } = device;
        device.close = () => {
          closed += 1;
          return close.call(device);
        };
        return device;
      },
    });
    let records = 0;
    for await (const _record of from.write(counted)) {
      records += 1;
      if (records === 6) break;
    }
    expect(closed).toBe(1);
  });
});
