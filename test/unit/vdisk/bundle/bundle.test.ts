import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  bundleHead,
  decodeInventory,
  encodeInventory,
  type ReadBundleProgress,
  type WriteBundleProgress,
} from '../../../../src/vdisk/bundle/index.ts';
import { coloured, sha } from './chunk-colours.ts';
import { chunks, collect, MemoryServer, pieces, sourceOf, threeVersions } from './memory-server.ts';
import type { MemoryVersion } from './memory-version.ts';
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

describe('a bundle', () => {
  it('carries a chain to a server that has nothing', async () => {
    const versions = await threeVersions(from);
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
    const bundle = await collect(from.write(sourceOf(await threeVersions(from))));
    const kinds = kindsOf(bundle);
    // The last chunk of the smaller disk is short: chunk 5 is another one in version 3.
    expect(kinds).toEqual(['head', ...Array(3).fill('changes'), ...Array(7).fill('chunk'), 'end']);
    const received = await to.read(pieces(bundle, 1, 100_000, 7, 3));
    expect(received).toMatchObject({ chunksReceived: 7, chunksLocal: 0 });
  });

  it('leaves out the chunks of what the receiver has, and names the versions it has', async () => {
    const versions = await threeVersions(from);
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
    const versions = await threeVersions(from);
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
    const versions = await threeVersions(from);
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
    const stream = from.write(sourceOf(await threeVersions(from)), { chunks: 'none' });
    await expect(to.read(stream)).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
      details: { field: 'chunks' },
    });
    expect(to.begun).toEqual([]);
  });

  it('says what it holds to whoever only looks', async () => {
    const bundle = await collect(from.write(sourceOf(await threeVersions(from))));
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
    const versions = await threeVersions(from);
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
