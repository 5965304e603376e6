/**
 * Pages of a bitmap that have little to say, each as a sorted list of bits (paged-bitmap.ts): of those that are set, or of those
 * that differ from the one before them.
 *
 *     0     128 × 2 bytes: how many bits are listed up to the end of each group of 256
 *     256   768 × 1 byte: the lower eight bits of each, in order
 *
 * What is found in a list that is written anew meanwhile is wrong, and never out of bounds: whoever reads without the lock
 * finds out afterwards that it was, and reads again.
 */
const GROUPS = 128;
const GROUP_BITS = 256;
const VALUES_AT = GROUPS * 2;

/** Bits of a page. */
export const PAGE_BITS = GROUPS * GROUP_BITS;
export const PAGE_BYTES = PAGE_BITS / 8;
export const PAGE_WORDS = PAGE_BITS / 32;
/** Of a list. */
export const LIST_BYTES = 1024;
/** Bits that a list has room for: 2.3 % of a page. */
export const LIST_BITS = LIST_BYTES - VALUES_AT;

const WORDS_OF_GROUP = GROUP_BITS / 32;
const GROUP_SHIFT = Math.log2(WORDS_OF_GROUP);
const COUNTS_OF_LIST = LIST_BYTES / 2;

/** A list while it is put together: nothing here waits. */
const packed = new Uint8Array(LIST_BYTES);
const packedCounts = new Uint16Array(packed.buffer, 0, GROUPS);
/** The values of `packed`, and of a word more that it has no room for. */
const values = new Uint8Array(LIST_BITS + 32 + 1);
/** Which words of the page have bits. */
const busy = new Uint16Array(PAGE_WORDS);

/** Makes `changes` the bits of a page that differ from the one before them; the first one if it is set. */
export function changesOf(words: Int32Array, changes: Int32Array): void {
  let carry = 0;
  for (let index = 0; index < PAGE_WORDS; index += 1) {
    const word = words[index] ?? 0;
    changes[index] = word ^ ((word << 1) | carry);
    carry = word >>> 31;
  }
}

/**
 * Puts a list together.
 * @param words bits of a page
 * @returns how many there are; more than LIST_BITS, not all of them, if there are too many for a list
 */
export function pack(words: Int32Array): number {
  const most = findBusy(words);
  let at = 0;
  packedCounts.fill(0);
  for (let next = 0; next < most && at <= LIST_BITS; next += 1) {
    const index = busy[next] ?? 0;
    const word = words[index] ?? 0;
    const last = (index & (WORDS_OF_GROUP - 1)) * 32 + 31;
    values[at] = last - Math.clz32(word & -word);
    at += 1;
    // Whether there is a second no branch could foresee either: it is written in any case, and kept if it was one.
    const others = word & (word - 1);
    values[at] = last - Math.clz32(others & -others);
    at += isBusy(others);
    for (let more = others & (others - 1); more !== 0; more &= more - 1) {
      values[at] = last - Math.clz32(more & -more);
      at += 1;
    }
    packedCounts[index >>> GROUP_SHIFT] = at;
  }
  if (at > LIST_BITS) return at;
  let before = 0;
  for (let group = 0; group < GROUPS; group += 1) {
    const end = packedCounts[group] ?? 0;
    if (end > before) before = end;
    packedCounts[group] = before;
  }
  packed.set(values.subarray(0, at), VALUES_AT);
  return at;
}

/**
 * Puts together `busy`. Of scattered bits, half of the words have any, which no branch could foresee: each is written, and
 * kept if it was one.
 * @returns how many there are
 */
function findBusy(words: Int32Array): number {
  let count = 0;
  for (let index = 0; index < PAGE_WORDS; index += 1) {
    busy[count] = index;
    count += isBusy(words[index] ?? 0);
  }
  return count;
}

/** 1 if the word has any bit, 0 if not. */
function isBusy(word: number): number {
  return (word | -word) >>> 31;
}

export class BitLists {
  readonly #bytes: Uint8Array;
  readonly #counts: Uint16Array;

  constructor(buffer: SharedArrayBuffer, byteOffset: number, lists: number) {
    this.#bytes = new Uint8Array(buffer, byteOffset, lists * LIST_BYTES);
    this.#counts = new Uint16Array(buffer, byteOffset, lists * COUNTS_OF_LIST);
  }

  /** How many bits below this one (0 … PAGE_BITS) are listed. */
  below(list: number, bit: number): number {
    if (bit >= PAGE_BITS) return this.#end(list, GROUPS - 1);
    const group = bit >>> 8;
    let from = group === 0 ? 0 : this.#end(list, group - 1);
    let to = this.#end(list, group);
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (this.#value(list, middle) < (bit & 255)) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  /** The first listed bit in [from, to), or `to`. */
  next(list: number, from: number, to: number): number {
    const at = this.below(list, from);
    for (let group = from >>> 8; group * GROUP_BITS < to; group += 1) {
      if (at >= this.#end(list, group)) continue;
      // Of a list that is written anew meanwhile the value may be anything: whoever goes on from it must get on.
      return Math.max(from, Math.min(to, group * GROUP_BITS + this.#value(list, at)));
    }
    return to;
  }

  /** The first bit in [from, to) that is not listed, or `to`. */
  nextUnlisted(list: number, from: number, to: number): number {
    const at = this.below(list, from);
    const isFull = (end: number): boolean => this.below(list, end) - at === end - from;
    // Bits up to `full` are listed; from there it is looked twice as far each time, then between the last two looks.
    let full = from;
    let end = from + 1;
    for (; end < to && isFull(end); end = from + 2 * (end - from)) full = end;
    if (end >= to) {
      if (isFull(to)) return to;
      end = to;
    }
    while (full + 1 < end) {
      const middle = (full + end) >>> 1;
      if (isFull(middle)) full = middle;
      else end = middle;
    }
    return full;
  }

  /** How many of [from, to) are listed. */
  count(list: number, from: number, to: number): number {
    return this.below(list, to) - this.below(list, from);
  }

  // What follows is done under the lock, where nothing is read while it changes.

  /** Bits that are listed. */
  size(list: number): number {
    return this.#counts[list * COUNTS_OF_LIST + GROUPS - 1] ?? 0;
  }

  /**
   * Makes `target` what `source` is with other bits of [from, to) listed.
   * @param instead in order; with the others at most LIST_BITS
   */
  copyWith(
    source: number,
    target: number,
    from: number,
    to: number,
    instead: readonly number[],
  ): void {
    const [head, tail] = [this.below(source, from), this.below(source, to)];
    const added = instead.length;
    const more = added - (tail - head);
    const bytes = this.#bytes;
    const [first, copy] = [source * LIST_BYTES + VALUES_AT, target * LIST_BYTES + VALUES_AT];
    bytes.copyWithin(copy, first, first + head);
    for (let index = 0; index < added; index += 1)
      bytes[copy + head + index] = (instead[index] ?? 0) & 255;
    bytes.copyWithin(copy + head + added, first + tail, first + this.size(source));
    const counts = this.#counts;
    let inside = 0;
    for (let group = 0; group < GROUPS; group += 1) {
      const end = (group + 1) * GROUP_BITS;
      const before = counts[source * COUNTS_OF_LIST + group] ?? 0;
      while (inside < added && (instead[inside] ?? 0) < end) inside += 1;
      counts[target * COUNTS_OF_LIST + group] =
        end <= from ? before : end >= to ? before + more : head + inside;
    }
  }

  /** Makes `list` what `pack` has put together. */
  store(list: number): void {
    this.#bytes.set(packed, list * LIST_BYTES);
  }

  /**
   * The listed bits from byte `first` on, as they are in a bitmap.
   * @param target becomes them
   */
  load(list: number, target: Uint8Array, first: number): void {
    target.fill(0);
    const end = (first + target.length) * 8;
    let at = this.below(list, first * 8);
    for (let group = (first * 8) >>> 8; group * GROUP_BITS < end; group += 1) {
      const groupEnd = this.#counts[list * COUNTS_OF_LIST + group] ?? 0;
      for (; at < groupEnd; at += 1) {
        const value = this.#bytes[list * LIST_BYTES + VALUES_AT + at] ?? 0;
        const byte = group * (GROUP_BITS / 8) + (value >>> 3) - first;
        if (byte >= target.length) return;
        target[byte] = (target[byte] ?? 0) | (1 << (value & 7));
      }
    }
  }

  /** Where in the list the group ends. */
  #end(list: number, group: number): number {
    return Math.min(LIST_BITS, Atomics.load(this.#counts, list * COUNTS_OF_LIST + group));
  }

  /** @param at less than LIST_BITS */
  #value(list: number, at: number): number {
    return Atomics.load(this.#bytes, list * LIST_BYTES + VALUES_AT + at);
  }
}
