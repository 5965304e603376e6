import { describe, expect, test } from 'vitest';
import {
  forEachOf,
  Gather,
  GroupCommit,
  type MaybePromise,
  RangeLock,
  SharedMutex,
} from '../../../src/base/index.ts';

/** A promise and what settles it. */
function gate(): { promise: Promise<void>; open: () => void; fail: (error: Error) => void } {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  return { promise, open: resolve, fail: reject };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('forEachOf', () => {
  test('works on all items, and never on more at once than it may', async () => {
    let [running, most] = [0, 0];
    const seen: number[] = [];
    await forEachOf([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
      running += 1;
      most = Math.max(most, running);
      await settle();
      running -= 1;
      seen.push(item);
    });
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(most).toBe(3);
  });

  test('fails with the first failure, after what had begun has ended, and begins nothing more', async () => {
    const ended: number[] = [];
    const run = forEachOf([1, 2, 3, 4], 2, async (item) => {
      if (item === 2) throw new Error('two');
      await settle();
      ended.push(item);
    });
    await expect(run).rejects.toThrow('two');
    expect(ended).toEqual([1]);
  });

  test('has nothing to do for nothing', async () => {
    await forEachOf([], 4, () => Promise.reject(new Error('never')));
  });
});

describe('RangeLock', () => {
  test('runs overlapping work in order and other work at once', async () => {
    const lock = new RangeLock();
    const log: string[] = [];
    const first = gate();
    const work = (name: string, result: MaybePromise<void>) => () => {
      log.push(name);
      return result;
    };
    expect(lock.run(0, 10, work('sync', undefined))).toBeUndefined();
    expect(lock.idle).toBe(true);
    const a = lock.run(0, 10, work('a', first.promise));
    const b = lock.run(5, 15, work('b', undefined));
    const c = lock.run(12, 20, work('c', undefined)); // behind b, which waits for a
    expect(lock.run(20, 30, work('far', undefined))).toBeUndefined();
    expect(log).toEqual(['sync', 'a', 'far']);
    first.open();
    await Promise.all([a, b, c]);
    expect(log).toEqual(['sync', 'a', 'far', 'b', 'c']);
    await settle();
    expect(lock.idle).toBe(true);
  });

  test('goes on after work that failed', async () => {
    const lock = new RangeLock();
    const first = gate();
    const a = lock.run(0, 10, () => first.promise);
    const b = lock.run(0, 10, () => 'done');
    first.fail(new Error('broken'));
    await expect(a).rejects.toThrow('broken');
    expect(await b).toBe('done');
  });
});

describe('GroupCommit', () => {
  test('one step runs, one is queued for all who ask meanwhile', async () => {
    const steps: ReturnType<typeof gate>[] = [];
    let running = 0;
    const group = new GroupCommit(async () => {
      running += 1;
      expect(running).toBe(1);
      const step = gate();
      steps.push(step);
      await step.promise.finally(() => {
        running -= 1;
      });
    });
    const first = group.request();
    // Asks again in the very moment in which the first step settles.
    const again = first.then(() => group.request());
    const [b, c] = [group.request(), group.request()];
    expect(b).toBe(c);
    expect(steps.length).toBe(1);
    steps[0]?.open();
    await first;
    await settle();
    expect(steps.length).toBe(2);
    steps[1]?.fail(new Error('disk'));
    await expect(b).rejects.toThrow('disk');
    await expect(again).rejects.toThrow('disk');
    const later = group.request();
    expect(steps.length).toBe(3);
    steps[2]?.open();
    await later;
  });
});

describe('Gather', () => {
  test('settles only when every part is over, with the first failure', async () => {
    const gather = new Gather();
    const slow = gate();
    let settled = false;
    gather.run(() => Promise.reject(new Error('early')));
    gather.run(() => slow.promise);
    gather.run(() => {
      throw new Error('at once');
    });
    gather.run(() => {
      throw new Error('never started');
    });
    const result = Promise.resolve(gather.settle()).finally(() => {
      settled = true;
    });
    result.catch(() => {});
    await settle();
    expect(settled).toBe(false);
    slow.open();
    await expect(result).rejects.toThrow('at once');
  });

  test('is synchronous when its parts are', () => {
    const gather = new Gather();
    gather.run(() => undefined);
    expect(gather.settle()).toBeUndefined();
  });
});

describe('SharedMutex', () => {
  const words = (): Int32Array => new Int32Array(new SharedArrayBuffer(64));

  test('admits one at a time, in order within a thread, over several handles', async () => {
    const memory = words();
    const handles = [new SharedMutex(memory, 3), new SharedMutex(memory, 3)];
    let inside = 0;
    const order: number[][] = [[], []];
    const visit = async (handle: number, turn: number): Promise<void> => {
      await handles[handle]?.lock();
      expect(inside).toBe(0);
      inside += 1;
      order[handle]?.push(turn);
      await settle();
      inside -= 1;
      handles[handle]?.unlock();
    };
    await Promise.all(Array.from({ length: 80 }, (_, turn) => visit(turn % 2, turn)));
    for (const turns of order) expect(turns).toEqual([...turns].sort((a, b) => a - b));
    expect(order.flat().length).toBe(80);
    expect(memory[3]).toBe(0);
  });

  test('is taken without waiting when free, and not past somebody who waits', async () => {
    const mutex = new SharedMutex(words(), 0);
    expect(mutex.lock()).toBeUndefined();
    expect(mutex.tryLock()).toBe(false);
    const waiting = mutex.lock();
    mutex.unlock();
    expect(mutex.tryLock()).toBe(false);
    await waiting;
    mutex.unlock();
    expect(mutex.tryLock()).toBe(true);
  });
});
