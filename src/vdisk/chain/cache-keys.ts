import { BLOCK_BYTES, UNIT_BYTES } from '../overlay/index.ts';
import { type DifferenceMap, WHOLE_UNIT } from './layer-maps.ts';

/**
 * What each block of the read cache is cached under, so that chains which have layers in common share
 * what these say: the uppermost layer that decides a block in it. All layers above leave it alone, so
 * the bytes are the same in every chain that has this layer and the same ones below it; and where the
 * layer decides all of it, they are the same in every chain that has this layer.
 *
 * Within a decided part, what lies beyond the layer's end is zeroes, whoever reads it.
 */
export class CacheKeys {
  readonly #size: number;
  readonly #blockBytes: number;
  readonly #differences: readonly DifferenceMap[];
  readonly #uppermost: Uint16Array;

  /**
   * @param size of the disk, in bytes
   * @param uppermost for each unit the number of the uppermost difference that decides a block; 0: none
   */
  constructor(
    size: number,
    blockBytes: number,
    differences: readonly DifferenceMap[],
    uppermost: Uint16Array,
  ) {
    this.#size = size;
    this.#blockBytes = blockBytes;
    this.#differences = differences;
    this.#uppermost = uppermost;
  }

  /** The key of a cache block (chain-index.ts). */
  keyOf(block: number): number {
    const start = block * this.#blockBytes;
    const end = Math.min(this.#size, start + this.#blockBytes);
    const first = Math.floor(start / UNIT_BYTES);
    const last = Math.floor((end - 1) / UNIT_BYTES);
    const blocks = first === last ? blocksOf(start, end, first) : WHOLE_UNIT;
    let number = 0;
    for (let unit = first; unit <= last; unit++) number = this.#uppermostIn(unit, blocks, number);
    if (number === 0) return 0;
    for (let unit = first; unit <= last; unit++) {
      const passedOn = this.#differences[number - 1]?.passedOnIn(unit) ?? 0;
      if ((passedOn & blocks) !== 0) return 2 * number + 1;
    }
    return 2 * number;
  }

  /** The number of the uppermost difference that decides one of these blocks, or `least` if above. */
  #uppermostIn(unit: number, blocks: number, least: number): number {
    for (let number = this.#uppermost[unit] ?? 0; number > least; number--) {
      const decided = this.#differences[number - 1]?.decidedIn(unit) ?? 0;
      if ((decided & blocks) !== 0) return number;
    }
    return least;
  }
}

/** The blocks that a range within one unit touches, as bits. */
export function blocksOf(start: number, end: number, unit: number): number {
  const from = Math.floor((start - unit * UNIT_BYTES) / BLOCK_BYTES);
  const to = Math.ceil((end - unit * UNIT_BYTES) / BLOCK_BYTES);
  return (2 ** to - 1) & ~(2 ** from - 1);
}
