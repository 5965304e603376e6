import type { MaybePromise } from '../base/index.ts';
import type { Capabilities, Extent, Geometry, Loan, ReadableBlockDevice } from '../block/index.ts';

/** A chain that somebody else closes: the top of a stack closes what it stands on, but not this. */
export class BorrowedChain implements ReadableBlockDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;
  readonly #chain: ReadableBlockDevice;

  constructor(chain: ReadableBlockDevice) {
    this.#chain = chain;
    this.geometry = chain.geometry;
    this.capabilities = chain.capabilities;
  }

  read(target: Buffer, offset: number): MaybePromise<void> {
    return this.#chain.read(target, offset);
  }

  lend(offset: number, length: number): Loan | undefined {
    return this.#chain.lend(offset, length);
  }

  cache(offset: number, length: number): MaybePromise<void> {
    return this.#chain.cache(offset, length);
  }

  extents(offset: number, length: number, limit: number): MaybePromise<Extent[]> {
    return this.#chain.extents(offset, length, limit);
  }

  async close(): Promise<void> {}
}
