import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PagedBitmap, SharedBitmap } from '../../../src/base/index.ts';
import { SEED } from '../../support/seed.ts';
import {
  anchorOf,
  BARE,
  guestOf,
  PAGE_BITS,
  PAGES,
  type ReadingTask,
  STAY,
  STEADY,
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

type Step = readonly [change: 'set' | 'clear', from: number, to: number];

/** Single bits, runs, and runs so long that they fill a list; often at the same places. */
const step: fc.Arbitrary<Step> = fc
  .tuple(
    fc.constantFrom('set', 'set', 'clear'),
    fc.oneof(
      fc.nat(BITS - 1),
      fc.nat(40),
      fc.nat(40).map((n) => PAGE_BITS - 20 + n),
    ),
    fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2_000 })),
  )
  .map(([change, from, length]) => [change, from, Math.min(BITS, from + length)]);

describe('PagedBitmap', () => {
  test('does what a bitmap does, whatever its pages are', () => {
    const span = fc
      .tuple(fc.nat(BITS), fc.nat(BITS))
      .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 40 }),
        fc.array(span, { maxLength: 8 }),
        (steps, spans) => {
          const bitmap = paged(MODEL_PAGES);
          const model = plain(MODEL_PAGES);
          for (const [change, from, to] of steps) {
            bitmap[change](from, to);
            model[change](from, to);
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
          const bytes = bytesOf(bitmap, MODEL_PAGES);
          for (let bit = 0; bit < BITS; bit += 1) {
            const isSet = ((bytes[bit >>> 3] ?? 0) >>> (bit & 7)) & 1;
            if (isSet !== Number(model.test(bit))) expect.fail(`bit ${bit} is ${isSet}`);
          }
        },
      ),
      { seed: SEED, numRuns: 150 },
    );
  });

  test('has the same bits after it was loaded page by page, and any piece of its bytes can be had', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 20 }),
        fc.nat(MODEL_PAGES * PAGE_BYTES),
        fc.nat(MODEL_PAGES * PAGE_BYTES),
        (steps, a, b) => {
          const first = paged(MODEL_PAGES);
          for (const [change, from, to] of steps) first[change](from, to);
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
    const each = (change: 'set' | 'clear', page: number, from: number, to: number): void => {
      bitmap[change](page * PAGE_BITS + from, page * PAGE_BITS + to);
      model[change](page * PAGE_BITS + from, page * PAGE_BITS + to);
    };
    for (let page = 0; page < pages; page += 1) each('set', page, 5, 6);
    // Three of four lists of each frame go, and the pages become plain: nowhere is there more room than needed.
    for (let page = 0; page < pages; page += 1) if (page % 4 !== 1) each('set', page, 0, 800);
    for (let page = 0; page < pages; page += 1) if (page % 4 === 1) each('set', page, 100, 300);
    for (let page = 1; page < pages; page += 4) each('clear', page, 0, PAGE_BITS);
    for (let page = 1; page < pages; page += 4) each('set', page, 40, 50);
    for (let page = 1; page < pages; page += 4) each('set', page, 0, 1_000);
    expect(bitmap.count(0, pages * PAGE_BITS)).toBe(model.count(0, pages * PAGE_BITS));
    for (let page = 0; page < pages; page += 1) {
      const [from, to] = [page * PAGE_BITS, (page + 1) * PAGE_BITS];
      expect(bitmap.nextClear(from, to)).toBe(model.nextClear(from, to));
      expect(bitmap.count(from, to)).toBe(model.count(from, to));
    }
  });

  test('takes a kibibyte for a page with a few bits, wherever they are', () => {
    const pages = 256;
    const buffer = new SharedArrayBuffer(PagedBitmap.bytesFor(pages));
    const bitmap = new PagedBitmap(buffer, 0, pages);
    for (let page = 0; page < pages; page += 1) {
      for (let bit = 0; bit < PAGE_BITS; bit += 50)
        bitmap.set(page * PAGE_BITS + bit, page * PAGE_BITS + bit + 1);
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
    }
    Atomics.store(new Int32Array(stop), 0, 1);
    for (const [answer] of await Promise.all(answers)) {
      expect(answer.wrong).toEqual([]);
      expect(answer.reads).toBeGreaterThan(1_000);
    }
  }, 60_000);
});
