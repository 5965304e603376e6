import { LAYER_CHUNK_BYTES } from './limits.ts';

/**
 * Which 64 KiB chunks of a layer hold data: bit (i mod 8) of byte i / 8, for chunk i; set = holds
 * data. Never changes.
 */
export class PresentChunks {
  readonly #bits: Uint8Array;

  constructor(bits: Uint8Array) {
    this.#bits = bits;
  }

  /** Bytes of the bitmap of a layer of `size` bytes. */
  static bytesFor(size: number): number {
    return Math.ceil(Math.ceil(size / LAYER_CHUNK_BYTES) / 8);
  }

  /** Whether the chunk that holds this byte holds data. */
  at(offset: number): boolean {
    return this.#has(Math.floor(offset / LAYER_CHUNK_BYTES));
  }

  /** Where the run of equal chunks that starts at `offset` ends: at most `end`. */
  runEnd(offset: number, end: number): number {
    let chunk = Math.floor(offset / LAYER_CHUNK_BYTES);
    const present = this.#has(chunk);
    const whole = present ? 0xff : 0;
    const last = Math.ceil(end / LAYER_CHUNK_BYTES);
    chunk += 1;
    while (chunk < last) {
      if (chunk % 8 === 0 && this.#bits[chunk / 8] === whole) chunk += 8;
      else if (this.#has(chunk) === present) chunk += 1;
      else break;
    }
    return Math.min(end, chunk * LAYER_CHUNK_BYTES);
  }

  #has(chunk: number): boolean {
    return (((this.#bits[Math.floor(chunk / 8)] ?? 0) >>> (chunk % 8)) & 1) === 1;
  }
}
