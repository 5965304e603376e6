/**
 * The data of an image as a sequence of windows: aligned pieces of the disk with the chunks that may
 * hold data read into a buffer. Zeroes are stepped over without reading.
 */
import { setImmediate } from 'node:timers/promises';
import type { ImageReader } from '../formats/index.ts';
import { CHUNK_BYTES } from '../manifest/index.ts';
import { STEPS_PER_TURN, WINDOW_BYTES } from './limits.ts';

/** Chunks of a window that follow each other. Offsets in bytes, inside of the window. */
export interface Stretch {
  readonly start: number;
  readonly end: number;
}

export interface Window {
  /** Where the window is on the disk; a multiple of the chunk size. */
  readonly offset: number;
  readonly end: number;
  /** What may hold data; the rest of `bytes` is left over from another window. */
  readonly stretches: readonly Stretch[];
  readonly bytes: Buffer<ArrayBuffer>;
}

/** The image as a disk of `diskSize` bytes, at least its own size, filled up with zeroes. */
export class ImageWindows {
  readonly #reader: ImageReader;
  readonly #diskSize: number;
  readonly #checkCancelled: () => void;

  constructor(reader: ImageReader, diskSize: number, checkCancelled: () => void) {
    this.#reader = reader;
    this.#diskSize = diskSize;
    this.#checkCancelled = checkCancelled;
  }

  /** Calls `each` for every window in order, while the next one is being read. */
  async forEach(each: (window: Window) => Promise<void>): Promise<void> {
    let free = Buffer.alloc(WINDOW_BYTES);
    let ahead = this.#load(Buffer.alloc(WINDOW_BYTES), 0);
    for (;;) {
      const window = await ahead;
      if (window === undefined) return;
      ahead = this.#load(free, window.end);
      ahead.catch(() => undefined); // awaited below; until then nobody else looks at it
      try {
        await each(window);
      } catch (error) {
        await Promise.allSettled([ahead]); // the reader is closed only when nobody reads
        throw error;
      }
      free = window.bytes;
    }
  }

  /** Bytes in chunks that may hold data: what the import needs at most. */
  async dataBytes(): Promise<number> {
    let bytes = 0;
    let offset = await this.#nextData(0);
    while (offset < this.#diskSize) {
      const end = await this.#dataEnd(offset);
      bytes += end - offset;
      offset = await this.#nextData(end);
    }
    return bytes;
  }

  async #load(bytes: Buffer<ArrayBuffer>, from: number): Promise<Window | undefined> {
    const offset = await this.#nextData(from);
    if (offset >= this.#diskSize) return undefined;
    const end = Math.min(offset + WINDOW_BYTES, this.#diskSize);
    const stretches: Stretch[] = [];
    let at = offset;
    while (at < end) {
      const stop = Math.min(await this.#dataEnd(at), end);
      await this.#read(bytes.subarray(at - offset, stop - offset), at);
      stretches.push({ start: at - offset, end: stop - offset });
      at = Math.min(await this.#nextData(stop), end);
    }
    return { offset, end, stretches, bytes };
  }

  async #read(target: Buffer, offset: number): Promise<void> {
    this.#checkCancelled();
    const inside = Math.min(target.length, this.#reader.size - offset);
    await this.#reader.read(target.subarray(0, inside), offset);
    target.fill(0, inside);
  }

  /** The first chunk from `from` on that may hold data, or the end of the disk. */
  async #nextData(from: number): Promise<number> {
    const { size } = this.#reader;
    let offset = from;
    for (let step = 1; offset < size; step += 1) {
      const run = await this.#reader.run(offset, size - offset);
      const end = offset + run.length;
      // Zeroes that do not reach over the chunk are read with it.
      const reached = end === size ? size : Math.floor(end / CHUNK_BYTES) * CHUNK_BYTES;
      if (run.kind === 'data' || reached <= offset) return offset;
      offset = reached;
      if (step % STEPS_PER_TURN === 0) await this.#turn();
    }
    return this.#diskSize;
  }

  /** The end of the chunk in which the data that starts in the chunk at `from` ends. */
  async #dataEnd(from: number): Promise<number> {
    const { size } = this.#reader;
    const least = Math.min(from + CHUNK_BYTES, size);
    let offset = from;
    for (let step = 1; offset < size; step += 1) {
      const run = await this.#reader.run(offset, size - offset);
      if (run.kind === 'zero' && offset >= least) break;
      offset += run.length;
      if (step % STEPS_PER_TURN === 0) await this.#turn();
      if (offset - from >= WINDOW_BYTES) break;
    }
    const end = Math.ceil(Math.max(offset, least) / CHUNK_BYTES) * CHUNK_BYTES;
    return Math.min(end, this.#diskSize);
  }

  async #turn(): Promise<void> {
    this.#checkCancelled();
    await setImmediate();
  }
}
