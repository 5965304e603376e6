/**
 * Which page holds which part of a volume: a table in shared memory that the control port changes and all workers
 * read, so that no request needs a message once its pages are there.
 *
 * An entry is 0 (a hole), +page (this volume's alone: write in place) or −page (held by snapshots or clones too: read
 * only). A worker is `inside` the table while it copies bytes, which is synchronous and short. The control port closes
 * the table before it changes entries and waits until nobody is inside: so a snapshot is of one moment, and a page is
 * not given to another volume while somebody still reads it.
 */
import { PAGE_BYTES } from './limits.ts';

/** Words before the entries: how many are inside, and whether the table is closed. */
const INSIDE = 0;
const CLOSED = 1;
const HEADER_BYTES = 8;

/** How long a thread sleeps at most before it looks again, in milliseconds: a lost wake-up must not stop it for good. */
const LOOK_AGAIN_MS = 10;

export class PageTable {
  readonly buffer: SharedArrayBuffer;
  readonly #header: Int32Array;
  /** Of the length that the buffer has: grows with it. */
  readonly #entries: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#header = new Int32Array(buffer, 0, 2);
    this.#entries = new Int32Array(buffer, HEADER_BYTES);
  }

  /** @param size of the volume, in bytes; @param maximum that it may ever have */
  static create(size: number, maximum: number): PageTable {
    const length = HEADER_BYTES + pagesOf(size) * 4;
    const maxByteLength = HEADER_BYTES + pagesOf(maximum) * 4;
    return new PageTable(new SharedArrayBuffer(length, { maxByteLength }));
  }

  get length(): number {
    return this.#entries.length;
  }

  /** Nobody may be inside who uses more than the old length; the new entries are holes. */
  grow(size: number): void {
    const length = HEADER_BYTES + pagesOf(size) * 4;
    if (length > this.buffer.byteLength) this.buffer.grow(length);
  }

  get(index: number): number {
    return Atomics.load(this.#entries, index);
  }

  /** Control port only, while the table is closed. */
  set(index: number, entry: number): void {
    Atomics.store(this.#entries, index, entry);
  }

  /** Waits while the table is closed, which takes as long as copying a table. Never across an `await`. */
  enter(): void {
    for (;;) {
      Atomics.add(this.#header, INSIDE, 1);
      if (Atomics.load(this.#header, CLOSED) === 0) return;
      this.leave();
      Atomics.wait(this.#header, CLOSED, 1, LOOK_AGAIN_MS);
    }
  }

  leave(): void {
    if (Atomics.sub(this.#header, INSIDE, 1) === 1) Atomics.notify(this.#header, INSIDE);
  }

  close(): void {
    Atomics.store(this.#header, CLOSED, 1);
    for (;;) {
      const inside = Atomics.load(this.#header, INSIDE);
      if (inside === 0) return;
      Atomics.wait(this.#header, INSIDE, inside, LOOK_AGAIN_MS);
    }
  }

  open(): void {
    Atomics.store(this.#header, CLOSED, 0);
    Atomics.notify(this.#header, CLOSED);
  }
}

export function pagesOf(size: number): number {
  return Math.ceil(size / PAGE_BYTES);
}
