/**
 * Slabs: memory in which the reply headers and the small payloads of a batch are put together, so
 * that a batch leaves as one piece. A slab is filled from front to back, may serve several batches
 * one after the other, and starts over when no socket holds a piece of it any more.
 */
import { POOLED_SLABS, SLAB_SIZE } from './limits.ts';

export interface Slab {
  readonly buffer: Buffer;
  /** Bytes handed out so far. */
  used: number;
  /** Pieces that a socket or an unfinished read still holds, plus one while a batch fills it. */
  holds: number;
}

export class SlabPool {
  readonly #free: Slab[] = [];
  /** The slab of the last batch, while it has room left. */
  #open: Slab | undefined;

  /** A slab with room for at least `length` bytes (at most SLAB_SIZE), held once for the caller. */
  take(length: number): Slab {
    const open = this.#open;
    if (open !== undefined) {
      this.#open = undefined;
      if (SLAB_SIZE - open.used >= length) {
        open.holds += 1;
        return open;
      }
      if (open.holds === 0) this.#keep(open);
    }
    const slab = this.#free.pop() ?? {
      buffer: Buffer.allocUnsafeSlow(SLAB_SIZE),
      used: 0,
      holds: 0,
    };
    slab.holds += 1;
    return slab;
  }

  /** The batch is done with it; what is left of it may serve the next batch. */
  putBack(slab: Slab): void {
    slab.holds -= 1;
    if (slab.holds === 0) slab.used = 0;
    const open = this.#open;
    this.#open = slab;
    if (open !== undefined && open.holds === 0) this.#keep(open);
  }

  /** A piece of it has been sent. */
  release(slab: Slab): void {
    slab.holds -= 1;
    if (slab.holds > 0) return;
    slab.used = 0;
    if (slab !== this.#open) this.#keep(slab);
  }

  #keep(slab: Slab): void {
    slab.used = 0;
    if (this.#free.length < POOLED_SLABS) this.#free.push(slab);
  }
}
