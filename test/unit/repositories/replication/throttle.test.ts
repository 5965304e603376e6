import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Throttle } from '../../../../src/repositories/replication/index.ts';
import { SEED } from '../../../support/seed.ts';

/** Time passes only while somebody sleeps. */
class SleepyTime {
  now = 0;
  readonly parts = {
    now: () => this.now,
    sleep: async (milliseconds: number, signal: AbortSignal): Promise<void> => {
      signal.throwIfAborted();
      this.now += milliseconds;
    },
  };
}

describe('a throttle', () => {
  it('lets no more pass than its rate, on average, and hardly less', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1000, max: 1e9 }),
        fc.array(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 20, maxLength: 60 }),
        async (rate, takes) => {
          const time = new SleepyTime();
          const throttle = new Throttle(rate, time.parts);
          const signal = new AbortController().signal;
          let before = 0;
          for (const bytes of takes) {
            await throttle.take(bytes, signal);
            // All but the last was paid for.
            expect(time.now).toBeGreaterThanOrEqual(Math.floor((before / rate) * 1000));
            before += bytes;
            expect(time.now).toBeLessThanOrEqual(Math.ceil((before / rate) * 1000) + takes.length);
          }
        },
      ),
      { seed: SEED, numRuns: 40 },
    );
  });

  it('takes another rate while somebody waits', async () => {
    let wake: (() => void) | undefined;
    let slept = 0;
    const throttle = new Throttle(1, {
      now: () => 0,
      sleep: (_milliseconds, signal) =>
        new Promise((resolve, reject) => {
          slept += 1;
          wake = resolve;
          signal.addEventListener('abort', () => reject(signal.reason));
        }),
    });
    const signal = new AbortController().signal;
    await throttle.take(1_000_000, signal);
    const waiting = throttle.take(1, signal);
    expect(wake).toBeDefined();
    throttle.set(undefined);
    await waiting;
    expect(slept).toBe(1);
    expect(throttle.bytesPerSecond).toBeUndefined();
  });

  it('ends with the reason of the signal', async () => {
    const abort = new AbortController();
    const throttle = new Throttle(1, {
      now: () => 0,
      sleep: (_milliseconds, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
        }),
    });
    await throttle.take(100, abort.signal);
    const waiting = throttle.take(100, abort.signal);
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await expect(throttle.take(1, abort.signal)).rejects.toThrow('enough');
  });
});
