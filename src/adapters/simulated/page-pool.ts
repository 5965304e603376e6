/**
 * The memory of a simulated array: pages in shared memory, counted by how many tables hold them. Only the control port
 * counts, allocates and frees; workers read and write the bytes of pages that their tables name.
 */
import { CHUNK_PAGES, PAGE_BYTES } from './limits.ts';

/** Thrown where the array has no memory left; each port turns it into its own error. */
export class PoolFull extends Error {
  override readonly name = 'PoolFull';
}

export class PagePool {
  readonly #pages: number;
  readonly #chunks: SharedArrayBuffer[] = [];
  /** By page number; the first page is 1, so that 0 can say "none". */
  readonly #holders: number[] = [0];
  readonly #free: number[] = [];

  /** @param capacity bytes */
  constructor(capacity: number) {
    this.#pages = Math.floor(capacity / PAGE_BYTES);
  }

  get capacityBytes(): number {
    return this.#pages * PAGE_BYTES;
  }

  get usedBytes(): number {
    return (this.#holders.length - 1 - this.#free.length) * PAGE_BYTES;
  }

  /** A page of zeroes with one holder. @throws PoolFull */
  allocate(): number {
    const again = this.#free.pop();
    if (again !== undefined) {
      this.bytes(again).fill(0);
      this.#holders[again] = 1;
      return again;
    }
    const page = this.#holders.length;
    if (page > this.#pages) throw new PoolFull('the simulated array is full');
    if (chunkOf(page) === this.#chunks.length) {
      this.#chunks.push(new SharedArrayBuffer(CHUNK_PAGES * PAGE_BYTES));
    }
    this.#holders.push(1);
    return page;
  }

  hold(page: number): void {
    this.#holders[page] = this.holders(page) + 1;
  }

  release(page: number): void {
    const left = this.holders(page) - 1;
    this.#holders[page] = left;
    if (left === 0) this.#free.push(page);
  }

  holders(page: number): number {
    return this.#holders[page] ?? 0;
  }

  bytes(page: number): Buffer {
    const chunk = this.chunk(chunkOf(page));
    if (chunk === undefined) throw new RangeError(`no page ${page}`);
    return Buffer.from(chunk, placeInChunk(page), PAGE_BYTES);
  }

  /** undefined: there is none of that number. */
  chunk(index: number): SharedArrayBuffer | undefined {
    return this.#chunks[index];
  }
}

export function chunkOf(page: number): number {
  return Math.floor((page - 1) / CHUNK_PAGES);
}

/** Bytes from the start of the page's chunk. */
export function placeInChunk(page: number): number {
  return ((page - 1) % CHUNK_PAGES) * PAGE_BYTES;
}
