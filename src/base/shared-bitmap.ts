/**
 * A bitmap over shared memory, read and written by several threads. Bit b is bit (b mod 32) of word
 * b / 32, little-endian, so bytes 0, 1, 2 … hold bits 0–7, 8–15, 16–23 …: the form it has on disk.
 *
 * Each word is read and written atomically. Changes of ranges are not atomic as a whole: whoever
 * changes bits holds a lock of their own; whoever reads sees each word as it was or as it becomes.
 * Bit numbers stay below 2^31 (with 4 KiB blocks: 8 TiB).
 */
export class SharedBitmap {
  /** The number of bits. */
  readonly length: number;
  readonly #words: Int32Array;

  constructor(buffer: SharedArrayBuffer, byteOffset: number, length: number) {
    this.length = length;
    this.#words = new Int32Array(buffer, byteOffset, SharedBitmap.bytesFor(length) / 4);
  }

  /** Bytes of a bitmap of `length` bits: whole words. */
  static bytesFor(length: number): number {
    return Math.ceil(length / 32) * 4;
  }

  test(bit: number): boolean {
    return ((Atomics.load(this.#words, bit >>> 5) >>> (bit & 31)) & 1) === 1;
  }

  /** The first set bit in [from, to), or `to`. */
  nextSet(from: number, to: number): number {
    return this.#next(from, to, 0);
  }

  /** The first clear bit in [from, to), or `to`. */
  nextClear(from: number, to: number): number {
    return this.#next(from, to, -1);
  }

  /** Number of set bits in [from, to). */
  count(from: number, to: number): number {
    let total = 0;
    for (let bit = from; bit < to; bit = wordEnd(bit, to)) {
      total += ones(Atomics.load(this.#words, bit >>> 5) & mask(bit, wordEnd(bit, to)));
    }
    return total;
  }

  set(from: number, to: number): void {
    for (let bit = from; bit < to; bit = wordEnd(bit, to)) {
      Atomics.or(this.#words, bit >>> 5, mask(bit, wordEnd(bit, to)));
    }
  }

  clear(from: number, to: number): void {
    for (let bit = from; bit < to; bit = wordEnd(bit, to)) {
      // A word that is clear is not written, so that untouched memory stays untouched.
      if (Atomics.load(this.#words, bit >>> 5) === 0) continue;
      Atomics.and(this.#words, bit >>> 5, ~mask(bit, wordEnd(bit, to)));
    }
  }

  #next(from: number, to: number, flip: 0 | -1): number {
    for (let bit = from; bit < to; bit = wordEnd(bit, to)) {
      const word = Atomics.load(this.#words, bit >>> 5) ^ flip;
      if (word === 0) continue;
      const found = word & mask(bit, wordEnd(bit, to));
      if (found !== 0) return bit - (bit & 31) + (31 - Math.clz32(found & -found));
    }
    return to;
  }
}

/** Where the word that holds `bit` ends, or `to` if that is earlier. */
function wordEnd(bit: number, to: number): number {
  return Math.min(to, bit - (bit & 31) + 32);
}

/** Ones for the bits [from, to) of one word. */
function mask(from: number, to: number): number {
  return (-1 >>> (32 - (to - from))) << (from & 31);
}

/** Set bits of so many words of 32. */
export function onesOf(words: Int32Array): number {
  let total = 0;
  for (let index = 0; index < words.length; index += 1) total += ones(words[index] ?? 0);
  return total;
}

/** Set bits of a word of 32. */
function ones(word: number): number {
  let n = word - ((word >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return Math.imul((n + (n >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
