/**
 * The replies of one read event, put together so that they leave with one system call: two writes
 * per reply cost 12 µs each way, one vectored write per event 2.7 µs (docs/ARCHITECTURE.md).
 *
 * Headers and small payloads are written into a slab; large payloads (lent or pooled) stand between
 * the pieces of slab. Everything a socket may still refer to is held until its write callback has
 * run: memory given back earlier could be refilled with another machine's data and then be sent.
 */
import type { Writable } from 'node:stream';
import { SLAB_SIZE } from './limits.ts';
import type { Slab, SlabPool } from './slab-pool.ts';

type Release = () => void;

export class ReplyBatch {
  readonly #pool: SlabPool;
  readonly #socket: Writable;
  readonly #onSent: (bytes: number) => void;
  #slab: Slab | undefined;
  /** Where the piece of slab that is not yet a part begins. */
  #start = 0;
  #parts: Buffer[] = [];
  #slabs: Slab[] = [];
  #releases: Release[] = [];
  #partBytes = 0;

  /** @param onSent called with the bytes of each flush once the socket no longer needs them */
  constructor(pool: SlabPool, socket: Writable, onSent: (bytes: number) => void) {
    this.#pool = pool;
    this.#socket = socket;
    this.#onSent = onSent;
  }

  /** Bytes waiting for `flush`. */
  get bytes(): number {
    return this.#partBytes + (this.#slab === undefined ? 0 : this.#slab.used - this.#start);
  }

  /** A slab with `length` more bytes reserved: the last `length` of `slab.used`. */
  reserve(length: number): Slab {
    let slab = this.#slab;
    if (slab === undefined || SLAB_SIZE - slab.used < length) {
      this.#leaveSlab();
      slab = this.#pool.take(length);
      this.#slab = slab;
      this.#start = slab.used;
    }
    slab.used += length;
    return slab;
  }

  /** Takes back the reservation just made. */
  cancel(slab: Slab, length: number): void {
    slab.used -= length;
  }

  /** Takes the reservation just made out of the batch: its content comes later, see `append`. */
  detach(slab: Slab, length: number): void {
    const end = slab.used;
    slab.used = end - length;
    this.#seal();
    slab.used = end;
    this.#start = end;
    slab.holds += 1;
  }

  /** Adds a detached reservation, now filled; its hold passes to the batch. */
  append(slab: Slab, start: number, length: number): void {
    this.#seal();
    this.#parts.push(slab.buffer.subarray(start, start + length));
    this.#partBytes += length;
    this.#slabs.push(slab);
  }

  /** A detached reservation that is not needed after all. */
  drop(slab: Slab): void {
    this.#pool.release(slab);
  }

  /** Adds memory that is not ours. `release` is called once when the socket no longer needs it. */
  push(chunks: readonly Buffer[], release: Release | undefined): void {
    this.#seal();
    for (const chunk of chunks) {
      this.#parts.push(chunk);
      this.#partBytes += chunk.length;
    }
    if (release !== undefined) this.#releases.push(release);
  }

  /** Hands everything to the socket; returns the bytes. */
  flush(): number {
    this.#leaveSlab();
    const parts = this.#parts;
    const last = parts.at(-1);
    if (last === undefined) return 0;
    const slabs = this.#slabs;
    const releases = this.#releases;
    const bytes = this.#partBytes;
    this.#parts = [];
    this.#slabs = [];
    this.#releases = [];
    this.#partBytes = 0;
    // Runs on success and on failure alike: either way the socket has let go.
    const sent = (): void => {
      for (const slab of slabs) this.#pool.release(slab);
      for (const release of releases) release();
      this.#onSent(bytes);
    };
    if (parts.length === 1) {
      this.#socket.write(last, sent);
      return bytes;
    }
    this.#socket.cork();
    for (let index = 0; index < parts.length - 1; index += 1) this.#socket.write(parts[index]);
    this.#socket.write(last, sent);
    this.#socket.uncork();
    return bytes;
  }

  /** Makes the piece of slab filled since the last part a part. */
  #seal(): void {
    const slab = this.#slab;
    if (slab === undefined || slab.used === this.#start) return;
    this.#parts.push(slab.buffer.subarray(this.#start, slab.used));
    this.#partBytes += slab.used - this.#start;
    this.#slabs.push(slab);
    slab.holds += 1;
    this.#start = slab.used;
  }

  #leaveSlab(): void {
    if (this.#slab === undefined) return;
    this.#seal();
    this.#pool.putBack(this.#slab);
    this.#slab = undefined;
    this.#start = 0;
  }
}
