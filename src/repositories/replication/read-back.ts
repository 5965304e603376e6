/** What a target was given is read back, after its flush, and compared by hashes. */
import type { BlockDevice } from '../../block/index.ts';
import { BlockError } from '../../errors/index.ts';
import { extentsOf } from './chunk-runs.ts';
import { type ChunkDigest, chunkDigest, isZero } from './content-sum.ts';
import type { Tally } from './copy-figures.ts';
import {
  REPLICATION_CHUNK_BYTES as CHUNK,
  REPLICATION_CHECKS_PENDING,
  REPLICATION_SAMPLE,
  REPLICATION_WINDOWS,
} from './limits.ts';
import { readPadded } from './whole-io.ts';

export type Verification =
  /** Everything that may differ is read back. */
  | 'whole'
  /** One chunk of REPLICATION_SAMPLE, and all that was zeroed. */
  | 'sampled';

export class ReadBack {
  readonly #target: BlockDevice;
  readonly #verification: Verification;
  readonly #random: () => number;
  readonly #tally: Tally;
  #chunks = new Map<number, ChunkDigest>();
  #zeroed: { readonly offset: number; readonly length: number }[] = [];

  /** @param random uniform in [0, 1) */
  constructor(target: BlockDevice, verification: Verification, random: () => number, tally: Tally) {
    this.#target = target;
    this.#verification = verification;
    this.#random = random;
    this.#tally = tally;
  }

  get isFull(): boolean {
    return this.#chunks.size + this.#zeroed.length >= REPLICATION_CHECKS_PENDING;
  }

  chunk(chunk: number, digest: ChunkDigest): void {
    if (this.#verification === 'whole' || this.#random() * REPLICATION_SAMPLE < 1) {
      this.#chunks.set(chunk, digest);
    }
  }

  zeroed(offset: number, length: number): void {
    this.#zeroed.push({ offset, length });
  }

  /** @throws BlockError EIO: it does not hold what it was given */
  async check(signal: AbortSignal): Promise<void> {
    // Several readers share one iterator: each takes the next chunk that nobody has.
    const chunks = this.#chunks.entries();
    const readers = Array.from({ length: REPLICATION_WINDOWS }, () => this.#read(chunks, signal));
    await settleAll(readers);
    for (const { offset, length } of this.#zeroed) await this.#zeroes(offset, length, signal);
    this.#chunks = new Map();
    this.#zeroed = [];
  }

  async #read(
    chunks: Iterable<readonly [number, ChunkDigest]>,
    signal: AbortSignal,
  ): Promise<void> {
    const buffer = Buffer.alloc(CHUNK);
    for (const [chunk, expected] of chunks) {
      signal.throwIfAborted();
      this.#tally.verified += await readPadded(this.#target, buffer, chunk * CHUNK);
      const found = chunkDigest(buffer);
      const same = expected === undefined ? found === undefined : found?.equals(expected) === true;
      if (!same) throw mismatch(chunk * CHUNK, CHUNK);
    }
  }

  async #zeroes(offset: number, length: number, signal: AbortSignal): Promise<void> {
    const buffer = Buffer.alloc(CHUNK);
    const end = offset + length;
    for await (const extent of extentsOf(this.#target, offset, end)) {
      if (extent.kind !== 'data') {
        this.#tally.verified += extent.length;
        continue;
      }
      const stop = Math.min(end, extent.offset + extent.length);
      for (let at = extent.offset; at < stop; at += CHUNK) {
        signal.throwIfAborted();
        const piece = buffer.subarray(0, Math.min(CHUNK, stop - at));
        this.#tally.verified += await readPadded(this.#target, piece, at);
        if (!isZero(piece)) throw mismatch(at, piece.length);
      }
    }
  }
}

/** None still runs when it has settled. @throws what the first of them has failed with */
async function settleAll(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) {
    if (result.status === 'rejected') throw result.reason;
  }
}

function mismatch(offset: number, length: number): BlockError {
  const detail = 'the replica does not hold what it was given';
  return new BlockError('EIO', 'read', offset, length, detail);
}
