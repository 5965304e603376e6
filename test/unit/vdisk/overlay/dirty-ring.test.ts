/** Nothing that was noted is ever missed: a flush hears of it, or hears that it has to sync everything. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  DIRTY_COUNTER_WORDS,
  DIRTY_RING_WORDS,
  DirtyRing,
  mergeSpans,
} from '../../../../src/vdisk/overlay/dirty-ring.ts';
import { DIRTY_RANGES } from '../../../../src/vdisk/overlay/limits.ts';
import { eventLoopTurns } from '../../../support/content.ts';
import { SEED } from '../../../support/seed.ts';
import { fromOf, lengthOf, type NotingTask, ringOf, SETTLED_WORD } from './dirty-ring-worker.ts';

interface Memory {
  readonly ring: DirtyRing;
  readonly counters: Int32Array;
  readonly places: Int32Array;
}

/** @param start the number that is drawn next: they wrap around */
function fresh(start = 0): Memory {
  const counters = new Int32Array(new SharedArrayBuffer(DIRTY_COUNTER_WORDS * 4));
  const places = new Int32Array(new SharedArrayBuffer(DIRTY_RING_WORDS * 4));
  counters[0] = start;
  counters[16] = start;
  return { ring: new DirtyRing(counters, places), counters, places };
}

type Step = 'take' | 'unlisted' | { readonly from: number; readonly to: number };

const notes = fc
  .tuple(
    fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 2 ** 30 - 100 })),
    fc.integer({ min: 1, max: 64 }),
  )
  .map(([from, length]) => ({ from, to: from + length }));

describe('the ring', () => {
  test('behaves as a list with a limit', () => {
    const steps = fc.array(
      fc.oneof(
        { weight: 8, arbitrary: fc.array(notes, { minLength: 1, maxLength: 30 }) },
        { weight: 4, arbitrary: fc.constant<Step[]>(['take']) },
        { weight: 1, arbitrary: fc.constant<Step[]>(['unlisted']) },
      ),
      { maxLength: 60 },
    );
    const starts = fc.constantFrom(0, 1, 2 ** 31 - 40, -40, -1);
    const property = fc.property(steps, starts, (bursts, start) => {
      const { ring } = fresh(start);
      let listed: { from: number; to: number }[] = [];
      let unlisted = false;
      for (const step of [...bursts.flat(), 'take' as const]) {
        if (step === 'unlisted') {
          ring.noteUnlisted();
          unlisted = true;
        } else if (step === 'take') {
          expect(ring.take()).toEqual(unlisted ? undefined : listed);
          listed = [];
          unlisted = false;
        } else {
          ring.note(step.from, step.to);
          listed.push(step);
          if (listed.length > DIRTY_RANGES) unlisted = true;
        }
      }
    });
    fc.assert(property, { seed: SEED, numRuns: 300 });
  });

  test('has room for as many as it says, and not for one more', () => {
    const { ring } = fresh();
    for (let pass = 0; pass < 3; pass++) {
      for (let n = 0; n < DIRTY_RANGES; n++) ring.note(n, n + 1);
      expect(ring.take()).toHaveLength(DIRTY_RANGES);
      for (let n = 0; n <= DIRTY_RANGES; n++) ring.note(n, n + 1);
      expect(ring.take()).toBeUndefined();
      expect(ring.take()).toEqual([]);
    }
  });

  test('does not take a writer for done that has only drawn its number', () => {
    for (const earlier of [0, 1, DIRTY_RANGES + 1, 3 * DIRTY_RANGES]) {
      const { ring, counters } = fresh();
      for (let n = 0; n < earlier; n++) {
        ring.note(5, 6);
        ring.take();
      }
      Atomics.add(counters, 0, 1);
      ring.note(5, 6);
      expect(ring.take(), `after ${earlier}`).toBeUndefined();
    }
  });

  test('does not take halves of two writers in one place for a range', () => {
    const property = fc.property(notes, notes, fc.nat({ max: 63 }), (late, current, index) => {
      fc.pre(late.from !== current.from || late.to !== current.to);
      // The late one has drawn `index`, and goes on when the place is of the next pass.
      const rounds = fresh();
      for (let n = 0; n < index; n++) rounds.ring.note(n, n + 1);
      Atomics.add(rounds.counters, 0, 1);
      for (let n = index + 1; n < DIRTY_RANGES; n++) rounds.ring.note(n, n + 1);
      expect(rounds.ring.take()).toBeUndefined();
      for (let n = 0; n <= index; n++) rounds.ring.note(current.from, current.to);
      const place = index * 4;
      const steps = [
        () => Atomics.store(rounds.places, place + 1, late.from),
        () => Atomics.store(rounds.places, place + 2, late.to),
        () => {
          // Its tag, as the ring makes it: by a ring in which it is not late.
          const other = fresh(index);
          other.ring.note(late.from, late.to);
          Atomics.store(rounds.places, place, other.places[place] ?? 0);
        },
      ];
      const saved = [...rounds.places];
      const tail = rounds.counters[16] ?? 0;
      for (let done = 1; done <= steps.length; done++) {
        rounds.places.set(saved);
        rounds.counters[16] = tail;
        for (const step of steps.slice(0, done)) step();
        const same =
          done === 1
            ? late.from === current.from
            : done === 2 && late.to === current.to && late.from === current.from;
        if (!same) expect(rounds.ring.take(), `${done} of 3`).toBeUndefined();
      }
    });
    fc.assert(property, { seed: SEED, numRuns: 300 });
  });

  test('misses nothing of threads that hammer it', { timeout: 240_000 }, async () => {
    const threads = 3;
    const shared = new SharedArrayBuffer((SETTLED_WORD + 2 * threads + 1) * 4);
    const words = new Int32Array(shared);
    const ring = ringOf(shared);
    const workers = Array.from({ length: threads }, (_, thread) => {
      const workerData: NotingTask = { shared, thread, threads };
      return new Worker(new URL('./dirty-ring-worker.ts', import.meta.url), { workerData });
    });
    const results = workers.map(async (worker) => (await once(worker, 'message'))[0] as number);
    const counters = (first: number): number[] =>
      workers.map((_, thread) => Atomics.load(words, first + thread));
    const settled = (): number[] => counters(SETTLED_WORD);
    while (settled().includes(0)) await eventLoopTurns(1);
    /** Of each thread, writes that a flush has made durable. */
    const durable = workers.map(() => 0);
    const found = new Set<number>();
    let lists = 0;
    let overflows = 0;
    const flush = (): void => {
      const promised = settled();
      const spans = ring.take();
      if (spans === undefined) {
        // It syncs the volumes, and with them whatever was written by now.
        overflows += 1;
        for (const [thread, count] of counters(SETTLED_WORD + threads).entries()) {
          durable[thread] = count;
        }
        found.clear();
      } else {
        if (spans.length > 0) lists += 1;
        for (const { from, to } of spans) {
          if (to - from !== lengthOf(from)) throw new Error(`nobody noted ${from} to ${to}`);
          found.add(from);
        }
      }
      for (const [thread, count] of promised.entries()) {
        let done = durable[thread] ?? 0;
        for (; done < count; done++) {
          if (!found.delete(fromOf(thread, done))) throw new Error(`${done} of ${thread} is lost`);
        }
        durable[thread] = done;
      }
    };
    const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);
    for (let round = 1; lists < 8_000 && round < 200_000; round++) {
      flush();
      const promised = sum(settled()) + (round % 20);
      for (let look = 0; look < 2000 && sum(settled()) < promised; look++);
      if (round % 64 === 0) await eventLoopTurns(1);
      if (round % 1000 !== 0) continue;
      // A flush that comes late finds more than there is room for.
      const enough = sum(settled()) + DIRTY_RANGES + 1;
      while (sum(settled()) < enough) await eventLoopTurns(1);
    }
    Atomics.store(words, SETTLED_WORD + 2 * threads, 1);
    const counts = await Promise.all(results);
    flush();
    expect(durable).toEqual(counts);
    expect(lists).toBeGreaterThan(100);
    expect(overflows).toBeGreaterThan(0);
  });
});

test('spans are merged where they touch', () => {
  const property = fc.property(
    fc.array(
      fc.tuple(fc.nat({ max: 60 }), fc.integer({ min: 1, max: 9 })).map(([from, length]) => ({
        from,
        to: from + length,
      })),
    ),
    (spans) => {
      const blocks = (list: readonly { from: number; to: number }[]): Set<number> =>
        new Set(
          list.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, i) => from + i)),
        );
      const merged = mergeSpans(spans);
      expect(blocks(merged)).toEqual(blocks(spans));
      for (const [index, { from }] of merged.entries()) {
        if (index > 0) expect(from).toBeGreaterThan(merged[index - 1]?.to ?? 0);
      }
    },
  );
  fc.assert(property, { seed: SEED });
});
