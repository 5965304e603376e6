/** The block allocation table of a VHD: which blocks there are, and where. Pure. */
import { VHD_SECTOR_BYTES } from '../../vdisk/index.ts';

/** "0xFFFFFFFF": the block is not in the file. */
const UNUSED = 0xffff_ffff;

export interface FileBlock {
  readonly index: number;
  /** Byte of the file where its sector bitmap begins. */
  readonly at: number;
}

export interface AbsentRun {
  /** Bytes of the disk. */
  readonly offset: number;
  readonly length: number;
}

export class VhdTable {
  /** Blocks that are in the file. */
  readonly present: number;
  readonly #entries: Buffer;
  readonly #blockBytes: number;

  /** @param entries big-endian; kept */
  constructor(entries: Buffer, blockBytes: number) {
    this.#entries = entries;
    this.#blockBytes = blockBytes;
    let present = 0;
    for (let index = 0; index < this.#count; index += 1) if (this.#has(index)) present += 1;
    this.present = present;
  }

  /** Sorted only when they are not: tools write them in order. */
  *inFileOrder(): Generator<FileBlock> {
    if (this.#isSorted()) {
      for (let index = 0; index < this.#count; index += 1) {
        if (this.#has(index)) yield { index, at: this.#sector(index) * VHD_SECTOR_BYTES };
      }
      return;
    }
    // Sector and index in one number: arrays of these are sorted without a call for each comparison.
    const keys = new BigUint64Array(this.present);
    let place = 0;
    for (let index = 0; index < this.#count; index += 1) {
      if (this.#has(index)) keys[place++] = (BigInt(this.#sector(index)) << 32n) | BigInt(index);
    }
    for (const key of keys.sort()) {
      const at = Number(key >> 32n) * VHD_SECTOR_BYTES;
      yield { index: Number(key & 0xffff_ffffn), at };
    }
  }

  /** What no block is there for, up to `size` bytes of the disk. */
  *absentRuns(size: number): Generator<AbsentRun> {
    const count = Math.min(this.#count, Math.ceil(size / this.#blockBytes));
    for (let index = 0; index < count; index += 1) {
      if (this.#has(index)) continue;
      const first = index;
      while (index + 1 < count && !this.#has(index + 1)) index += 1;
      const offset = first * this.#blockBytes;
      yield { offset, length: Math.min((index + 1) * this.#blockBytes, size) - offset };
    }
  }

  get #count(): number {
    return this.#entries.length / 4;
  }

  #sector(index: number): number {
    return this.#entries.readUInt32BE(index * 4);
  }

  #has(index: number): boolean {
    return this.#sector(index) !== UNUSED;
  }

  #isSorted(): boolean {
    let last = -1;
    for (let index = 0; index < this.#count; index += 1) {
      if (!this.#has(index)) continue;
      if (this.#sector(index) < last) return false;
      last = this.#sector(index);
    }
    return true;
  }
}
