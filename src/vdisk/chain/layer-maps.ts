import { BlockError } from '../../errors/index.ts';
import { bitmapBytes, hasChunk } from '../manifest/index.ts';
import { BLOCK_BYTES, BLOCKS_PER_UNIT } from '../overlay/index.ts';

/** The lowest layer of a chain. */
export interface ChainBase {
  /** Bytes. */
  readonly size: number;
  /** As a layer's: one bit for each 64 KiB, lowest bit first; set = holds data. */
  readonly presentChunks: Uint8Array;
}

/** A sealed overlay, as its map describes it (overlay/map-layout.ts); lowest bit first. */
export interface ChainDifference {
  /** Of the disk when the overlay was sealed, in bytes. */
  readonly size: number;
  /** One bit for each 4 KiB block, set = this layer has it. */
  readonly owned: Uint8Array;
  /** One bit for each 64 KiB unit, set = those of its blocks that are not owned read as zeroes. */
  readonly zeroed: Uint8Array;
}

/** Blocks of a unit, as bits; bit 0 is the first. */
export const WHOLE_UNIT: number = 2 ** BLOCKS_PER_UNIT - 1;

/** The part of a unit that lies within the first `blocks` blocks of a disk. */
function within(blocks: number, unit: number): number {
  const left = blocks - unit * BLOCKS_PER_UNIT;
  if (left >= BLOCKS_PER_UNIT) return WHOLE_UNIT;
  return left > 0 ? 2 ** left - 1 : 0;
}

export class BaseMap {
  readonly #blocks: number;
  readonly #present: Uint8Array;

  constructor({ size, presentChunks }: ChainBase) {
    requireBytes('its bitmap', presentChunks, bitmapBytes(size));
    this.#blocks = Math.ceil(size / BLOCK_BYTES);
    this.#present = presentChunks;
  }

  /** The blocks of the unit that may hold data. */
  heldIn(unit: number): number {
    return hasChunk(this.#present, unit) ? within(this.#blocks, unit) : 0;
  }
}

/** What one difference layer says about the blocks of a unit. Bits beyond its end do not count. */
export class DifferenceMap {
  readonly #blocks: number;
  readonly #units: number;
  /** The owned blocks of each unit, as they are in the bitmap; the last one may have bits too many. */
  readonly #owned: Uint16Array;
  readonly #zeroed: Uint8Array;

  constructor({ size, owned, zeroed }: ChainDifference) {
    this.#blocks = Math.ceil(size / BLOCK_BYTES);
    this.#units = Math.ceil(this.#blocks / BLOCKS_PER_UNIT);
    requireBytes('the bitmap of owned blocks', owned, Math.ceil(this.#blocks / 8));
    requireBytes('the bitmap of zeroed units', zeroed, Math.ceil(this.#units / 8));
    this.#owned = words(owned, this.#units);
    this.#zeroed = zeroed;
  }

  ownedIn(unit: number): number {
    return (this.#owned[unit] ?? 0) & within(this.#blocks, unit);
  }

  /** The blocks that are not the parent's: owned, or zeroes. */
  decidedIn(unit: number): number {
    const isZeroed = hasChunk(this.#zeroed, unit);
    if (!isZeroed && (this.#owned[unit] ?? 0) === 0) return 0; // nearly always
    return isZeroed ? within(this.#blocks, unit) : this.ownedIn(unit);
  }

  /** The blocks that are the parent's: neither owned nor zeroed nor beyond this layer's end. */
  passedOnIn(unit: number): number {
    return within(this.#blocks, unit) & ~this.decidedIn(unit);
  }

  /** Sets the entries of the units in which this layer decides a block to its number. */
  mark(uppermost: Uint16Array, number: number): void {
    const owned = this.#owned;
    const zeroed = this.#zeroed;
    const last = this.#units - 1;
    for (let unit = 0; unit < last; unit++) if (owned[unit] !== 0) uppermost[unit] = number;
    for (let unit = 0; unit < last; unit++) {
      if (unit % 8 === 0 && zeroed[unit / 8] === 0) unit += 7;
      else if (hasChunk(zeroed, unit)) uppermost[unit] = number;
    }
    if (this.decidedIn(last) !== 0) uppermost[last] = number;
  }
}

/** Bytes as little-endian words of 16 bits: the same memory where it is aligned and long enough. */
function words(bytes: Uint8Array, count: number): Uint16Array {
  if (bytes.byteOffset % 2 === 0 && bytes.length >= count * 2) {
    return new Uint16Array(bytes.buffer, bytes.byteOffset, count);
  }
  const copy = new Uint16Array(count);
  new Uint8Array(copy.buffer).set(bytes.subarray(0, count * 2));
  return copy;
}

function requireBytes(what: string, bitmap: Uint8Array, needed: number): void {
  if (bitmap.length >= needed) return;
  const detail = `a layer of a chain: ${what} has ${bitmap.length} bytes and needs ${needed}`;
  throw new BlockError('EINVAL', 'open', 0, 0, detail);
}
