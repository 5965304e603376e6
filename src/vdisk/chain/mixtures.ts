import { BLOCKS_PER_UNIT } from '../overlay/index.ts';
import { MIXED_UNITS_AT_FIRST } from './limits.ts';

/**
 * The distinct mixtures of sources that a chain's units have, each stored once: a hash table with open
 * addressing over one growing array, because a disk can have millions.
 */
export class Mixtures {
  #count = 0;
  #sources = new Uint16Array(MIXED_UNITS_AT_FIRST * BLOCKS_PER_UNIT);
  /** Numbers of mixtures + 1, by hash; 0: free. At most half full. */
  #table = new Uint32Array(MIXED_UNITS_AT_FIRST * 2);

  get count(): number {
    return this.#count;
  }

  /** The sources of all mixtures, one after the other. */
  get sources(): Uint16Array {
    return this.#sources.subarray(0, this.#count * BLOCKS_PER_UNIT);
  }

  /** The number of the mixture with these sources. */
  numberOf(sources: Uint16Array): number {
    if ((this.#count + 1) * 2 > this.#table.length) this.#grow();
    const mask = this.#table.length - 1;
    let slot = hash(sources, 0) & mask;
    for (;;) {
      const found = (this.#table[slot] ?? 0) - 1;
      if (found < 0) break;
      if (this.#equals(found, sources)) return found;
      slot = (slot + 1) & mask;
    }
    const number = this.#count++;
    this.#sources.set(sources, number * BLOCKS_PER_UNIT);
    this.#table[slot] = number + 1;
    return number;
  }

  #equals(number: number, sources: Uint16Array): boolean {
    const start = number * BLOCKS_PER_UNIT;
    for (let block = 0; block < BLOCKS_PER_UNIT; block++) {
      if (this.#sources[start + block] !== sources[block]) return false;
    }
    return true;
  }

  #grow(): void {
    const old = this.#sources;
    this.#sources = new Uint16Array(old.length * 2);
    this.#sources.set(old);
    this.#table = new Uint32Array(this.#table.length * 2);
    const mask = this.#table.length - 1;
    for (let number = 0; number < this.#count; number++) {
      let slot = hash(this.#sources, number * BLOCKS_PER_UNIT) & mask;
      while (this.#table[slot] !== 0) slot = (slot + 1) & mask;
      this.#table[slot] = number + 1;
    }
  }
}

/** FNV-1a over sources, and a last mix of its upper bits into its lower ones. */
function hash(sources: Uint16Array, start: number): number {
  let value = 0x811c9dc5;
  for (let at = start; at < start + BLOCKS_PER_UNIT; at++) {
    value = Math.imul(value ^ (sources[at] ?? 0), 0x01000193);
  }
  return (value ^ (value >>> 15)) >>> 0;
}
