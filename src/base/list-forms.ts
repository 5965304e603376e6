/**
 * What a list of bits (bit-lists.ts) says of a page: either the bits that are set, or the bits at which a run of set or clear
 * ones begins. A page begins as if a clear bit were before it; the run at its end ends with it.
 *
 * Reading is right as long as the list is not written anew meanwhile, and ends in any case.
 */
import { type BitLists, LIST_BITS, PAGE_BITS } from './bit-lists.ts';
import { fillBits } from './fill-bits.ts';

/** The listed bits of [from, to) are to be these instead. */
export interface ListEdit {
  readonly from: number;
  readonly to: number;
  /** In order. */
  readonly instead: readonly number[];
}

export interface ListForm {
  /** The first bit in [from, to) that is set, or that is clear; or `to`. */
  next(list: number, from: number, to: number, value: boolean): number;
  /** Number of set bits in [from, to). */
  count(list: number, from: number, to: number): number;
  /** @param target becomes the bytes of the page from `first` on */
  load(list: number, target: Uint8Array, first: number): void;
  /** How the list is to be changed for [from, to) to be set or clear; undefined: no list has room for that. */
  edit(list: number, from: number, to: number, value: boolean): ListEdit | undefined;
}

/** The bits that are set. */
export class SetBits implements ListForm {
  readonly #lists: BitLists;

  constructor(lists: BitLists) {
    this.#lists = lists;
  }

  next(list: number, from: number, to: number, value: boolean): number {
    return value ? this.#lists.next(list, from, to) : this.#lists.nextUnlisted(list, from, to);
  }

  count(list: number, from: number, to: number): number {
    return this.#lists.count(list, from, to);
  }

  load(list: number, target: Uint8Array, first: number): void {
    this.#lists.load(list, target, first);
  }

  edit(_list: number, from: number, to: number, value: boolean): ListEdit | undefined {
    if (!value) return { from, to, instead: [] };
    if (to - from > LIST_BITS) return undefined;
    const instead: number[] = [];
    for (let bit = from; bit < to; bit += 1) instead.push(bit);
    return { from, to, instead };
  }
}

/** The bits at which runs begin. */
export class Runs implements ListForm {
  readonly #lists: BitLists;

  constructor(lists: BitLists) {
    this.#lists = lists;
  }

  next(list: number, from: number, to: number, value: boolean): number {
    return this.#isSet(list, from) === value ? from : this.#lists.next(list, from + 1, to);
  }

  count(list: number, from: number, to: number): number {
    let total = 0;
    for (let at = this.next(list, from, to, true); at < to; ) {
      const end = this.next(list, at, to, false);
      total += end - at;
      at = this.next(list, end, to, true);
    }
    return total;
  }

  load(list: number, target: Uint8Array, first: number): void {
    target.fill(0);
    const [from, to] = [first * 8, (first + target.length) * 8];
    for (let at = this.next(list, from, to, true); at < to; ) {
      const end = this.next(list, at, to, false);
      fillBits(target, at - from, end - from, true);
      at = this.next(list, end, to, true);
    }
  }

  edit(list: number, from: number, to: number, value: boolean): ListEdit {
    const instead: number[] = [];
    if (value !== (from > 0 && this.#isSet(list, from - 1))) instead.push(from);
    if (to < PAGE_BITS && value !== this.#isSet(list, to)) instead.push(to);
    return { from, to: Math.min(PAGE_BITS, to + 1), instead };
  }

  /** As many runs have begun up to a set bit as make an odd number. */
  #isSet(list: number, bit: number): boolean {
    return this.#lists.below(list, bit + 1) % 2 === 1;
  }
}
