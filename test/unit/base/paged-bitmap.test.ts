import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PagedBitmap, SharedBitmap } from '../../../src/base/index.ts';
import { SEED } from '../../support/seed.ts';
import {
  anchorOf,
  BARE,
  besideWalls,
  guestOf,
  PAGE_BITS,
  PAGES,
  type ReadingTask,
  STAY,
  STEADY,
  wallOf,
} from './paged-bitmap-reader.ts';

const PAGE_BYTES = PAGE_BITS / 8;
const MODEL_PAGES = 4;
const BITS = MODEL_PAGES * PAGE_BITS;
/** Changes while others read. */
const ROUNDS = 300_000;

function paged(pages: number): PagedBitmap {
  return new PagedBitmap(new SharedArrayBuffer(PagedBitmap.bytesFor(pages)), 0, pages);
}

function plain(pages: number): SharedBitmap {
  return new SharedBitmap(new SharedArrayBuffer(pages * PAGE_BYTES), 0, pages * PAGE_BITS);
}

function bytesOf(bitmap: PagedBitmap, pages: number): Buffer {
  const bytes = Buffer.alloc(pages * PAGE_BYTES);
  bitmap.copyBytes(bytes, 0);
  return bytes;
}

function bytesOfModel(model: SharedBitmap): Buffer {
  const bytes = Buffer.alloc(model.length / 8);
  for (let bit = 0; bit < model.length; bit += 1) {
    const byte = bit >>> 3;
    if (model.test(bit)) bytes[byte] = (bytes[byte] ?? 0) | (1 << (bit & 7));
  }
  return bytes;
}

type Change = 'set' | 'clear';
type Step = readonly [change: Change, from: number, to: number];

const change = fc.constantFrom<Change[]>('set', 'set', 'clear');
const place = fc.oneof(
  fc.nat(BITS - 1),
  fc.nat(40),
  fc.nat(40).map((n) => PAGE_BITS - 20 + n),
);

/** Single bits, runs, and runs so long that no list of bits has room for them; often at the same places. */
const single: fc.Arbitrary<Step[]> = fc
  .tuple(
    change,
    place,
    fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2_000 })),
  )
  .map(([how, from, length]) => [[how, from, Math.min(BITS, from + length)]]);

/** Many runs: up to and beyond what a list of bits, and one of runs, has room for. */
const comb: fc.Arbitrary<Step[]> = fc
  .record({
    how: change,
    from: place,
    length: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 70 })),
    gap: fc.integer({ min: 1, max: 90 }),
    count: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 370, max: 800 })),
  })
  .map(({ how, from, length, gap, count }) =>
    Array.from({ length: count }, (_, n): Step => {
      const at = from + n * (length + gap);
      return [how, Math.min(BITS, at), Math.min(BITS, at + length)];
    }),
  );

const steps = (most: number): fc.Arbitrary<Step[][]> =>
  fc.array(fc.oneof({ weight: 5, arbitrary: single }, { weight: 1, arbitrary: comb }), {
    maxLength: most,
  });

describe('PagedBitmap', () => {
  test('does what a bitmap does, whatever its pages are', () => {
    const span = fc
      .tuple(fc.nat(BITS), fc.nat(BITS))
      .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
    fc.assert(
      fc.property(steps(40), fc.array(span, { maxLength: 8 }), (made, spans) => {
        const bitmap = paged(MODEL_PAGES);
        const model = plain(MODEL_PAGES);
        for (const together of made) {
          for (const [how, from, to] of together) {
            bitmap[how](from, to);
            model[how](from, to);
          }
          const [, from, to] = together.at(-1) ?? ['set', 0, 0];
          const around: [number, number] = [Math.max(0, from - 3), Math.min(BITS, to + 3)];
          expect(bitmap.nextSet(...around)).toBe(model.nextSet(...around));
          expect(bitmap.nextClear(...around)).toBe(model.nextClear(...around));
          expect(bitmap.count(...around)).toBe(model.count(...around));
          for (let bit = around[0]; bit < Math.min(around[1], around[0] + 8); bit += 1) {
            expect(bitmap.test(bit)).toBe(model.test(bit));
          }
        }
        for (const [from, to] of spans) {
          expect(bitmap.nextSet(from, to)).toBe(model.nextSet(from, to));
          expect(bitmap.nextClear(from, to)).toBe(model.nextClear(from, to));
          expect(bitmap.count(from, to)).toBe(model.count(from, to));
        }
        expect(bytesOf(bitmap, MODEL_PAGES).equals(bytesOfModel(model))).toBe(true);
      }),
      { seed: SEED, numRuns: 150 },
    );
  });

  test('has the same bits after it was loaded page by page, and any piece of its bytes can be had', () => {
    fc.assert(
      fc.property(
        steps(20),
        fc.nat(MODEL_PAGES * PAGE_BYTES),
        fc.nat(MODEL_PAGES * PAGE_BYTES),
        (made, a, b) => {
          const first = paged(MODEL_PAGES);
          for (const [how, from, to] of made.flat()) first[how](from, to);
          const bytes = bytesOf(first, MODEL_PAGES);
          const second = paged(MODEL_PAGES);
          for (let page = 0; page < MODEL_PAGES; page += 1) {
            const words = new Int32Array(bytes.buffer, bytes.byteOffset + page * PAGE_BYTES, 1024);
            const bits = first.count(page * PAGE_BITS, (page + 1) * PAGE_BITS);
            expect(second.loadPage(page, words)).toBe(bits);
          }
          expect(bytesOf(second, MODEL_PAGES).equals(bytes)).toBe(true);
          const piece = Buffer.alloc(Math.abs(a - b));
          second.copyBytes(piece, Math.min(a, b));
          expect(piece.equals(bytes.subarray(Math.min(a, b), Math.max(a, b)))).toBe(true);
        },
      ),
      { seed: SEED, numRuns: 60 },
    );
  });

  test('finds room for every page in whatever form, also after lists have come and gone', () => {
    const pages = 64;
    const bitmap = paged(pages);
    const model = plain(pages);
    const each = (how: Change, page: number, from: number, to: number): void => {
      bitmap[how](page * PAGE_BITS + from, page * PAGE_BITS + to);
      model[how](page * PAGE_BITS + from, page * PAGE_BITS + to);
    };
    const scatter = (page: number): void => {
      for (let bit = 0; bit < 1_600; bit += 2) each('set', page, bit, bit + 1);
    };
    for (let page = 0; page < pages; page += 1) each('set', page, 5, 6);
    // Three of four lists of each frame go, and the pages become plain: nowhere is there more room than needed.
    for (let page = 0; page < pages; page += 1) if (page % 4 !== 1) scatter(page);
    for (let page = 0; page < pages; page += 1) if (page % 4 === 1) each('set', page, 100, 300);
    for (let page = 1; page < pages; page += 4) each('clear', page, 0, PAGE_BITS);
    for (let page = 1; page < pages; page += 4) each('set', page, 40, 50);
    for (let page = 1; page < pages; page += 4) each('set', page, 0, 1_000);
    for (let page = 1; page < pages; page += 4) scatter(page);
    for (let page = 1; page < pages; page += 4) each('clear', page, 990, 999);
    for (let page = 1; page < pages; page += 8) scatter(page);
    expect(bitmap.count(0, pages * PAGE_BITS)).toBe(model.count(0, pages * PAGE_BITS));
    for (let page = 0; page < pages; page += 1) {
      const [from, to] = [page * PAGE_BITS, (page + 1) * PAGE_BITS];
      expect(bitmap.nextClear(from, to)).toBe(model.nextClear(from, to));
      expect(bitmap.count(from, to)).toBe(model.count(from, to));
    }
  });

  test.each([
    { what: 'few bits', length: 1, stride: 50 },
    { what: 'few runs', length: 64, stride: 100 },
    { what: 'one run', length: PAGE_BITS, stride: PAGE_BITS },
  ])('takes a kibibyte for a page with $what, wherever they are', ({ length, stride }) => {
    const pages = 256;
    const buffer = new SharedArrayBuffer(PagedBitmap.bytesFor(pages));
    const bitmap = new PagedBitmap(buffer, 0, pages);
    for (let page = 0; page < pages; page += 1) {
      for (let bit = 0; bit + length <= PAGE_BITS; bit += stride)
        bitmap.set(page * PAGE_BITS + bit, page * PAGE_BITS + bit + length);
    }
    const bytes = new Uint8Array(buffer);
    let touched = 0;
    for (let at = 0; at < bytes.length; at += PAGE_BYTES) {
      if (bytes.subarray(at, at + PAGE_BYTES).some((byte) => byte !== 0)) touched += 1;
    }
    // Four pages in each frame, the directory, and the frame in which the last change was made.
    expect(touched).toBeLessThanOrEqual(pages / 4 + 3);
  });

  test('takes all of a page, and only of an empty one', () => {
    const bitmap = paged(2);
    expect(() => bitmap.loadPage(0, new Int32Array(16))).toThrow('16 words of a page');
    bitmap.set(PAGE_BITS, PAGE_BITS + 1000);
    expect(() => bitmap.loadPage(1, new Int32Array(PAGE_BYTES / 4))).toThrow('page 1 is not empty');
    expect([bitmap.count(0, PAGE_BITS), bitmap.count(PAGE_BITS, 2 * PAGE_BITS)]).toEqual([0, 1000]);
  });

  test('has nothing in an empty range, also at its very end', () => {
    for (const length of [0, 1, 800, PAGE_BITS]) {
      const bitmap = paged(1);
      bitmap.set(PAGE_BITS - length, PAGE_BITS);
      for (const at of [0, PAGE_BITS / 2, PAGE_BITS]) {
        expect(bitmap.nextSet(at, at)).toBe(at);
        expect(bitmap.nextClear(at, at)).toBe(at);
        expect(bitmap.count(at, at)).toBe(0);
      }
    }
  });

  test('is a list of 768 bits, and a plain page with one more; bits that are set are none', () => {
    const bitmap = paged(2);
    const bits = Array.from({ length: 769 }, (_, n) => PAGE_BITS + ((n * 131) % PAGE_BITS));
    for (const [at, bit] of bits.entries()) {
      bitmap.set(bit, bit + 1);
      bitmap.set(bit, bit + 1);
      expect(bitmap.count(0, 2 * PAGE_BITS)).toBe(at + 1);
    }
    for (const bit of bits) expect(bitmap.test(bit)).toBe(true);
    for (const bit of bits) bitmap.clear(bit, bit + 1);
    expect(bitmap.nextSet(0, 2 * PAGE_BITS)).toBe(2 * PAGE_BITS);
  });

  test('is a list of 384 runs, and a plain page with one more; what is so already changes nothing', () => {
    const bitmap = paged(1);
    const model = plain(1);
    const both = (how: Change, from: number, to: number): void => {
      for (let twice = 0; twice < 2; twice += 1) bitmap[how](from, to);
      model[how](from, to);
      expect(bitmap.count(0, PAGE_BITS)).toBe(model.count(0, PAGE_BITS));
    };
    both('set', 0, 1_000);
    for (let run = 1; run < 386; run += 1) both('set', 1_000 + run * 80, 1_000 + run * 80 + 9);
    expect(bytesOf(bitmap, 1).equals(bytesOfModel(model))).toBe(true);
    both('clear', 0, PAGE_BITS);
    expect(bitmap.nextSet(0, PAGE_BITS)).toBe(PAGE_BITS);
    // A list of runs: it is split, joined, moved at either end, and gone.
    const runs = paged(1);
    runs.set(0, PAGE_BITS);
    runs.clear(100, 200);
    expect([runs.nextClear(0, PAGE_BITS), runs.nextSet(100, PAGE_BITS)]).toEqual([100, 200]);
    runs.set(100, 150);
    runs.clear(200, 250);
    expect([runs.nextClear(0, PAGE_BITS), runs.nextSet(150, PAGE_BITS)]).toEqual([150, 250]);
    runs.set(140, 260);
    expect(runs.nextClear(0, PAGE_BITS)).toBe(PAGE_BITS);
    runs.clear(PAGE_BITS - 1, PAGE_BITS);
    expect(runs.count(0, PAGE_BITS)).toBe(PAGE_BITS - 1);
    runs.clear(0, PAGE_BITS - 1);
    expect([runs.count(0, PAGE_BITS), runs.nextSet(0, PAGE_BITS)]).toEqual([0, PAGE_BITS]);
  });

  test('works at the last bit of the largest bitmap', () => {
    const pages = 2 ** 15;
    const bitmap = paged(pages);
    const bits = pages * PAGE_BITS;
    bitmap.set(bits - 1, bits);
    expect(bitmap.test(bits - 1)).toBe(true);
    expect(bitmap.nextSet(0, bits)).toBe(bits - 1);
    bitmap.set(bits - 1_000, bits);
    expect(bitmap.count(bits - 2_000, bits)).toBe(1_000);
    expect(bitmap.nextClear(bits - 1_000, bits)).toBe(bits);
  });

  test('is read by other threads while lists come, go and take each other’s place', async () => {
    const shared = new SharedArrayBuffer(PagedBitmap.bytesFor(PAGES));
    const stop = new SharedArrayBuffer(4);
    const bitmap = new PagedBitmap(shared, 0, PAGES);
    for (let page = 0; page < BARE; page += 1) {
      for (let group = 0; group < 128; group += 1) {
        bitmap.set(anchorOf(page, group), anchorOf(page, group) + 1);
      }
    }
    const workerData: ReadingTask = { shared, stop };
    const url = new URL('./paged-bitmap-reader.ts', import.meta.url);
    for (let group = 0; group < 128; group += 1) bitmap.set(...wallOf(group));
    const readers = [0, 1].map(() => new Worker(url, { workerData }));
    const answers = readers.map((reader) => once(reader, 'message'));
    await Promise.all(readers.map((reader) => once(reader, 'online')));
    const guest = (page: number, n: number, change: 'set' | 'clear'): void =>
      bitmap[change](guestOf(page, n), guestOf(page, n) + 1);
    for (let n = 0; n < ROUNDS; n += 1) {
      const page = n % STEADY;
      guest(page, n, 'set');
      if (n >= STEADY * STAY) guest(page, n - STEADY * STAY, 'clear');
      if (n % 30 === 0) guest(STEADY + Math.floor((n * (BARE - STEADY)) / ROUNDS), n / 30, 'set');
      guest(BARE, n >>> 1, n % 2 === 0 ? 'set' : 'clear');
      bitmap[n % 2 === 0 ? 'set' : 'clear'](...besideWalls(n >>> 1));
    }
    Atomics.store(new Int32Array(stop), 0, 1);
    for (const [answer] of await Promise.all(answers)) {
      expect(answer.wrong).toEqual([]);
      expect(answer.reads).toBeGreaterThan(1_000);
    }
  }, 60_000);
});
