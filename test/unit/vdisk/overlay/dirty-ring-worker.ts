/** One of several threads that note ranges as fast as they can. Started by dirty-ring.test.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import {
  DIRTY_COUNTER_WORDS,
  DIRTY_RING_WORDS,
  DirtyRing,
} from '../../../../src/vdisk/overlay/dirty-ring.ts';

export interface NotingTask {
  /** Counters, places, then for each thread how many of its writes are written and settled, then a word to stop. */
  readonly shared: SharedArrayBuffer;
  readonly thread: number;
  readonly threads: number;
}

export const SETTLED_WORD = DIRTY_COUNTER_WORDS + DIRTY_RING_WORDS;

export function ringOf(shared: SharedArrayBuffer): DirtyRing {
  return new DirtyRing(
    new Int32Array(shared, 0, DIRTY_COUNTER_WORDS),
    new Int32Array(shared, DIRTY_COUNTER_WORDS * 4, DIRTY_RING_WORDS),
  );
}

/** The blocks of the n-th note of a thread: nobody else's overlap them, and 7 is no power of 2. */
export const fromOf = (thread: number, n: number): number => (n * 16 + thread) * 8;
export const lengthOf = (from: number): number => 1 + ((from / 8) % 7);

/** Notes until it is told to stop. */
function hammer({ shared, thread, threads }: NotingTask): number {
  const ring = ringOf(shared);
  const words = new Int32Array(shared);
  const written = SETTLED_WORD + threads + thread;
  const stop = SETTLED_WORD + 2 * threads;
  let n = 0;
  while (Atomics.load(words, stop) === 0 && n < 2 ** 22) {
    const from = fromOf(thread, n);
    Atomics.store(words, written, n + 1);
    ring.note(from, from + lengthOf(from));
    n += 1;
    Atomics.store(words, SETTLED_WORD + thread, n);
    // Pauses of many lengths: the ring overflows now and then, and not always.
    for (let pause = (n * 131 + thread * 17) % 700; pause > 0; pause--) Atomics.load(words, stop);
  }
  return n;
}

if (parentPort !== null) parentPort.postMessage(hammer(workerData as NotingTask));
