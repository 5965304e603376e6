/** A reader that cannot go on leaves nothing. */
import { writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Fault } from '../../../../src/errors/index.ts';
import { coloured, sha } from './chunk-colours.ts';
import { chunks, collect, MemoryServer, pieces, sourceOf } from './memory-server.ts';

/** Of the places in a bundle, so many bytes apart, each is tried; test/unit/vdisk/bundle/records.test.ts tries all. */
const STEP = 17;

let from: MemoryServer;
let to: MemoryServer;
/** Two versions and a kernel, of chunks that pack well: the bundle is short. */
let bundle: Buffer;
beforeEach(async () => {
  from = await MemoryServer.create();
  to = await MemoryServer.create();
  const one = await from.make(chunks(5, 512), undefined, [
    [0, 2],
    [2, 3],
    [4, 2],
  ]);
  const two = await from.make(one.size, one, [
    [0, 0],
    [1, 2],
    [3, 5],
  ]);
  const kernel = from.newPath();
  await writeFile(kernel, 'this is a kernel');
  const bootFiles = {
    kernel,
    initrd: undefined,
    kernelVersion: '6.1',
    rootPartition: 'p1',
    rootFilesystem: 'ext4',
    rootUuid: undefined,
    initramfs: 'dracut' as const,
    reason: undefined,
    given: false,
  };
  bundle = await collect(from.write(sourceOf([one, two], { bootFiles })));
  expect(bundle.length).toBeLessThan(4000);
});
afterEach(async () => {
  await from.close();
  await to.close();
});

/** Reads what must be refused; nothing may stay. */
async function refusal(stream: AsyncIterable<Buffer>): Promise<Fault> {
  const error: unknown = await to.read(stream).then(
    () => 'it was taken',
    (reason) => reason,
  );
  if (!(error instanceof Fault)) throw error;
  await expectNothing();
  return error;
}

async function expectNothing(): Promise<void> {
  expect(to.begun.filter(({ state }) => state !== 'abandoned')).toEqual([]);
  expect(await to.leftOver()).toEqual([]);
  to.begun.length = 0;
}

describe('a reader', () => {
  it('that is cancelled leaves nothing, also while the sender is silent', async () => {
    const controller = new AbortController();
    const silent = async function* () {
      yield* pieces(bundle.subarray(0, 2000), 1000);
      setImmediate(() => controller.abort());
      await new Promise(() => undefined);
    };
    const reading = to.read(silent(), { signal: controller.signal });
    await expect(reading).rejects.toMatchObject({ code: 'CANCELLED' });
    await expectNothing();
  });

  it('whose sender fails says so', async () => {
    const broken = async function* () {
      yield* pieces(bundle.subarray(0, 2500), 1000);
      throw new Error('connection reset');
    };
    const fault = await refusal(broken());
    expect(fault).toMatchObject({ code: 'UNAVAILABLE' });
    expect(fault.message).toContain('connection reset');
  });

  it('ends the stream that it does not want any more', async () => {
    let ended = false;
    const watched = async function* () {
      try {
        yield* pieces(Buffer.alloc(100_000), 1000);
      } finally {
        ended = true;
      }
    };
    await refusal(watched());
    expect(ended).toBe(true);
  });

  it('whose disk is full abandons everything, also what had finished', async () => {
    const begin = to.beginVersion.bind(to);
    let finished = 0;
    to.beginVersion = async (version, parent) => {
      const sink = await begin(version, parent);
      const finish = sink.finish.bind(sink);
      sink.finish = async () => {
        finished += 1;
        if (finished === 2) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
        return finish();
      };
      return sink;
    };
    expect(await refusal(pieces(bundle, 1000))).toMatchObject({ code: 'NO_SPACE' });
    expect(finished).toBe(2);
  });

  it('finds a version that is not what it should be when it has finished', async () => {
    const begin = to.beginVersion.bind(to);
    to.beginVersion = async (version, parent) => {
      const sink = await begin(version, parent);
      const write = sink.writeChunk.bind(sink);
      sink.writeChunk = (chunk, bytes) => {
        const bad = Buffer.from(bytes);
        bad.writeUInt8(bad.readUInt8(9) ^ 4, 9);
        return write(chunk, chunk === 2 ? bad : bytes);
      };
      return sink;
    };
    const fault = await refusal(pieces(bundle, 1000));
    expect(fault).toMatchObject({ code: 'IMAGE_INVALID', details: { field: 'content id' } });
    expect(fault.message).toMatch(/^version 1:/);
  });
});

describe('a sender that is asked', () => {
  it('and does not have a chunk any more is named with the chunk', async () => {
    const versions = sourceOf([...from.held.values()]);
    const answer = from.answering();
    const hash = sha(coloured(3));
    from.damaged.add(hash.toString('hex'));
    const reading = to.read(from.write(versions, { chunks: 'none' }), { fetchChunks: answer });
    await expect(reading).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: `the sender has no chunk ${hash.toString('hex')}`,
    });
    await expectNothing();
  });

  it('and whose answer is cut off or damaged anywhere is refused', async () => {
    const versions = sourceOf([...from.held.values()]);
    const plain = await collect(from.write(versions, { chunks: 'none' }));
    let answer: Buffer = Buffer.alloc(0);
    const answers = from.answering();
    await to.read(pieces(plain, 1000), {
      fetchChunks: async function* (hashes) {
        answer = await collect(answers(hashes));
        yield answer;
      },
    });
    to.begun.length = 0;
    expect(answer.length).toBeGreaterThan(100);
    for (let at = 0; at < answer.length; at += STEP) {
      const bad = Buffer.from(answer);
      bad.writeUInt8(bad.readUInt8(at) ^ 0x10, at);
      for (const bytes of [bad, answer.subarray(0, at)]) {
        const reading = to.read(pieces(plain, 1000), { fetchChunks: () => pieces(bytes, 999) });
        await expect(reading).rejects.toMatchObject({
          code: expect.stringMatching(/^IMAGE_(INVALID|UNSUPPORTED)$/),
        });
        await expectNothing();
      }
    }
  });
});
