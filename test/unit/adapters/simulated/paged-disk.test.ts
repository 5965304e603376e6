import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PAGE_BYTES } from '../../../../src/adapters/simulated/limits.ts';
import { PagePool, PoolFull } from '../../../../src/adapters/simulated/page-pool.ts';
import { PagedDisk } from '../../../../src/adapters/simulated/paged-disk.ts';
import { SEED } from '../../../support/seed.ts';

const PAGES = 6;
const DISKS = 5;

interface Change {
  readonly kind: 'write' | 'hole';
  readonly disk: number;
  readonly page: number;
  readonly fill: number;
}

interface Copying {
  readonly kind: 'share' | 'become' | 'clear';
  readonly disk: number;
  readonly other: number;
}

type Step = Change | Copying;

const disk = fc.nat(DISKS - 1);
const steps = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constantFrom<Change['kind']>('write', 'write', 'hole'),
      disk,
      page: fc.nat(PAGES - 1),
      fill: fc.integer({ min: 1, max: 255 }),
    }),
    fc.record({
      kind: fc.constantFrom<Copying['kind']>('share', 'become', 'clear'),
      disk,
      other: disk,
    }),
  ),
  { maxLength: 60 },
);

/** What a naive array does: every disk has bytes of its own (one for each page). */
type Model = number[][];

function apply(step: Step, disks: PagedDisk[], model: Model, pool: PagePool): void {
  const target = disks[step.disk];
  const bytes = model[step.disk];
  if (target === undefined || bytes === undefined) return;
  if ('page' in step) {
    if (step.kind === 'hole') {
      target.makeHoles(step.page, 1);
      bytes[step.page] = 0;
    } else {
      target.makeWritable(step.page, 1);
      pool.bytes(target.table.get(step.page)).fill(step.fill);
      bytes[step.page] = step.fill;
    }
  } else if (step.kind === 'clear') {
    target.clear();
    bytes.fill(0);
  } else {
    const other = disks[step.other];
    if (other === undefined || other === target) return;
    model[step.disk] = [...(model[step.other] ?? [])];
    if (step.kind === 'become') {
      target.becomeLike(other);
      return;
    }
    target.clear();
    disks[step.disk] = PagedDisk.share([other], true)[0] ?? target;
  }
}

const contentOf = (each: PagedDisk): number[] =>
  Array.from({ length: PAGES }, (_, index) => each.pageBytes(index)?.[PAGE_BYTES - 1] ?? 0);

describe('disks that share pages', () => {
  test('hold what a naive array would, and no page is lost or kept', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const pool = new PagePool(PAGES * DISKS * PAGE_BYTES);
        const disks = Array.from({ length: DISKS }, () => new PagedDisk(pool, PAGES * PAGE_BYTES));
        const model: Model = disks.map(() => new Array<number>(PAGES).fill(0));
        for (const step of list) {
          apply(step, disks, model, pool);
          expect(disks.map(contentOf)).toEqual(model);
        }
        for (const [index, one] of disks.entries()) {
          for (const [from, other] of disks.entries()) {
            const range = { offset: 0, length: PAGES * PAGE_BYTES, limit: 100 };
            const told = one.differences(other, range);
            for (let page = 0; page < PAGES; page += 1) {
              const at = page * PAGE_BYTES;
              const extent = told.find(
                (each) => each.offset <= at && at < each.offset + each.length,
              );
              if (extent?.kind === 'hole') expect(model[index]?.[page]).toBe(0);
              if (extent === undefined) expect(model[index]?.[page]).toBe(model[from]?.[page]);
            }
          }
        }
        for (const each of disks) each.clear();
        expect(pool.usedBytes).toBe(0);
      }),
      { seed: SEED, numRuns: 100 },
    );
  });

  test('are full when there are no pages left, and go on when there are again', () => {
    const pool = new PagePool(2 * PAGE_BYTES);
    const one = new PagedDisk(pool, 4 * PAGE_BYTES);
    one.makeWritable(0, 2);
    expect(() => one.makeWritable(2, 1)).toThrow(PoolFull);
    const [copy] = PagedDisk.share([one], false);
    expect(() => one.makeWritable(0, 1)).toThrow(PoolFull);
    copy?.clear();
    one.makeWritable(0, 2); // nobody else holds them any more: no copy is needed
    one.makeHoles(0, 1);
    one.makeWritable(2, 1);
    expect(one.pageBytes(2)?.every((byte) => byte === 0)).toBe(true);
    expect(pool.usedBytes).toBe(pool.capacityBytes);
  });
});
