import type { MaybePromise } from '../../../src/base/index.ts';
import {
  type BlockDevice,
  type Extent,
  type Loan,
  MemoryDevice,
  type WriteOptions,
  type ZeroOptions,
} from '../../../src/block/index.ts';

/** A memory disk that counts what a kernel asks of it. */
export class CountingDisk implements BlockDevice {
  readonly #inner: MemoryDevice;
  readonly counts = { read: 0, write: 0, fuaWrite: 0, flush: 0, trim: 0, trimmedBytes: 0 };

  constructor(size: number) {
    this.#inner = new MemoryDevice({ size });
  }

  get geometry() {
    return this.#inner.geometry;
  }

  get capabilities() {
    return this.#inner.capabilities;
  }

  read(target: Buffer, offset: number): MaybePromise<void> {
    this.counts.read += 1;
    return this.#inner.read(target, offset);
  }

  lend(offset: number, length: number): Loan | undefined {
    const loan = this.#inner.lend(offset, length);
    if (loan !== undefined) this.counts.read += 1;
    return loan;
  }

  cache(offset: number, length: number): MaybePromise<void> {
    return this.#inner.cache(offset, length);
  }

  extents(offset: number, length: number, limit: number): MaybePromise<Extent[]> {
    return this.#inner.extents(offset, length, limit);
  }

  write(source: Buffer, offset: number, options: WriteOptions): MaybePromise<void> {
    if (options.fua) this.counts.fuaWrite += 1;
    else this.counts.write += 1;
    return this.#inner.write(source, offset, options);
  }

  flush(): MaybePromise<void> {
    this.counts.flush += 1;
    return this.#inner.flush();
  }

  trim(offset: number, length: number, options: WriteOptions): MaybePromise<void> {
    this.counts.trim += 1;
    this.counts.trimmedBytes += length;
    return this.#inner.trim(offset, length, options);
  }

  zero(offset: number, length: number, options: ZeroOptions): MaybePromise<void> {
    return this.#inner.zero(offset, length, options);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
