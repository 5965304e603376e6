import { isPromise, type MaybePromise } from '../base/index.ts';
import type { Capabilities, Extent, Geometry, Loan, ReadableBlockDevice } from './block-device.ts';
import { SHARED_WAIT_MS } from './limits.ts';
import type { SharedCache } from './shared-cache.ts';

/** Blocks to be read in one request: neighbours, of which some are wanted. */
export interface BlockRun {
  /** The first block and how many there are. */
  readonly first: number;
  readonly count: number;
  /** Those that are wanted, in ascending order. */
  readonly wanted: readonly number[];
}

/**
 * What fills a worker's read cache, through the cache that the workers share. Only what has to be waited
 * for is shared: what comes at once is in this host's memory already.
 */
export class SharedSource implements ReadableBlockDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;
  readonly #inner: ReadableBlockDevice;
  readonly #shared: SharedCache;
  readonly #content: number;
  #demands = 0;

  /** @param content the number that this content has in all workers, from 1 */
  constructor(inner: ReadableBlockDevice, shared: SharedCache, content: number) {
    this.geometry = inner.geometry;
    this.capabilities = inner.capabilities;
    this.#inner = inner;
    this.#shared = shared;
    this.#content = content;
  }

  get blockBytes(): number {
    return this.#shared.blockBytes;
  }

  /** Reads that somebody waits for, now. */
  get demands(): number {
    return this.#demands;
  }

  read(target: Buffer, offset: number): MaybePromise<void> {
    const block = offset / this.#shared.blockBytes;
    if (!Number.isInteger(block) || target.length !== this.#lengthOf(block)) {
      return this.#inner.read(target, offset);
    }
    const taken = this.#shared.take(this.#content, block);
    switch (taken.kind) {
      case 'ready':
        this.#shared.copy(taken.slot, target);
        return undefined;
      case 'filling':
        return this.#await(taken.slot, target, offset);
      case 'full':
        return this.#demand(() => this.#inner.read(target, offset));
      case 'mine':
        return this.#demand(() => this.#fill(taken.slot, target, offset));
    }
  }

  lend(): Loan | undefined {
    return undefined;
  }

  cache(): void {}

  extents(offset: number, length: number, limit: number): MaybePromise<Extent[]> {
    return this.#inner.extents(offset, length, limit);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  /** Whether it is shared already, or somebody reads it. */
  has(block: number): boolean {
    return this.#shared.has(this.#content, block);
  }

  /**
   * Reads what is wanted of a run and is not there, in one request, for whoever wants it later. Nobody who
   * wants one of these blocks meanwhile reads it again, and when this fails each reads for himself.
   * @param scratch at least as long as the run
   * @returns bytes that were read, and whether they came at once; undefined: there was nothing to read
   * @throws BlockError
   */
  readAhead(run: BlockRun, scratch: Buffer): MaybePromise<AheadRead> | undefined {
    const slots = new Map<number, number>();
    for (const block of run.wanted) {
      const taken = this.#shared.take(this.#content, block, true);
      if (taken.kind === 'mine') slots.set(block, taken.slot);
      else if (taken.kind === 'ready') this.#shared.leave(taken.slot);
    }
    const blocks = [...slots.keys()];
    const [first] = blocks;
    const last = blocks.at(-1);
    if (first === undefined || last === undefined) return undefined;
    const unit = this.#shared.blockBytes;
    const bytes = (last - first) * unit + this.#lengthOf(last);
    const target = scratch.subarray(0, bytes);
    const keep = (): void => {
      for (const [block, slot] of slots) {
        const start = (block - first) * unit;
        this.#shared.fill(slot, target.subarray(start, start + this.#lengthOf(block)));
      }
    };
    const abandon = (): void => {
      for (const slot of slots.values()) this.#shared.abandon(slot);
    };
    try {
      const reading = this.#inner.read(target, first * unit);
      if (!isPromise(reading)) {
        keep();
        return { bytes, atOnce: true };
      }
      return reading.then(
        () => {
          keep();
          return { bytes, atOnce: false };
        },
        (error: unknown) => {
          abandon();
          throw error;
        },
      );
    } catch (error) {
      abandon();
      throw error;
    }
  }

  #fill(slot: number, target: Buffer, offset: number): MaybePromise<void> {
    let reading: MaybePromise<void>;
    try {
      reading = this.#inner.read(target, offset);
    } catch (error) {
      this.#shared.abandon(slot);
      throw error;
    }
    if (!isPromise(reading)) {
      this.#shared.abandon(slot);
      return undefined;
    }
    return reading.then(
      () => this.#shared.fill(slot, target),
      (error: unknown) => {
        this.#shared.abandon(slot);
        throw error;
      },
    );
  }

  async #await(slot: number, target: Buffer, offset: number): Promise<void> {
    const ended = await this.#shared.wait(slot, SHARED_WAIT_MS);
    await (ended ? this.read(target, offset) : this.#inner.read(target, offset));
  }

  #demand(work: () => MaybePromise<void>): MaybePromise<void> {
    this.#demands += 1;
    let result: MaybePromise<void>;
    try {
      result = work();
    } catch (error) {
      this.#demands -= 1;
      throw error;
    }
    if (!isPromise(result)) {
      this.#demands -= 1;
      return undefined;
    }
    return result.finally(() => {
      this.#demands -= 1;
    });
  }

  /** The last block ends where the disk does. */
  #lengthOf(block: number): number {
    const { blockBytes } = this.#shared;
    return Math.min(blockBytes, this.geometry.size - block * blockBytes);
  }
}

export interface AheadRead {
  readonly bytes: number;
  readonly atOnce: boolean;
}
