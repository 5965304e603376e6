/** A vDisk goes from one server to another. */
import { createHash, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BootFiles } from '../../../../src/vdisk/boot-files/index.ts';
import { decodeRecord, PREAMBLE_BYTES } from '../../../../src/vdisk/bundle/bundle-record.ts';
import {
  bundleHead,
  decodeInventory,
  encodeInventory,
  type ReadBundleProgress,
  type WriteBundleProgress,
} from '../../../../src/vdisk/bundle/index.ts';
import { readManifestHeader } from '../../../../src/vdisk/manifest/index.ts';
import { coloured, sha } from './chunk-colours.ts';
import { chunks, collect, MemoryServer, pieces, sourceOf } from './memory-server.ts';
import type { MemoryVersion } from './memory-version.ts';

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

/** A base and two differences: 6 distinct chunks, one of them in several places. */
async function threeVersions(): Promise<MemoryVersion[]> {
  const one = await from.make(chunks(6, 512), undefined, [
    [0, 1],
    [1, 2],
    [3, 1],
    [5, 3],
  ]);
  const two = await from.make(one.size, one, [
    [0, 0],
    [2, 4],
    [3, 5],
  ]);
  const three = await from.make(chunks(8), two, [
    [0, 1],
    [5, 3],
    [7, 6],
  ]);
  return [one, two, three];
}

function kindsOf(bundle: Buffer): string[] {
  const kinds: string[] = [];
  for (let at = PREAMBLE_BYTES; at < bundle.length; ) {
    const record = decodeRecord(bundle.subarray(at));
    if (!('payload' in record)) throw new Error(`no record at ${at}`);
    kinds.push(record.kind);
    at += record.size;
  }
  return kinds;
}

describe('a bundle', () => {
  it('carries a chain to a server that has nothing', async () => {
    const versions = await threeVersions();
    const source = sourceOf(versions);
    const received = await to.read(from.write(source));
    expect(received.head).toMatchObject({ name: 'debian', description: 'for the classroom' });
    expect(received.versions.map(({ kind }) => kind)).toEqual(['made', 'made', 'made']);
    for (const [index, version] of to.begun.entries()) {
      const sent = versions[index];
      expect(version.state).toBe('finished');
      expect(version.contentId()).toBe(sent?.contentId());
      expect(await readFile(version.manifestPath)).toEqual(
        await readFile(sent?.manifestPath ?? ''),
      );
      expect(version.parent).toBe(to.begun[index - 1]);
    }
    // The differences hold what changed, no more.
    expect([...(to.begun[1]?.own.keys() ?? [])].sort()).toEqual([0, 2, 3]);
    expect(to.begun[1]?.own.get(0)).toBeUndefined();
    expect([...(to.begun[2]?.own.keys() ?? [])].sort()).toEqual([0, 5, 7]);
    const { openDevice, manifestPath, bootFiles, ...facts } = source.versions[1] ?? {};
    expect(received.head.versions[1]).toEqual({ ...facts, sent: true, bootFiles: undefined });
  });

  it('has each chunk once, in the order of their first use', async () => {
    const bundle = await collect(from.write(sourceOf(await threeVersions())));
    const kinds = kindsOf(bundle);
    // The last chunk of the smaller disk is short: chunk 5 is another one in version 3.
    expect(kinds).toEqual(['head', ...Array(3).fill('changes'), ...Array(7).fill('chunk'), 'end']);
    const received = await to.read(pieces(bundle, 1, 100_000, 7, 3));
    expect(received).toMatchObject({ chunksReceived: 7, chunksLocal: 0 });
  });

  it('leaves out the chunks of what the receiver has, and names the versions it has', async () => {
    const versions = await threeVersions();
    const [one, two] = versions;
    if (one === undefined || two === undefined) throw new Error('no versions');
    await to.hold(one);
    const known = decodeInventory(encodeInventory(to.held.keys()));
    const inventory = await from.inventory([one]);
    const bundle = await collect(
      from.write(sourceOf(versions), {
        receiverHas: known,
        lacks: (hash) => !inventory.has(hash),
      }),
    );
    await inventory.close();
    expect(kindsOf(bundle)).toEqual([
      'head',
      'changes',
      'changes',
      'chunk',
      'chunk',
      'chunk',
      'chunk',
      'end',
    ]);
    const received = await to.read(pieces(bundle, 10_000));
    expect(received.versions.map(({ kind }) => kind)).toEqual(['existing', 'made', 'made']);
    expect(received).toMatchObject({ chunksReceived: 4, chunksLocal: 1 });
    expect(to.begun.map((version) => version.contentId())).toEqual(
      versions.slice(1).map((version) => version.contentId()),
    );
    expect(to.begun[0]?.parent).toBe(one);
  });

  it('may hold what the receiver has without the sender knowing', async () => {
    const versions = await threeVersions();
    const two = versions[1];
    if (two === undefined) throw new Error('no version');
    await to.hold(two);
    const progress: ReadBundleProgress[] = [];
    const received = await to.read(from.write(sourceOf(versions)), {
      progress: (at) => progress.push(at),
    });
    expect(received.versions.map(({ kind }) => kind)).toEqual(['made', 'existing', 'made']);
    expect(progress.at(-1)).toMatchObject({ placesDone: 7, placesTotal: 7 });
    expect(received.chunksReceived).toBe(7);
    expect(to.begun[1]?.parent).toBe(two);
    expect(to.begun[1]?.contentId()).toBe(versions[2]?.contentId());
  });

  it('without chunks lets the receiver ask for what it lacks', async () => {
    const versions = await threeVersions();
    await to.make(chunks(2), undefined, [
      [0, 2],
      [1, 6],
    ]);
    const asked: Buffer[][] = [];
    const received = await to.read(from.write(sourceOf(versions), { chunks: 'none' }), {
      fetchChunks: from.answering(asked),
    });
    const short = coloured(3, 65_536 - 512);
    expect(asked).toEqual([
      [sha(coloured(1)), sha(short), sha(coloured(4)), sha(coloured(5)), sha(coloured(3))],
    ]);
    expect(received).toMatchObject({ chunksReceived: 5, chunksLocal: 2 });
    expect(to.begun.map((version) => version.contentId())).toEqual(
      versions.map((version) => version.contentId()),
    );
  });

  it('without chunks is refused where nobody can be asked, before anything is begun', async () => {
    const stream = from.write(sourceOf(await threeVersions()), { chunks: 'none' });
    await expect(to.read(stream)).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
      details: { field: 'chunks' },
    });
    expect(to.begun).toEqual([]);
  });

  it('says what it holds to whoever only looks', async () => {
    const bundle = await collect(from.write(sourceOf(await threeVersions())));
    let given = 0;
    const counted = async function* () {
      for await (const piece of pieces(bundle, 100)) {
        given += piece.length;
        yield piece;
      }
    };
    const head = await bundleHead(counted());
    expect(head.versions.map(({ number, parentNumber }) => [number, parentNumber])).toEqual([
      [1, undefined],
      [2, 1],
      [3, 2],
    ]);
    expect(given).toBeLessThan(3000);
    await expect(bundleHead(pieces(bundle.subarray(0, 500), 100))).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
    });
  });

  it('carries two versions of the same content, and a vDisk of several bases', async () => {
    const one = await from.make(chunks(3), undefined, [
      [0, 1],
      [2, 2],
    ]);
    const other = await from.make(chunks(2), undefined, [[1, 2]]);
    const two = await from.make(chunks(3), one, [[1, 1]]);
    const again = await from.make(chunks(3), two, [[1, 0]]);
    const versions = [one, other, two, again];
    const received = await to.read(from.write(sourceOf(versions)));
    expect(received.chunksReceived).toBe(2);
    expect(to.begun.map((version) => version.contentId())).toEqual(
      versions.map((version) => version.contentId()),
    );
    expect(again.contentId()).toBe(one.contentId());
  });

  it('carries disks that grow and shrink, and disks of nothing', async () => {
    const empty = await from.make(chunks(9), undefined, []);
    const one = await from.make(chunks(4, 512), empty, [[3, 2]]);
    const larger = await from.make(chunks(9, 1024), one, [[8, 3]]);
    const versions = [empty, one, larger, await from.make(chunks(1), larger, [])];
    await to.read(from.write(sourceOf(versions)));
    expect(to.begun.map((version) => version.contentId())).toEqual(
      versions.map((version) => version.contentId()),
    );
  });

  it('packs what gets smaller, and only that', async () => {
    const well = await from.make(chunks(4), undefined, [
      [0, 2],
      [1, 3],
      [2, 5],
    ]);
    const badly = await from.make(chunks(4), undefined, [
      [0, 1],
      [1, 4],
    ]);
    const length = async (version: MemoryVersion, compression: 'zstd' | 'none') =>
      (await collect(from.write(sourceOf([version]), { compression }))).length;
    expect(await length(well, 'none')).toBeGreaterThan(3 * 65_536);
    expect(await length(well, 'zstd')).toBeLessThan(5_000);
    const overhead = (await length(badly, 'zstd')) - 2 * 65_536;
    expect(overhead).toBeGreaterThan(0);
    expect(overhead).toBeLessThan(2_000);
    await to.read(from.write(sourceOf([badly]), { compression: 'none' }));
    expect(to.begun[0]?.contentId()).toBe(badly.contentId());
  });

  it('tells how far it is, on both sides', async () => {
    const versions = await threeVersions();
    const sent: WriteBundleProgress[] = [];
    const read: (readonly [number, number])[] = [];
    await to.read(from.write(sourceOf(versions), { progress: (at) => sent.push(at) }), {
      progress: ({ placesDone, placesTotal }) => read.push([placesDone, placesTotal]),
    });
    expect(sent[0]).toEqual({
      versionsDone: 1,
      versionsTotal: 3,
      chunksDone: 0,
      chunksTotal: undefined,
    });
    expect(sent.at(-1)).toEqual({
      versionsDone: 3,
      versionsTotal: 3,
      chunksDone: 7,
      chunksTotal: 7,
    });
    expect(read.map(([done]) => done)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(read.at(-1)).toEqual([9, 9]);
  });

  it('holds no more than a window of chunks, however slowly it is taken', async () => {
    const colours = Array.from({ length: 200 }, (_, chunk) => [chunk, chunk + 1] as const);
    const version = await from.make(chunks(200), undefined, colours);
    let reads = 0;
    const source = sourceOf([version], {
      openDevice: async () => {
        const device = version.open();
        const { read } = device;
        device.read = (target, offset) => {
          reads += 1;
          return read.call(device, target, offset);
        };
        return device;
      },
    });
    let taken = 0;
    for await (const record of from.write(source)) {
      if (record.readUInt8(0) === 4) taken += 1;
      expect(reads - taken).toBeLessThanOrEqual(16);
    }
    expect([taken, reads]).toEqual([200, 200]);
  });
});

describe('boot files', () => {
  const facts: BootFiles = {
    kernel: undefined,
    initrd: undefined,
    kernelVersion: '6.1.0-18-amd64',
    rootPartition: 'p1',
    rootFilesystem: 'ext4',
    rootUuid: undefined,
    initramfs: 'initramfs-tools',
    reason: undefined,
  };

  it('come with their versions, each once', async () => {
    const [one, two, three] = await threeVersions();
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
    const [one] = await threeVersions();
    if (one === undefined) throw new Error('none');
    const empty = from.newPath();
    await writeFile(empty, '');
    const withKernel = (kernel: string) =>
      collect(from.write(sourceOf([one], { bootFiles: { ...facts, kernel } })));
    await expect(withKernel(from.newPath())).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(withKernel(empty)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  it('that change while they are sent end the bundle', async () => {
    const [one] = await threeVersions();
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
    const [one] = await threeVersions();
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
    const [one, two] = await threeVersions();
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
    const versions = await threeVersions();
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
