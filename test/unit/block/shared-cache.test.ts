import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { MemoryDevice, SharedCache, SharedSource } from '../../../src/block/index.ts';
import { BlockError } from '../../../src/errors/index.ts';
import { SEED } from '../../support/seed.ts';

const UNIT = 4096;
/** Of one set, as shared-cache.ts has it. */
const WAYS = 8;

/** Two workers' views of one cache of `sets` sets. */
function views(sets: number): [SharedCache, SharedCache] {
  const memory = SharedCache.allocate(sets * WAYS * UNIT, UNIT);
  if (memory === undefined) throw new Error('no room');
  return [new SharedCache(memory), new SharedCache(memory)];
}

/** A slow disk: its reads wait until they are let go, or fail. */
class SlowDisk extends MemoryDevice {
  readonly waiting: { readonly offset: number; go(error?: Error): void }[] = [];
  reads = 0;

  override read(target: Buffer, offset: number): Promise<void> {
    this.reads += 1;
    return new Promise((resolve, reject) => {
      const go = (error?: Error): void => {
        if (error === undefined) {
          super.read(target, offset);
          resolve();
        } else {
          reject(error);
        }
      };
      this.waiting.push({ offset, go });
    });
  }

  go(error?: Error): void {
    for (const { go } of this.waiting.splice(0)) go(error);
  }
}

function disk(units: number): SlowDisk {
  const made = new SlowDisk({ size: units * UNIT });
  for (let unit = 0; unit < units; unit++) {
    void made.write(Buffer.alloc(UNIT, unit + 1), unit * UNIT, { fua: false });
  }
  return made;
}

const unitOf = async (source: SharedSource, unit: number): Promise<number> => {
  const target = Buffer.alloc(UNIT);
  await source.read(target, unit * UNIT);
  expect(target.every((byte) => byte === target[0])).toBe(true);
  return target[0] ?? -1;
};

describe('what workers share', () => {
  it('is read from the storage once, and by the others from memory', async () => {
    const slow = disk(4);
    const [one, other] = views(2).map((view) => new SharedSource(slow, view, 1)) as [
      SharedSource,
      SharedSource,
    ];
    const first = unitOf(one, 2);
    const second = unitOf(other, 2);
    expect(slow.reads).toBe(1);
    expect(one.demands).toBe(1);
    slow.go();
    expect(await Promise.all([first, second])).toEqual([3, 3]);
    expect(await unitOf(other, 2)).toBe(3);
    expect(slow.reads).toBe(1);
    expect(one.demands).toBe(0);
  });

  it('is told apart by its content', async () => {
    const [view] = views(2);
    const [some, others] = [disk(4), disk(4)];
    await others.write(Buffer.alloc(UNIT, 77), 0, { fua: false });
    const first = unitOf(new SharedSource(some, view, 1), 0);
    some.go();
    expect(await first).toBe(1);
    const second = unitOf(new SharedSource(others, view, 2), 0);
    others.go();
    expect(await second).toBe(77);
  });

  it('is not kept when it came at once: it is in memory already', async () => {
    const [view] = views(2);
    const memory = new MemoryDevice({ size: 4 * UNIT });
    await memory.write(Buffer.alloc(UNIT, 9), 0, { fua: false });
    const source = new SharedSource(memory, view, 1);
    expect(source.read(Buffer.alloc(UNIT), 0)).toBeUndefined();
    expect(source.has(0)).toBe(false);
  });

  it('fails for whoever reads it, and is read again by whoever waited', async () => {
    const slow = disk(4);
    const [one, other] = views(2);
    const first = unitOf(new SharedSource(slow, one, 1), 1);
    const second = unitOf(new SharedSource(slow, other, 1), 1);
    slow.go(new BlockError('EIO', 'read', 0, UNIT, 'a bad sector'));
    await expect(first).rejects.toMatchObject({ errno: 'EIO' });
    await expect.poll(() => slow.waiting.length).toBe(1);
    slow.go();
    expect(await second).toBe(2);
  });

  it('makes room for what is new by what was used longest ago, never by what is being copied', () => {
    const [view] = views(1);
    for (let block = 0; block < WAYS; block++) {
      const taken = view.take(1, block);
      expect(taken.kind).toBe('mine');
      if (taken.kind === 'mine') view.fill(taken.slot, Buffer.alloc(UNIT, block));
    }
    const held = view.take(1, 0);
    expect(held.kind).toBe('ready');
    const taken = view.take(1, 100);
    expect([view.has(1, 0), view.has(1, 1), view.has(1, 2)]).toEqual([true, false, true]);
    if (taken.kind === 'mine') view.abandon(taken.slot);
    // Block 0 is copied now: it stays, whatever comes.
    for (let block = 200; block < 220; block++) {
      const next = view.take(1, block);
      if (next.kind === 'mine') view.fill(next.slot, Buffer.alloc(UNIT));
    }
    expect(view.has(1, 0)).toBe(true);
    if (held.kind === 'ready') {
      const copy = Buffer.alloc(UNIT, 1);
      view.copy(held.slot, copy);
      expect(copy.every((byte) => byte === 0)).toBe(true);
    }
  });

  it('takes nothing more while all of a set is being read', () => {
    const [view] = views(1);
    for (let block = 0; block < WAYS; block++) view.take(1, block);
    expect(view.take(1, 99).kind).toBe('full');
  });

  it('says what was read ahead for nothing', () => {
    const [view] = views(1);
    for (let block = 0; block < WAYS; block++) {
      const taken = view.take(1, block, true);
      if (taken.kind === 'mine') view.fill(taken.slot, Buffer.alloc(UNIT));
    }
    const wanted = view.take(1, 3);
    if (wanted.kind === 'ready') view.leave(wanted.slot);
    for (let block = 10; block < 10 + WAYS - 1; block++) {
      const taken = view.take(1, block);
      if (taken.kind === 'mine') view.fill(taken.slot, Buffer.alloc(UNIT));
    }
    expect(view.gauges()).toMatchObject({
      aheadHitBytes: UNIT,
      aheadWastedBytes: (WAYS - 1) * UNIT,
    });
  });

  it('holds nothing where not even one set has room', () => {
    expect(SharedCache.allocate(WAYS * UNIT - 1, UNIT)).toBeUndefined();
  });
});

describe('several threads', () => {
  it('never see a block of another place, while all of it changes places', async () => {
    const memory = SharedCache.allocate(2 * WAYS * UNIT, UNIT);
    const file = new URL('./support/shared-reader.ts', import.meta.url);
    const results = await Promise.all(
      [1, 2, 3].map(
        (number) =>
          new Promise<{ reads: number; wrong: number; fills: number }>((resolve, reject) => {
            const worker = new Worker(file, { workerData: { memory, seed: SEED + number } });
            worker.once('message', resolve);
            worker.once('error', reject);
            worker.once('exit', () => reject(new Error('the thread left')));
          }),
      ),
    );
    expect(results.map(({ wrong }) => wrong)).toEqual([0, 0, 0]);
    const reads = results.reduce((sum, one) => sum + one.reads, 0);
    const fills = results.reduce((sum, one) => sum + one.fills, 0);
    expect(fills).toBeLessThan(reads);
  });
});
