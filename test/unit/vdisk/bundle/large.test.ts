/** Disks that are much larger than what is on them, and more places than are looked at together. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CHUNKS_MAGIC } from '../../../../src/vdisk/bundle/bundle-record.ts';
import { encodeChunk } from '../../../../src/vdisk/bundle/chunk-record.ts';
import { type FetchChunks, FetchSupply } from '../../../../src/vdisk/bundle/chunk-supply.ts';
import { RecordWriter } from '../../../../src/vdisk/bundle/record-writer.ts';
import { readManifestHeader } from '../../../../src/vdisk/manifest/index.ts';
import { coloured, sha } from './chunk-colours.ts';
import { chunks, collect, MemoryServer, pieces, sourceOf } from './memory-server.ts';
import { MemoryVersion } from './memory-version.ts';

let from: MemoryServer;
let to: MemoryServer;
beforeEach(async () => {
  from = await MemoryServer.create();
  to = await MemoryServer.create();
});
afterEach(async () => {
  await from.close();
  await to.close();
});

/** Whoever is asked for chunks, and has these. */
function answering(byHash: ReadonlyMap<string, Buffer>, asked: Buffer[][]): FetchChunks {
  return async function* (hashes) {
    asked.push([...hashes]);
    const writer = new RecordWriter(CHUNKS_MAGIC);
    yield writer.preamble;
    for (const hash of hashes) {
      const stored = byHash.get(hash.toString('hex')) ?? Buffer.alloc(0);
      const chunk = { hash, length: stored.length, packed: false, stored };
      yield writer.record('chunk', encodeChunk(chunk));
    }
    yield writer.end({ versions: 0, files: 0, chunks: hashes.length });
  };
}

describe('a disk of 1 TiB with few chunks', () => {
  it('takes a short bundle, and touches only what is there', async () => {
    const count = 2 ** 24;
    const one = await from.make(chunks(count), undefined, [
      [0, 1],
      [count / 2, 2],
      [count - 1, 3],
    ]);
    const two = await from.make(one.size, one, [
      [count / 2, 0],
      [count - 2, 4],
    ]);
    const bundle = await collect(from.write(sourceOf([one, two])));
    expect(bundle.length).toBeLessThan(200_000);
    const received = await to.read(pieces(bundle, 65_536));
    expect(received.chunksReceived).toBe(4);
    const inOrder = (chunks: Iterable<number>) => [...chunks].sort((a, b) => a - b);
    expect(to.begun.map((version) => inOrder(version.own.keys()))).toEqual([
      [0, count / 2, count - 1],
      [count / 2, count - 2],
    ]);
    expect(to.begun.map((version) => version.contentId())).toEqual([
      one.contentId(),
      two.contentId(),
    ]);
  });
});

describe('a disk of many places', () => {
  const COUNT = 17_000;
  const colours = Array.from({ length: COUNT }, (_, chunk) => [chunk, 2 + (chunk % 3)] as const);

  const contents = new Map([2, 3, 4].map((colour) => [colour, coloured(colour)]));

  /** Keeps the colour of what was written instead of the bytes. */
  function keepColours(server: MemoryServer, kept: Map<number, number>): void {
    const begin = server.beginVersion.bind(server);
    server.beginVersion = async (version, parent) => {
      const sink = await begin(version, parent);
      sink.writeChunk = async (chunk, bytes) => {
        const found = [...contents].find(([, content]) => content.equals(bytes));
        kept.set(chunk, found?.[0] ?? 0);
      };
      sink.readChunk = async (chunk) => contents.get(kept.get(chunk) ?? 0) ?? Buffer.alloc(0);
      sink.finish = async () => (await readManifestHeader(sink.manifestPath)).contentId;
      return sink;
    };
  }

  it('comes with each chunk once, in both ways of sending', async () => {
    const version = new MemoryVersion(chunks(COUNT), undefined, from.newPath());
    for (const [chunk, colour] of colours) version.own.set(chunk, contents.get(colour));
    await version.writeManifest();
    for (const way of ['lacking', 'none'] as const) {
      const kept = new Map<number, number>();
      keepColours(to, kept);
      const asked: Buffer[][] = [];
      const byHash = new Map(
        [...contents.values()].map((bytes) => [sha(bytes).toString('hex'), bytes]),
      );
      const received = await to.read(from.write(sourceOf([version]), { chunks: way }), {
        fetchChunks: answering(byHash, asked),
      });
      expect(received.chunksReceived).toBe(3);
      expect(kept.size).toBe(COUNT);
      expect(colours.every(([chunk, colour]) => kept.get(chunk) === colour)).toBe(true);
      expect(asked.map(({ length }) => length)).toEqual(way === 'none' ? [3] : []);
    }
  });
});

describe('many chunks that are asked for', () => {
  it('are asked for in requests that are not too long, in order', async () => {
    const all = Array.from({ length: 9_000 }, (_, number) => Buffer.from(String(number)));
    const hashes = all.map(sha);
    const asked: Buffer[][] = [];
    const byHash = new Map(all.map((bytes) => [sha(bytes).toString('hex'), bytes]));
    const answer = answering(byHash, asked);
    const retry = (error: unknown) => Promise.reject(error);
    const supply = new FetchSupply(answer, retry, new AbortController().signal);
    supply.expect(hashes);
    const taken = await Promise.all(hashes.map((hash) => supply.take(hash)));
    expect(taken.map((chunk) => chunk?.stored.toString())).toEqual(
      all.map((bytes) => bytes.toString()),
    );
    expect(asked.map(({ length }) => length)).toEqual([4096, 4096, 808]);
    expect(await supply.take(hashes[0] ?? Buffer.alloc(0))).toBeUndefined();
    expect(supply.taken).toBe(9_000);
  });
});
