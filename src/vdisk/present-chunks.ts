import type { SourceMap } from './gathered-volume.ts';
import { CHUNK_BYTES, hasChunk } from './manifest/index.ts';

/**
 * Where a layer holds data: a manifest's bitmap of present chunks, asked in runs of bytes. Never
 * changes.
 */
export class PresentChunks implements SourceMap {
  readonly #bits: Uint8Array;

  constructor(bits: Uint8Array) {
    this.#bits = bits;
  }

  /** Whether the chunk that holds this byte holds data. */
  at(offset: number): boolean {
    return this.#has(Math.floor(offset / CHUNK_BYTES));
  }

  /** As a map of one volume. */
  sourceAt(offset: number): number {
    return this.at(offset) ? 1 : 0;
  }

  /** Where the run of equal chunks that starts at `offset` ends: at most `end`. */
  runEnd(offset: number, end: number): number {
    let chunk = Math.floor(offset / CHUNK_BYTES);
    const present = this.#has(chunk);
    const whole = present ? 0xff : 0;
    const last = Math.ceil(end / CHUNK_BYTES);
    chunk += 1;
    while (chunk < last) {
      if (chunk % 8 === 0 && this.#bits[chunk / 8] === whole) chunk += 8;
      else if (this.#has(chunk) === present) chunk += 1;
      else break;
    }
    return Math.min(end, chunk * CHUNK_BYTES);
  }

  #has(chunk: number): boolean {
    return hasChunk(this.#bits, chunk);
  }
}
