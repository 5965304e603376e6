import { hasChunk, markChunk } from '../manifest/index.ts';
import { CHUNK_SET_PAGE_CHUNKS as PAGE } from './limits.ts';

/**
 * Chunks of a disk. Takes memory only where there are any: hundreds of versions are received at once, each
 * of which changes little of a large disk.
 */
export class ChunkSet {
  readonly #pages = new Map<number, Uint8Array>();

  add(chunk: number): void {
    markChunk(this.#page(Math.floor(chunk / PAGE)), chunk % PAGE);
  }

  addRange(first: number, count: number): void {
    const end = first + count;
    for (let chunk = first; chunk < end; ) {
      const number = Math.floor(chunk / PAGE);
      if (chunk % PAGE === 0 && end - chunk >= PAGE) {
        this.#page(number).fill(0xff);
        chunk += PAGE;
      } else {
        this.add(chunk);
        chunk += 1;
      }
    }
  }

  has(chunk: number): boolean {
    const page = this.#pages.get(Math.floor(chunk / PAGE));
    return page !== undefined && hasChunk(page, chunk % PAGE);
  }

  /** In no order. */
  *chunks(): Generator<number> {
    for (const [number, page] of this.#pages) {
      for (let at = 0; at < PAGE; at += 1) if (hasChunk(page, at)) yield number * PAGE + at;
    }
  }

  #page(number: number): Uint8Array {
    const known = this.#pages.get(number);
    if (known !== undefined) return known;
    const page = new Uint8Array(PAGE / 8);
    this.#pages.set(number, page);
    return page;
  }
}
