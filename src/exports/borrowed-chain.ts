import type { MaybePromise } from '../base/index.ts';
import type { Capabilities, Extent, Geometry, Loan, ReadableBlockDevice } from '../block/index.ts';
import type { AccessRecorder } from '../vdisk/index.ts';

/**
 * A chain that somebody else closes: the top of a stack closes what it stands on, but not this. It is one
 * machine's, so this is where it is noted what that machine reads.
 */
export class BorrowedChain implements ReadableBlockDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;
  readonly #chain: ReadableBlockDevice;
  readonly #recorder: AccessRecorder | undefined;

  constructor(chain: ReadableBlockDevice, recorder?: AccessRecorder) {
    this.#chain = chain;
    this.#recorder = recorder;
    this.geometry = chain.geometry;
    this.capabilities = chain.capabilities;
  }

  read(target: Buffer, offset: number): MaybePromise<void> {
    this.#recorder?.touch(offset, target.length);
    return this.#chain.read(target, offset);
  }

  lend(offset: number, length: number): Loan | undefined {
    this.#recorder?.touch(offset, length);
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
