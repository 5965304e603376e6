import type { MaybePromise } from '../base/index.ts';
import { BlockError, type BlockOperation } from '../errors/index.ts';
import type {
  BlockDevice,
  Capabilities,
  Extent,
  Geometry,
  Loan,
  ReadableBlockDevice,
  WriteOptions,
  ZeroOptions,
} from './block-device.ts';

/** A readable device as a disk whose write-protect tab is set: every change fails with EROFS. */
export class ReadOnlyDevice implements BlockDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;
  readonly #inner: ReadableBlockDevice;

  constructor(inner: ReadableBlockDevice) {
    this.#inner = inner;
    this.geometry = inner.geometry;
    this.capabilities = Object.freeze({
      ...inner.capabilities,
      write: false,
      flush: true, // there is never anything to flush
      fua: false,
      trim: false,
      zero: false,
      fastZero: false,
      multiConn: true,
    });
  }

  read(target: Buffer, offset: number): MaybePromise<void> {
    return this.#inner.read(target, offset);
  }

  lend(offset: number, length: number): Loan | undefined {
    return this.#inner.lend(offset, length);
  }

  cache(offset: number, length: number): MaybePromise<void> {
    return this.#inner.cache(offset, length);
  }

  extents(offset: number, length: number, limit: number): MaybePromise<Extent[]> {
    return this.#inner.extents(offset, length, limit);
  }

  write(source: Buffer, offset: number, _options: WriteOptions): never {
    return refuse('write', offset, source.length);
  }

  flush(): void {}

  trim(offset: number, length: number, _options: WriteOptions): never {
    return refuse('trim', offset, length);
  }

  zero(offset: number, length: number, _options: ZeroOptions): never {
    return refuse('zero', offset, length);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

function refuse(operation: BlockOperation, offset: number, length: number): never {
  throw new BlockError('EROFS', operation, offset, length, 'the device is read-only');
}
