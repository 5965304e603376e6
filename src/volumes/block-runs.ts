/** What a layer's map says, run by run; and the map of two layers in one. */
import { setImmediate } from 'node:timers/promises';
import { BLOCK_BYTES, type OverlayBits, UNIT_BYTES } from '../vdisk/index.ts';
import { UNITS_PER_TURN } from './limits.ts';

const BLOCKS_PER_UNIT = UNIT_BYTES / BLOCK_BYTES;
const WHOLE_UNIT = 2 ** BLOCKS_PER_UNIT - 1;

export interface BlockRun {
  /** owned: the layer's volume has it; zeroed: it reads as zeroes. */
  readonly kind: 'owned' | 'zeroed';
  readonly offset: number;
  readonly length: number;
}

/** The owned blocks of a unit, as bits; bit 0 is the first. */
export function ownedIn(owned: Uint8Array, unit: number): number {
  return (owned[unit * 2] ?? 0) | ((owned[unit * 2 + 1] ?? 0) << 8);
}

export function isZeroed(zeroed: Uint8Array, unit: number): boolean {
  return (((zeroed[unit >>> 3] ?? 0) >>> (unit & 7)) & 1) === 1;
}

/** The runs of blocks that a layer decides, in order. */
export class BlockRuns {
  readonly #bits: OverlayBits;
  readonly #size: number;
  readonly #blocks: number;
  #at = 0;

  /** @param size of the disk as seen from the layer, in bytes */
  constructor(bits: OverlayBits, size: number) {
    this.#bits = bits;
    this.#size = size;
    this.#blocks = Math.ceil(size / BLOCK_BYTES);
  }

  next(): BlockRun | undefined {
    let kind = this.#kindAt(this.#at);
    while (kind === undefined && this.#at < this.#blocks) {
      this.#skip();
      kind = this.#kindAt(this.#at);
    }
    if (kind === undefined) return undefined;
    const first = this.#at;
    while (this.#at < this.#blocks && this.#kindAt(this.#at) === kind) this.#at += 1;
    const offset = first * BLOCK_BYTES;
    return { kind, offset, length: Math.min(this.#size, this.#at * BLOCK_BYTES) - offset };
  }

  #kindAt(block: number): BlockRun['kind'] | undefined {
    if (block >= this.#blocks) return undefined;
    const { owned, zeroed } = this.#bits;
    if ((((owned[block >>> 3] ?? 0) >>> (block & 7)) & 1) === 1) return 'owned';
    return isZeroed(zeroed, Math.floor(block / BLOCKS_PER_UNIT)) ? 'zeroed' : undefined;
  }

  /** To the next block of which something may be said. */
  #skip(): void {
    const { owned, zeroed } = this.#bits;
    this.#at += 1;
    while (this.#at < this.#blocks && this.#at % BLOCKS_PER_UNIT === 0) {
      const unit = this.#at / BLOCKS_PER_UNIT;
      if (ownedIn(owned, unit) !== 0 || isZeroed(zeroed, unit)) return;
      this.#at += BLOCKS_PER_UNIT;
    }
  }
}

type SizedBits = OverlayBits & { readonly size: number };

/** What both layers together say; the upper one is at least as large. */
export async function mergeBits(lower: SizedBits, upper: SizedBits): Promise<SizedBits> {
  const { size } = upper;
  const units = Math.ceil(size / UNIT_BYTES);
  const lowerBlocks = Math.ceil(lower.size / BLOCK_BYTES);
  const owned = new Uint8Array(units * 2);
  const zeroed = new Uint8Array(Math.ceil(units / 8));
  for (let unit = 0; unit < units; unit++) {
    const within = Math.min(BLOCKS_PER_UNIT, Math.max(0, lowerBlocks - unit * BLOCKS_PER_UNIT));
    const below = ownedIn(lower.owned, unit) & (2 ** within - 1);
    const isCut = isZeroed(upper.zeroed, unit);
    const both = ownedIn(upper.owned, unit) | (isCut ? 0 : below);
    owned[unit * 2] = both & 0xff;
    owned[unit * 2 + 1] = (both & WHOLE_UNIT) >>> 8;
    if (isCut || (within > 0 && isZeroed(lower.zeroed, unit))) {
      zeroed[unit >>> 3] = (zeroed[unit >>> 3] ?? 0) | (1 << (unit & 7));
    }
    if (unit % UNITS_PER_TURN === UNITS_PER_TURN - 1) await setImmediate();
  }
  return { size, owned, zeroed };
}
