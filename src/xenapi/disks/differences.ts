/**
 * VDIs that hold only what differs from another one: VDI.copy with a base made them. Which of their blocks are zeroes
 * where the base had something is kept in a row of the catalog; all their other blocks of zeroes are not held.
 *
 * Who writes to a difference afterwards adds to it, but for zeroes: those are not seen.
 */
import { type ClassDescription, describeClass, field, set } from '../datamodel/description.ts';
import type { Xen } from '../xen.ts';

/** Never a class of the datamodel: nobody can call it. */
export const DIFFERENCE: ClassDescription = describeClass({
  name: 'VDI:difference',
  doc: 'Blocks of zeroes of a difference',
  role: 'pool-admin',
  fields: {
    /** First block and count of each run, in turn. */
    zeroed: field(set('int'), 'dynamic', 'Runs of blocks', { byDefault: [] }),
  },
  messages: {},
});

type Kept = Pick<Xen, 'kept'>;

/** Blocks, as runs in order. */
export class ZeroedBlocks {
  readonly #runs: readonly (readonly [first: number, end: number])[];

  /** @param runs first block and count of each, in turn */
  constructor(runs: readonly number[]) {
    const pairs: [number, number][] = [];
    for (let at = 0; at + 1 < runs.length; at += 2) {
      const [first = 0, count = 0] = runs.slice(at, at + 2);
      pairs.push([first, first + count]);
    }
    this.#runs = pairs;
  }

  has(block: number): boolean {
    let [low, high] = [0, this.#runs.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#runs[middle]?.[1] ?? 0) > block) high = middle;
      else low = middle + 1;
    }
    return (this.#runs[low]?.[0] ?? Infinity) <= block;
  }

  /** Those from `first` up to `end`, `end` not among them. */
  *within(first: number, end: number): Iterable<number> {
    for (const [start, stop] of this.#runs) {
      for (let block = Math.max(first, start); block < Math.min(end, stop); block++) yield block;
    }
  }
}

/** undefined: it is no difference. */
export function zeroedBlocksOf({ kept }: Kept, id: string): ZeroedBlocks | undefined {
  const object = kept.get(DIFFERENCE, id);
  return object === undefined ? undefined : new ZeroedBlocks(runsIn(object.fields));
}

/** @param blocks of zeroes, in order. @throws Fault LIMIT_EXCEEDED: too many runs of them */
export function keepDifference({ kept }: Kept, id: string, blocks: readonly number[]): void {
  const runs: number[] = [];
  for (const block of blocks) {
    const [first, count] = runs.slice(-2);
    if (first !== undefined && count !== undefined && first + count === block) {
      runs[runs.length - 1] = count + 1;
    } else runs.push(block, 1);
  }
  kept.set(DIFFERENCE, id, { zeroed: runs });
}

/** What is made of a difference, as it is, is one too. */
export function keepSameDifference({ kept }: Kept, from: string, to: string): void {
  const object = kept.get(DIFFERENCE, from);
  if (object !== undefined) kept.set(DIFFERENCE, to, object.fields);
}

function runsIn(fields: Readonly<Record<string, unknown>>): readonly number[] {
  const { zeroed } = fields;
  return Array.isArray(zeroed) ? (zeroed as readonly number[]) : [];
}
