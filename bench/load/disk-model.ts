/**
 * What one machine's disk must hold: its own writes over the image. Blocks whose content nobody can know
 * (a foreign server's disk, the rest of a block that was written in part) are not checked.
 */
import { BLOCK, describeBlock, fillBlock, IMAGE_AUTHOR, isBlock } from './content.ts';

/** Of a block that was written in part. */
const UNKNOWN = -1;
/** Of a block that was not written. */
const UNTOUCHED = -2;

export interface Fault {
  readonly offset: number;
  readonly wanted: string;
  readonly found: string;
}

/** Blocks of a page of generations: a map would cost more than the comparison of a block. */
const PAGE_SHIFT = 10;
const PAGE_BLOCKS = 1 << PAGE_SHIFT;

/** Block → generation of the last write to it, or UNKNOWN, or UNTOUCHED. */
class Generations {
  readonly #pages: (Int32Array | undefined)[] = [];

  get(block: number): number {
    return this.#pages[block >>> PAGE_SHIFT]?.[block & (PAGE_BLOCKS - 1)] ?? UNTOUCHED;
  }

  set(block: number, generation: number): void {
    const index = block >>> PAGE_SHIFT;
    while (this.#pages.length <= index) this.#pages.push(undefined);
    const page = this.#pages[index] ?? new Int32Array(PAGE_BLOCKS).fill(UNTOUCHED);
    this.#pages[index] = page;
    page[block & (PAGE_BLOCKS - 1)] = generation;
  }

  /** Blocks whose content is known, in ascending order. */
  known(): number[] {
    return this.#pages.flatMap((page, index) =>
      [...(page?.entries() ?? [])]
        .filter(([, generation]) => generation >= 0)
        .map(([place]) => index * PAGE_BLOCKS + place),
    );
  }
}

export class DiskModel {
  readonly #author: number;
  readonly #imageKnown: boolean;
  readonly #written = new Generations();
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
    return this.#written.known();
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

  /** Nobody knows what is there until it is written again. */
  forget(offset: number, length: number): void {
    const end = Math.ceil((offset + length) / BLOCK);
    for (let block = Math.floor(offset / BLOCK); block < end; block += 1) {
      this.#written.set(block, UNKNOWN);
    }
  }

  /** The first block that is not what it must be; undefined when all that can be known are right. */
  check(source: Buffer, offset: number): Fault | undefined {
    for (let at = 0; at < source.length; ) {
      const block = Math.floor((offset + at) / BLOCK);
      const start = offset + at - block * BLOCK;
      const length = Math.min(BLOCK - start, source.length - at);
      const written = this.#written.get(block);
      const untouched = written === UNTOUCHED;
      const known = untouched ? this.#imageKnown : written !== UNKNOWN;
      if (known) {
        const author = untouched ? IMAGE_AUTHOR : this.#author;
        const generation = untouched ? 0 : written;
        const right =
          length === BLOCK
            ? isBlock(source, at, author, generation, block)
            : this.#isPart(source, at, start, length, author, generation, block);
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
      generation === UNTOUCHED
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
