import type { MaybePromise } from '../base/index.ts';
import type { Capabilities, Extent, Geometry, Loan, ReadableBlockDevice } from '../block/index.ts';

/** A layer that somebody else closes: the top of a stack closes what it stands on, but not this. */
export class BorrowedLayer implements ReadableBlockDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;
  readonly #layer: ReadableBlockDevice;

  constructor(layer: ReadableBlockDevice) {
    this.#layer = layer;
    this.geometry = layer.geometry;
    this.capabilities = layer.capabilities;
  }

  read(target: Buffer, offset: number): MaybePromise<void> {
    return this.#layer.read(target, offset);
  }

  lend(offset: number, length: number): Loan | undefined {
    return this.#layer.lend(offset, length);
  }

  cache(offset: number, length: number): MaybePromise<void> {
    return this.#layer.cache(offset, length);
  }

  extents(offset: number, length: number, limit: number): MaybePromise<Extent[]> {
    return this.#layer.extents(offset, length, limit);
  }

  async close(): Promise<void> {}
}
