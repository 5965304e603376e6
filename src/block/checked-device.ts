/**
 * The top of every stack: checks what the seam's contract leaves to the caller (range, alignment,
 * capabilities), turns whatever is not a BlockError into one, refuses calls after `close` and lets
 * `close` wait for what runs. Below it nobody checks again.
 */
import { isPromise, type MaybePromise } from '../base/index.ts';
import { BlockError, type BlockOperation, type Errno } from '../errors/index.ts';
import type {
  BlockDevice,
  Capabilities,
  Extent,
  Geometry,
  Loan,
  WriteOptions,
  ZeroOptions,
} from './block-device.ts';
import { Gate } from './gate.ts';

export class CheckedDevice implements BlockDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;
  readonly #inner: BlockDevice;
  readonly #gate = new Gate();
  readonly #size: number;
  readonly #minimumIo: number;

  constructor(inner: BlockDevice) {
    this.#inner = inner;
    this.geometry = inner.geometry;
    this.capabilities = inner.capabilities;
    this.#size = inner.geometry.size;
    this.#minimumIo = inner.geometry.minimumIo;
  }

  /** @throws BlockError EINVAL out of range, unaligned or too long; ESHUTDOWN after `close`. */
  read(target: Buffer, offset: number): MaybePromise<void> {
    this.#check('read', offset, target.length, 'EINVAL');
    this.#checkPayload('read', offset, target.length);
    if (target.length === 0) return undefined;
    try {
      const result = this.#inner.read(target, offset);
      return isPromise(result) ? this.#settle(result, 'read', offset, target.length) : result;
    } catch (error) {
      throw BlockError.from(error, 'read', offset, target.length);
    }
  }

  lend(offset: number, length: number): Loan | undefined {
    this.#check('read', offset, length, 'EINVAL');
    this.#checkPayload('read', offset, length);
    if (length === 0) return undefined;
    try {
      return this.#inner.lend(offset, length);
    } catch (error) {
      throw BlockError.from(error, 'read', offset, length);
    }
  }

  /** @throws BlockError EROFS on a read-only device, ENOSPC beyond the end, EINVAL, ESHUTDOWN. */
  write(source: Buffer, offset: number, options: WriteOptions): MaybePromise<void> {
    const length = source.length;
    this.#checkChange('write', offset, length, 'ENOSPC', options.fua);
    this.#checkPayload('write', offset, length);
    if (length === 0) return undefined;
    try {
      const result = this.#inner.write(source, offset, options);
      return isPromise(result) ? this.#settle(result, 'write', offset, length) : result;
    } catch (error) {
      throw BlockError.from(error, 'write', offset, length);
    }
  }

  flush(): MaybePromise<void> {
    this.#gate.check('flush', 0, 0);
    this.#require(this.capabilities.flush, 'ENOTSUP', 'flush', 0, 0);
    return this.#run('flush', 0, 0, () => this.#inner.flush());
  }

  trim(offset: number, length: number, options: WriteOptions): MaybePromise<void> {
    this.#checkChange('trim', offset, length, 'EINVAL', options.fua);
    this.#require(this.capabilities.trim, 'ENOTSUP', 'trim', offset, length);
    if (length === 0) return undefined;
    return this.#run('trim', offset, length, () => this.#inner.trim(offset, length, options));
  }

  zero(offset: number, length: number, options: ZeroOptions): MaybePromise<void> {
    this.#checkChange('zero', offset, length, 'ENOSPC', options.fua);
    const supported = this.capabilities.zero && (!options.fast || this.capabilities.fastZero);
    this.#require(supported, 'ENOTSUP', 'zero', offset, length);
    if (length === 0) return undefined;
    return this.#run('zero', offset, length, () => this.#inner.zero(offset, length, options));
  }

  cache(offset: number, length: number): MaybePromise<void> {
    this.#check('cache', offset, length, 'EINVAL');
    if (length === 0 || !this.capabilities.cache) return undefined;
    return this.#run('cache', offset, length, () => this.#inner.cache(offset, length));
  }

  extents(offset: number, length: number, limit: number): MaybePromise<Extent[]> {
    this.#check('extents', offset, length, 'EINVAL');
    this.#require(length > 0 && limit >= 1, 'EINVAL', 'extents', offset, length);
    return this.#run('extents', offset, length, () => this.#inner.extents(offset, length, limit));
  }

  close(): Promise<void> {
    return this.#gate.close(() => this.#inner.close());
  }

  #run<T>(
    operation: BlockOperation,
    offset: number,
    length: number,
    call: () => MaybePromise<T>,
  ): MaybePromise<T> {
    try {
      const result = call();
      return isPromise(result) ? this.#settle(result, operation, offset, length) : result;
    } catch (error) {
      throw BlockError.from(error, operation, offset, length);
    }
  }

  #settle<T>(
    result: Promise<T>,
    operation: BlockOperation,
    offset: number,
    length: number,
  ): MaybePromise<T> {
    return this.#gate.track(
      result.catch((error: unknown) => {
        throw BlockError.from(error, operation, offset, length);
      }),
    );
  }

  #check(operation: BlockOperation, offset: number, length: number, beyond: Errno): void {
    this.#gate.check(operation, offset, length);
    if (
      !Number.isSafeInteger(offset) ||
      !Number.isSafeInteger(length) ||
      offset < 0 ||
      length < 0
    ) {
      throw new BlockError('EINVAL', operation, offset, length, 'not a range of bytes');
    }
    if (length > this.#size - offset) {
      const detail = `beyond the end of the device (${this.#size} bytes)`;
      throw new BlockError(beyond, operation, offset, length, detail);
    }
    const unit = this.#minimumIo;
    if (unit !== 1 && (offset % unit !== 0 || length % unit !== 0)) {
      throw new BlockError('EINVAL', operation, offset, length, `not aligned to ${unit} bytes`);
    }
  }

  #checkChange(
    operation: BlockOperation,
    offset: number,
    length: number,
    beyond: Errno,
    fua: boolean,
  ): void {
    this.#check(operation, offset, length, beyond);
    this.#require(this.capabilities.write, 'EROFS', operation, offset, length);
    if (fua) this.#require(this.capabilities.fua, 'ENOTSUP', operation, offset, length);
  }

  #checkPayload(operation: BlockOperation, offset: number, length: number): void {
    if (length > this.geometry.maximumIo) {
      const detail = `longer than ${this.geometry.maximumIo} bytes`;
      throw new BlockError('EINVAL', operation, offset, length, detail);
    }
  }

  #require(
    met: boolean,
    errno: Errno,
    operation: BlockOperation,
    offset: number,
    length: number,
  ): void {
    if (!met) throw new BlockError(errno, operation, offset, length, 'not offered by the device');
  }
}
