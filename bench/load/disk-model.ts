/**
 * What one machine's disk must hold: its own writes over the image. Blocks whose content nobody can know
 * (a foreign server's disk, the rest of a block that was written in part) are not checked.
 */
import { BLOCK, describeBlock, fillBlock, IMAGE_AUTHOR, isBlock } from './content.ts';

/** Of a block that was written in part. */
const UNKNOWN = -1;

export interface Fault {
  readonly offset: number;
  readonly wanted: string;
  readonly found: string;
}

export class DiskModel {
  readonly #author: number;
  readonly #imageKnown: boolean;
  /** Block → generation of this machine's last write to it, or UNKNOWN. */
  readonly #written = new Map<number, number>();
  readonly #scratch = Buffer.alloc(BLOCK);
  #generation = 0;
  #checkedBytes = 0;

  /** @param imageKnown what was not written here is the benchmark's own image (image.ts) */
  constructor(machine: number, imageKnown: boolean) {
    this.#author = machine + 1;
    this.#imageKnown = imageKnown;
  }

  get checkedBytes(): number {
    return this.#checkedBytes;
  }

  /** Blocks that can be verified, in ascending order. */
  writtenBlocks(): number[] {
    const known = [...this.#written].filter(([, generation]) => generation !== UNKNOWN);
    return known.map(([block]) => block).sort((a, b) => a - b);
  }

  /** What the next write of `target.length` bytes at `offset` shall write; notes that it was written. */
  prepareWrite(target: Buffer, offset: number): void {
    const generation = this.#generation;
    this.#generation += 1;
    for (let at = 0; at < target.length; ) {
      const block = Math.floor((offset + at) / BLOCK);
      const start = offset + at - block * BLOCK;
      const length = Math.min(BLOCK - start, target.length - at);
      if (length === BLOCK) {
        fillBlock(target, at, this.#author, generation, block);
        this.#written.set(block, generation);
      } else {
        fillBlock(this.#scratch, 0, this.#author, generation, block);
        this.#scratch.copy(target, at, start, start + length);
        this.#written.set(block, UNKNOWN);
      }
      at += length;
    }
  }

  /** The first block that is not what it must be; undefined when all that can be known are right. */
  check(source: Buffer, offset: number): Fault | undefined {
    for (let at = 0; at < source.length; ) {
      const block = Math.floor((offset + at) / BLOCK);
      const start = offset + at - block * BLOCK;
      const length = Math.min(BLOCK - start, source.length - at);
      const written = this.#written.get(block);
      const known = written === undefined ? this.#imageKnown : written !== UNKNOWN;
      if (known) {
        const author = written === undefined ? IMAGE_AUTHOR : this.#author;
        const right =
          length === BLOCK
            ? isBlock(source, at, author, written ?? 0, block)
            : this.#isPart(source, at, start, length, author, written ?? 0, block);
        if (!right) return this.#fault(source.subarray(at, at + length), block, start);
        this.#checkedBytes += length;
      }
      at += length;
    }
    return undefined;
  }

  #isPart(
    source: Buffer,
    at: number,
    start: number,
    length: number,
    author: number,
    generation: number,
    block: number,
  ): boolean {
    fillBlock(this.#scratch, 0, author, generation, block);
    return source.compare(this.#scratch, start, start + length, at, at + length) === 0;
  }

  #fault(found: Buffer, block: number, start: number): Fault {
    const generation = this.#written.get(block);
    const wanted =
      generation === undefined
        ? `block ${block} of the image`
        : `block ${block} of machine ${this.#author - 1}, write ${generation}`;
    const offset = block * BLOCK + start;
    return {
      offset,
      wanted,
      found: start === 0 ? describeBlock(found) : found.toString('hex', 0, 16),
    };
  }
}
