import { chain, type MaybePromise } from '../base/index.ts';
import { BlockError } from '../errors/index.ts';
import type {
  BlockDevice,
  Capabilities,
  Extent,
  Geometry,
  Loan,
  WriteOptions,
  ZeroOptions,
} from './block-device.ts';

/** A part of a device as a device of its own, e.g. one partition. Closes what it is a part of. */
export class SliceDevice implements BlockDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;
  readonly #inner: BlockDevice;
  readonly #start: number;

  /**
   * @param start first byte, aligned to the device's minimumIo
   * @param size bytes, aligned likewise
   * @throws BlockError EINVAL when the slice is not inside the device or not aligned
   */
  constructor(inner: BlockDevice, start: number, size: number) {
    const { size: whole, minimumIo } = inner.geometry;
    const inside = start >= 0 && size >= 0 && size <= whole - start;
    if (!inside || start % minimumIo !== 0 || size % minimumIo !== 0) {
      throw new BlockError('EINVAL', 'open', start, size, `not a slice of ${whole} bytes`);
    }
    this.#inner = inner;
    this.#start = start;
    this.geometry = Object.freeze({ ...inner.geometry, size });
    this.capabilities = inner.capabilities;
  }

  read(target: Buffer, offset: number): MaybePromise<void> {
    return this.#inner.read(target, this.#start + offset);
  }

  lend(offset: number, length: number): Loan | undefined {
    return this.#inner.lend(this.#start + offset, length);
  }

  cache(offset: number, length: number): MaybePromise<void> {
    return this.#inner.cache(this.#start + offset, length);
  }

  extents(offset: number, length: number, limit: number): MaybePromise<Extent[]> {
    return chain(this.#inner.extents(this.#start + offset, length, limit), (found) =>
      found.map((extent) => ({ ...extent, offset: extent.offset - this.#start })),
    );
  }

  write(source: Buffer, offset: number, options: WriteOptions): MaybePromise<void> {
    return this.#inner.write(source, this.#start + offset, options);
  }

  flush(): MaybePromise<void> {
    return this.#inner.flush();
  }

  trim(offset: number, length: number, options: WriteOptions): MaybePromise<void> {
    return this.#inner.trim(this.#start + offset, length, options);
  }

  zero(offset: number, length: number, options: ZeroOptions): MaybePromise<void> {
    return this.#inner.zero(this.#start + offset, length, options);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
