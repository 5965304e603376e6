import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  everyPlaceOnce,
  Random,
  randomPlaces,
  sequentialPlaces,
  stripedPlaces,
} from '../../../bench/load/places.ts';

const area = fc.record({
  offset: fc.integer({ min: 0, max: 100 }).map((block) => block * 4096),
  blocks: fc.integer({ min: 1, max: 300 }),
  blockBytes: fc.constantFrom(512, 4096, 65_536),
});
const seed = fc.integer({ min: 0, max: 2 ** 31 });

describe('the places of requests', () => {
  it('lie in the area, on a block', () => {
    fc.assert(
      fc.property(area, seed, fc.integer({ min: 1, max: 40 }), (where, number, slots) => {
        const all = [
          randomPlaces(where, new Random(number)),
          stripedPlaces(where, new Random(number), slots),
          sequentialPlaces(where, true),
        ];
        for (const places of all) {
          for (let slot = 0; slot < slots; slot += 1) {
            const inside = (places.next(slot) - where.offset) / where.blockBytes;
            expect(Number.isInteger(inside)).toBe(true);
            expect(inside).toBeGreaterThanOrEqual(0);
            expect(inside).toBeLessThan(where.blocks);
          }
        }
      }),
    );
  });

  it('are every block once, in another order for another seed', () => {
    fc.assert(
      fc.property(area, seed, (where, number) => {
        const places = everyPlaceOnce(where, new Random(number));
        const seen = new Set<number>();
        for (let at = places.next(0); at >= 0; at = places.next(0)) seen.add(at);
        expect(seen.size).toBe(where.blocks);
        expect(places.next(0)).toBe(-1);
      }),
    );
    const where = { offset: 0, blocks: 100, blockBytes: 4096 };
    const first = (number: number): number[] => {
      const places = everyPlaceOnce(where, new Random(number));
      return Array.from({ length: 10 }, () => places.next(0));
    };
    expect(first(1)).toEqual(first(1));
    expect(first(1)).not.toEqual(first(2));
  });

  it('of requests in flight never meet when they are striped', () => {
    const places = stripedPlaces({ offset: 0, blocks: 101, blockBytes: 1 }, new Random(3), 7);
    const owners = new Map<number, number>();
    for (let turn = 0; turn < 2000; turn += 1) {
      const slot = turn % 7;
      const at = places.next(slot);
      expect(owners.get(at) ?? slot).toBe(slot);
      owners.set(at, slot);
    }
    expect(owners.size).toBe(101);
  });

  it('end after one pass, or begin again', () => {
    const where = { offset: 10, blocks: 2, blockBytes: 5 };
    const once = sequentialPlaces(where, false);
    expect([1, 2, 3].map(() => once.next(0))).toEqual([10, 15, -1]);
    const again = sequentialPlaces(where, true);
    expect([1, 2, 3].map(() => again.next(0))).toEqual([10, 15, 10]);
  });
});
