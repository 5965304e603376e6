/** Copies against whole buffers: what arrives, what it costs, and what a killed copy leaves. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type BlockDevice,
  FaultyDevice,
  MemoryDevice,
  PLAIN,
  type ReadableBlockDevice,
} from '../../../../src/block/index.ts';
import { BlockError } from '../../../../src/errors/index.ts';
import {
  ContentSum,
  type CopyCursor,
  copyPoint,
  readContent,
  wholeOf,
} from '../../../../src/repositories/replication/index.ts';
import { SEED, seededRandom } from '../../../support/seed.ts';
import { VolatileDevice, VolatileDisk } from '../../../support/volatile-device.ts';
import {
  CHUNK,
  changesOf,
  contentOf,
  deviceOf,
  type Edit,
  edited,
  freely,
  garbage,
  requestOf,
  workOf,
} from './rig.ts';

const SIZE = 10 * CHUNK;

const edits = (most: number): fc.Arbitrary<Edit[]> =>
  fc.array(
    fc.record({
      offset: fc.integer({ min: 0, max: SIZE - 1 }),
      length: fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 4 * CHUNK })),
      fill: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 255 })),
    }),
    { maxLength: most },
  );

const read = (device: ReadableBlockDevice, size = device.geometry.size) =>
  readContent(device, size, { throttle: freely(), signal: new AbortController().signal });

const sizes = fc.constantFrom(SIZE, SIZE + 512, SIZE + CHUNK - 512, SIZE - 4096 - 512);

describe('a copy', () => {
  it('makes any target equal to the point, and knows its content id', async () => {
    await fc.assert(
      fc.asyncProperty(
        edits(6),
        sizes,
        fc.constantFrom(0, 512, 2 * CHUNK, 3 * CHUNK + 512),
        fc.boolean(),
        fc.constantFrom('whole' as const, 'sampled' as const),
        fc.boolean(),
        async (made, size, more, compare, verification, eager) => {
          const content = edited(Buffer.alloc(size), made);
          const source = deviceOf(content);
          const target = garbage(size + more);
          const request = requestOf(source, target, { compare, verification });
          const copied = await copyPoint(request, workOf({ random: () => 0 }, eager));
          expect((await contentOf(target)).equals(edited(content, [], size + more))).toBe(true);
          expect(copied.contentId).toBe((await read(source)).contentId);
          expect(copied.contentId).toBe((await read(target, size)).contentId);
          expect(copied.sum).toBe((await read(target, size)).sum);
        },
      ),
      { seed: SEED, numRuns: 60 },
    );
  });

  it('sends differences through any number of points, growing on the way', async () => {
    await fc.assert(
      fc.asyncProperty(
        edits(6),
        fc.array(fc.tuple(edits(4), fc.constantFrom(0, 0, 512, CHUNK, CHUNK + 1024)), {
          minLength: 1,
          maxLength: 4,
        }),
        fc.boolean(),
        async (first, later, compare) => {
          let content = edited(Buffer.alloc(SIZE), first);
          let base = deviceOf(content);
          const target = new MemoryDevice({ size: SIZE + 8 * CHUNK });
          let { sum } = await copyPoint(requestOf(base, target), workOf());
          for (const [made, grown] of later) {
            const size = content.length + grown;
            const next = edited(content, made, size);
            const source = deviceOf(next);
            const changes = changesOf(made, content.length, size);
            const since = { base, sum, changes };
            const request = requestOf(source, target, { since, compare });
            const copied = await copyPoint(request, workOf());
            const whole = edited(next, [], target.geometry.size);
            expect((await contentOf(target)).equals(whole)).toBe(true);
            expect(copied.contentId).toBe((await read(source)).contentId);
            [content, base, sum] = [next, source, copied.sum];
          }
        },
      ),
      { seed: SEED, numRuns: 50 },
    );
  });

  it('reads what changed, and writes only blocks that differ', async () => {
    const before = edited(Buffer.alloc(SIZE), [{ offset: 0, length: SIZE, fill: 3 }]);
    const made = [
      { offset: 5000, length: 10, fill: 99 }, // one block
      { offset: 3 * CHUNK, length: CHUNK, fill: 0 }, // becomes a hole
    ];
    const after = edited(before, made);
    const base = deviceOf(before);
    const target = deviceOf(before);
    const { sum } = await read(base);
    const since = { base, sum, changes: changesOf(made, SIZE, SIZE) };
    const request = requestOf(deviceOf(after), target, { since });
    const { figures } = await copyPoint(request, workOf());
    expect(figures).toEqual({
      read: CHUNK,
      written: 4096,
      zeroed: CHUNK,
      skipped: CHUNK - 4096,
      verified: 2 * CHUNK,
    });
    expect(target.allocatedBytes).toBe(SIZE - CHUNK);
  });

  it('finds by comparing that nothing is to be written', async () => {
    const content = edited(Buffer.alloc(SIZE), [{ offset: 0, length: 5 * CHUNK, fill: 3 }]);
    const target = deviceOf(content);
    const request = requestOf(deviceOf(content), target, { compare: true });
    const { figures } = await copyPoint(request, workOf());
    expect(figures).toMatchObject({ written: 0, zeroed: 0, skipped: 5 * CHUNK });
  });

  it('sees a difference that is not written down: the content ids of the two differ', async () => {
    const before = Buffer.alloc(SIZE);
    const made = [{ offset: CHUNK, length: 100, fill: 7 }];
    const after = edited(before, made);
    const target = new MemoryDevice({ size: SIZE });
    const since = {
      base: deviceOf(before),
      sum: new ContentSum().toText(),
      changes: changesOf([], SIZE, SIZE), // a difference that lies
    };
    const copied = await copyPoint(requestOf(deviceOf(after), target, { since }), workOf());
    expect(copied.contentId).not.toBe((await read(deviceOf(after))).contentId);
  });
});

/** The process dies at the n-th request to the target; what was not flushed may be lost. */
function dyingDevice(disk: VolatileDisk, dieAt: number, random: () => number): BlockDevice {
  const inner = new VolatileDevice(disk, random);
  let requests = 0;
  return new FaultyDevice(inner, () => {
    requests += 1;
    if (requests >= dieAt) inner.kill();
    return { delay: Promise.resolve() };
  });
}

describe('a copy that is killed', () => {
  it('goes on at the cursor, at whatever request it died, and with what was not flushed lost', async () => {
    const random = seededRandom();
    const before = edited(Buffer.alloc(SIZE), [{ offset: 0, length: SIZE, fill: 3 }]);
    const made: Edit[] = [
      { offset: 100, length: 70_000, fill: 9 },
      { offset: 4 * CHUNK - 5, length: CHUNK + 10, fill: 0 },
      { offset: 7 * CHUNK, length: 3 * CHUNK, fill: 77 },
    ];
    const after = edited(before, made);
    const base = deviceOf(before);
    const { sum } = await read(base);
    const { contentId } = await read(deviceOf(after));
    for (const since of [{ base, sum, changes: changesOf(made, SIZE, SIZE) }, undefined]) {
      let resumed = 0;
      for (let dieAt = 1; ; dieAt++) {
        const disk = new VolatileDisk(SIZE);
        disk.write(before, 0);
        disk.beginSync()();
        const cursors: CopyCursor[] = [];
        const attempt = (device: BlockDevice) =>
          copyPoint(
            requestOf(deviceOf(after), device, { since, cursor: cursors.at(-1) }),
            workOf({ record: (cursor) => void cursors.push(cursor) }),
          );
        const first = attempt(dyingDevice(disk, dieAt, random));
        const survived = await first.then(
          () => true,
          () => false,
        );
        disk.powerLoss(random, 0.5);
        if (survived) break;
        if (cursors.length > 0) resumed += 1;
        const copied = await attempt(new VolatileDevice(disk, random));
        expect(copied.contentId).toBe(contentId);
        expect((await contentOf(disk.cache)).equals(after)).toBe(true);
      }
      expect(resumed).toBeGreaterThan(0);
    }
  });

  it('never records a cursor beyond what was flushed', async () => {
    const content = edited(Buffer.alloc(SIZE), [{ offset: 0, length: SIZE, fill: 3 }]);
    let dirty = false;
    const target = new FaultyDevice(new MemoryDevice({ size: SIZE }), ({ operation }) => {
      if (operation === 'write' || operation === 'zero') dirty = true;
      if (operation === 'flush') dirty = false;
      return undefined;
    });
    let records = 0;
    const record = (): void => {
      records += 1;
      expect(dirty).toBe(false);
    };
    await copyPoint(requestOf(deviceOf(content), target), workOf({ record }));
    expect(records).toBeGreaterThan(1);
  });
});

describe('a copy that fails', () => {
  const content = edited(Buffer.alloc(SIZE), [{ offset: 0, length: SIZE, fill: 5 }]);

  it.each(['ENOSPC', 'EIO'] as const)(
    'with %s of the target says so, and goes on later',
    async (errno) => {
      const disk = new MemoryDevice({ size: 60 * CHUNK });
      const whole = edited(Buffer.alloc(60 * CHUNK), [{ offset: 0, length: 60 * CHUNK, fill: 5 }]);
      const full = new FaultyDevice(disk, ({ operation, offset }) =>
        operation === 'write' && offset >= 40 * CHUNK ? { errno } : undefined,
      );
      const work = workOf();
      const failing = copyPoint(requestOf(deviceOf(whole), full), work);
      await expect(failing).rejects.toMatchObject({ errno });
      const cursor = work.cursors.at(-1);
      expect(cursor?.position).toBeGreaterThan(0);
      const request = requestOf(deviceOf(whole), disk, { cursor });
      const { figures } = await copyPoint(request, workOf());
      expect(figures.read).toBeGreaterThanOrEqual(60 * CHUNK);
      expect((await contentOf(disk)).equals(whole)).toBe(true);
    },
  );

  it('does not call it a point when the target holds something else', async () => {
    const disk = new MemoryDevice({ size: SIZE });
    const lying = new FaultyDevice(disk, ({ operation }) => {
      if (operation === 'flush') disk.write(Buffer.from([1]), 2 * CHUNK + 17, PLAIN);
      return undefined;
    });
    const work = workOf({}, false);
    const copying = copyPoint(requestOf(deviceOf(content), lying), work);
    await expect(copying).rejects.toMatchObject({ errno: 'EIO', offset: 2 * CHUNK });
    expect(work.cursors).toEqual([]);
  });

  it('sees that what was zeroed is not zero', async () => {
    const disk = garbage(SIZE);
    const lying = new FaultyDevice(disk, ({ operation }) => {
      if (operation === 'flush') disk.write(Buffer.from([1]), 2 * CHUNK + 17, PLAIN);
      return undefined;
    });
    const empty = deviceOf(Buffer.alloc(SIZE));
    const copying = copyPoint(requestOf(empty, lying, { verification: 'sampled' }), workOf());
    await expect(copying).rejects.toMatchObject({ errno: 'EIO' });
  });

  it('says so when the point is deleted under it', async () => {
    const source = new FaultyDevice(deviceOf(content), ({ operation, index }) =>
      operation === 'read' && index > 0 ? { errno: 'ESHUTDOWN' } : undefined,
    );
    const bigger = new MemoryDevice({ size: SIZE });
    const since = {
      ...{ base: deviceOf(Buffer.alloc(SIZE)), sum: new ContentSum().toText() },
      changes: async function* () {
        yield { offset: 0, length: CHUNK, kind: 'data' as const };
        yield { offset: 5 * CHUNK, length: CHUNK, kind: 'data' as const };
      },
    };
    const copying = copyPoint(requestOf(source, bigger, { since }), workOf());
    await expect(copying).rejects.toMatchObject({ errno: 'ESHUTDOWN' });
  });

  it('ends with the reason of its signal, and nothing runs any more', async () => {
    const abort = new AbortController();
    const target = new FaultyDevice(new MemoryDevice({ size: SIZE }), ({ operation }) => {
      if (operation === 'write') abort.abort(new Error('enough'));
      return undefined;
    });
    const work = workOf({ signal: abort.signal });
    await expect(copyPoint(requestOf(deviceOf(content), target), work)).rejects.toThrow('enough');
    expect(work.cursors).toEqual([]);
  });

  it('refuses a target that is too small, a cursor that is none, and changes out of order', async () => {
    const small = new MemoryDevice({ size: SIZE - 512 });
    const source = deviceOf(content);
    const einval = { errno: 'EINVAL' };
    await expect(copyPoint(requestOf(source, small), workOf())).rejects.toMatchObject(einval);
    const target = new MemoryDevice({ size: SIZE });
    const figures = { read: 0, written: 0, zeroed: 0, skipped: 0, verified: 0 };
    for (const cursor of [
      { position: 1, sum: new ContentSum().toText(), figures },
      { position: 0, sum: 'no sum', figures },
    ]) {
      const request = requestOf(source, target, { cursor });
      await expect(copyPoint(request, workOf())).rejects.toMatchObject(einval);
    }
    const since = {
      ...{ base: new MemoryDevice({ size: SIZE + 512 }), sum: new ContentSum().toText() },
      changes: wholeOf(source),
    };
    const shrunk = requestOf(source, target, { since });
    await expect(copyPoint(shrunk, workOf())).rejects.toMatchObject(einval);
    const changes = async function* () {
      yield { offset: CHUNK, length: CHUNK, kind: 'data' as const };
      yield { offset: 0, length: 1, kind: 'data' as const };
    };
    const disordered = requestOf(source, target, {
      since: { base: deviceOf(content), sum: since.sum, changes },
    });
    await expect(copyPoint(disordered, workOf())).rejects.toBeInstanceOf(BlockError);
  });
});

describe('a content sum', () => {
  it('depends on the place, the content and the size of the point, and on nothing else', async () => {
    const one = deviceOf(edited(Buffer.alloc(SIZE), [{ offset: 0, length: 10, fill: 1 }]));
    const moved = deviceOf(edited(Buffer.alloc(SIZE), [{ offset: CHUNK, length: 10, fill: 1 }]));
    const allocated = garbage(SIZE);
    allocated.write(await contentOf(one), 0, PLAIN);
    const ids = [(await read(one)).contentId, (await read(moved)).contentId];
    expect(new Set([...ids, (await read(one, SIZE + 512)).contentId]).size).toBe(3);
    expect((await read(allocated)).contentId).toBe(ids[0]);
    expect(ContentSum.parse('AAAA')).toBeUndefined();
  });
});
