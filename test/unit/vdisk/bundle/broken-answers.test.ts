/** Answers to requests for chunks that break off: what is lacking is asked for again, and nothing else. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Fault } from '../../../../src/errors/index.ts';
import {
  type BundleSource,
  type FetchChunks,
  writeChunks,
} from '../../../../src/vdisk/bundle/index.ts';
import { collect, MemoryServer, sourceOf, threeVersions } from './memory-server.ts';

let from: MemoryServer;
let to: MemoryServer;
let source: BundleSource;
let whole: Buffer;
/** What was asked for, request by request. */
let asked: number[];

beforeEach(async () => {
  from = await MemoryServer.create();
  to = await MemoryServer.create();
  source = sourceOf(await threeVersions(from));
  asked = [];
  const requests: Buffer[][] = [];
  await to.read(from.write(source, { chunks: 'none' }), { fetchChunks: from.answering(requests) });
  const signal = new AbortController().signal;
  whole = await collect(
    writeChunks((hash) => from.localChunk(hash), requests[0] ?? [], { signal }),
  );
  to.begun.length = 0;
});
afterEach(async () => {
  expect(await to.leftOver()).toEqual([]);
  await from.close();
  await to.close();
});

/** The first `broken` answers break off after so many bytes. */
function breaking(after: number, broken: number): FetchChunks {
  const answer = from.answering();
  return async function* (hashes) {
    asked.push(hashes.length);
    if (asked.length > broken) {
      yield* answer(hashes);
      return;
    }
    const bytes = await collect(answer(hashes));
    yield bytes.subarray(0, after);
    throw new Error('the connection was reset');
  };
}

async function read(fetchChunks: FetchChunks, most = 1) {
  const failures: number[] = [];
  const received = await to.read(from.write(source, { chunks: 'none' }), {
    fetchChunks,
    retryChunks: async (error, count) => {
      failures.push(count);
      if (!(error instanceof Fault) || error.code !== 'UNAVAILABLE' || count > most) throw error;
    },
  });
  return { received, failures };
}

describe('an answer that breaks off', () => {
  it('anywhere is gone on with: every chunk is taken once', async () => {
    const steps = new Set([0, 1, 11, 12, 17]);
    // Around the end of every record, and inside of it.
    for (let at = 12; at < whole.length; at += 9 + whole.readUInt32BE(at + 1)) {
      for (const away of [-1, 0, 30]) steps.add(Math.min(at + away, whole.length));
    }
    for (const back of [0, 1, 4]) steps.add(whole.length - back);
    for (const after of steps) {
      asked = [];
      const { received, failures } = await read(breaking(after, 1));
      expect(failures).toEqual([1]);
      expect(received.chunksReceived).toBe(7);
      // Never less than what was lacking, and what had come whole is not asked for again.
      expect(asked[0]).toBe(7);
      expect(asked[1]).toBeGreaterThan(0);
      if (after === 0) expect(asked[1]).toBe(7);
      if (after === whole.length) expect(asked[1]).toBe(1);
      const made = to.begun.slice(-3);
      expect(made.map((version) => version.contentId())).toEqual(
        source.versions.map(({ contentId }) => contentId),
      );
    }
  });

  it('again and again is given up when whoever reads has had enough', async () => {
    const reading = read(breaking(12, 10), 3);
    await expect(reading).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(asked).toEqual([7, 7, 7, 7]);
    expect(to.begun.map(({ state }) => state)).toEqual(['abandoned', 'abandoned', 'abandoned']);
  });

  it('counts anew after every chunk', async () => {
    let length = 0;
    const answer = from.answering();
    const { received, failures } = await read(async function* (hashes) {
      asked.push(hashes.length);
      // Preamble and the first chunk.
      const bytes = await collect(answer(hashes));
      length = 12 + 9 + bytes.readUInt32BE(13);
      yield bytes.subarray(0, hashes.length === 1 ? bytes.length : length);
      if (hashes.length > 1) throw new Error('the connection was reset');
    });
    expect(received.chunksReceived).toBe(7);
    expect(asked).toEqual([7, 6, 5, 4, 3, 2, 1]);
    expect(failures).toEqual([1, 1, 1, 1, 1, 1]);
  });

  it('because the sender lacks a chunk is not asked for again', async () => {
    from.damaged.add([...from.hashes()][0] ?? '');
    const signal = new AbortController().signal;
    const reading = read((hashes) => {
      asked.push(hashes.length);
      return writeChunks((hash) => from.localChunk(hash), hashes, { signal });
    });
    await expect(reading).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(asked).toEqual([7]);
  });
});
