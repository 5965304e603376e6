/**
 * The replies of one read event, put together so that they leave with one system call: two writes
 * per reply cost 12 µs each way, one vectored write per event 2.7 µs (docs/ARCHITECTURE.md).
 *
 * Headers and small payloads are written into a slab; large payloads (lent or pooled) stand between
 * the pieces of slab. Everything a socket may still refer to is held until its write callback has
 * run: memory given back earlier could be refilled with another machine's data and then be sent.
 */
import type { Duplex } from 'node:stream';
import { DirectWriter } from './direct-writer.ts';
import { SLAB_SIZE } from './limits.ts';
import type { Slab, SlabPool } from './slab-pool.ts';

type Release = () => void;

export class ReplyBatch {
  readonly #pool: SlabPool;
  readonly #socket: Duplex;
  readonly #direct: DirectWriter;
  readonly #onSent: (bytes: number) => void;
  #slab: Slab | undefined;
  /** Where the piece of slab that is not yet a part begins. */
  #start = 0;
  #parts: Buffer[] = [];
  #slabs: Slab[] = [];
  #releases: Release[] = [];
  #partBytes = 0;

  /** @param onSent called with what `flush` returned, once the socket no longer needs those bytes */
  constructor(pool: SlabPool, socket: Duplex, onSent: (bytes: number) => void) {
    this.#pool = pool;
    this.#socket = socket;
    this.#direct = new DirectWriter(socket);
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

  /** Sends everything; returns the bytes that the socket could not take at once and still refers to. */
  flush(): number {
    this.#leaveSlab();
    if (this.#parts.length === 0) return 0;
    const left = this.#direct.write(this.#parts);
    const waiting = this.#partBytes - left;
    this.#partBytes = 0;
    if (waiting > 0) {
      this.#sendRest(left, waiting);
      return waiting;
    }
    for (const slab of this.#slabs) this.#pool.release(slab);
    for (const release of this.#releases) release();
    empty(this.#parts);
    empty(this.#slabs);
    empty(this.#releases);
    return 0;
  }

  /** Gives the socket what did not leave at once. */
  #sendRest(left: number, waiting: number): void {
    const parts = withoutFirst(this.#parts, left);
    const slabs = this.#slabs;
    const releases = this.#releases;
    this.#parts = [];
    this.#slabs = [];
    this.#releases = [];
    let held = true;
    // Runs on success and on failure alike: either way the socket has let go. A stream that fails
    // while it is written to may say so twice (seen with Node 26: EPIPE between two writes).
    const sent = (): void => {
      if (!held) return;
      held = false;
      for (const slab of slabs) this.#pool.release(slab);
      for (const release of releases) release();
      this.#onSent(waiting);
    };
    this.#socket.cork();
    for (const [index, part] of parts.entries()) {
      if (index < parts.length - 1) this.#socket.write(part);
      else this.#socket.write(part, sent);
    }
    this.#socket.uncork();
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

/** Setting `length` is a call into the runtime; most often there is one element. */
function empty(array: unknown[]): void {
  while (array.length > 0) array.pop();
}

/** What remains of the parts when their first `bytes` bytes are gone: at least one byte. */
function withoutFirst(parts: readonly Buffer[], bytes: number): readonly Buffer[] {
  let gone = bytes;
  let index = 0;
  for (const part of parts) {
    if (gone < part.length) return [part.subarray(gone), ...parts.slice(index + 1)];
    gone -= part.length;
    index += 1;
  }
  return [];
}
