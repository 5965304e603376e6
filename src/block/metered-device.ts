import { isPromise, type MaybePromise } from '../base/index.ts';
import type {
  BlockDevice,
  Capabilities,
  Extent,
  Geometry,
  Loan,
  WriteOptions,
  ZeroOptions,
} from './block-device.ts';

/** What passed through a device. Bytes count what was asked for, settled or not. */
export interface DeviceGauges {
  reads: number;
  writes: number;
  flushes: number;
  trims: number;
  zeroes: number;
  bytesRead: number;
  bytesWritten: number;
  /** Reads answered from lent memory, without a copy; also counted in `reads`. */
  lent: number;
  errors: number;
  /** Requests that wait right now. */
  waiting: number;
}

/** Counts requests and bytes on their way through. */
export class MeteredDevice implements BlockDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;
  readonly gauges: DeviceGauges = {
    reads: 0,
    writes: 0,
    flushes: 0,
    trims: 0,
    zeroes: 0,
    bytesRead: 0,
    bytesWritten: 0,
    lent: 0,
    errors: 0,
    waiting: 0,
  };
  readonly #inner: BlockDevice;

  constructor(inner: BlockDevice) {
    this.#inner = inner;
    this.geometry = inner.geometry;
    this.capabilities = inner.capabilities;
  }

  read(target: Buffer, offset: number): MaybePromise<void> {
    this.gauges.reads += 1;
    this.gauges.bytesRead += target.length;
    return this.#watch(() => this.#inner.read(target, offset));
  }

  lend(offset: number, length: number): Loan | undefined {
    const loan = this.#inner.lend(offset, length);
    if (loan !== undefined) {
      this.gauges.reads += 1;
      this.gauges.lent += 1;
      this.gauges.bytesRead += length;
    }
    return loan;
  }

  cache(offset: number, length: number): MaybePromise<void> {
    return this.#watch(() => this.#inner.cache(offset, length));
  }

  extents(offset: number, length: number, limit: number): MaybePromise<Extent[]> {
    return this.#watch(() => this.#inner.extents(offset, length, limit));
  }

  write(source: Buffer, offset: number, options: WriteOptions): MaybePromise<void> {
    this.gauges.writes += 1;
    this.gauges.bytesWritten += source.length;
    return this.#watch(() => this.#inner.write(source, offset, options));
  }

  flush(): MaybePromise<void> {
    this.gauges.flushes += 1;
    return this.#watch(() => this.#inner.flush());
  }

  trim(offset: number, length: number, options: WriteOptions): MaybePromise<void> {
    this.gauges.trims += 1;
    return this.#watch(() => this.#inner.trim(offset, length, options));
  }

  zero(offset: number, length: number, options: ZeroOptions): MaybePromise<void> {
    this.gauges.zeroes += 1;
    return this.#watch(() => this.#inner.zero(offset, length, options));
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #watch<T>(call: () => MaybePromise<T>): MaybePromise<T> {
    let result: MaybePromise<T>;
    try {
      result = call();
    } catch (error) {
      this.gauges.errors += 1;
      throw error;
    }
    if (!isPromise(result)) return result;
    this.gauges.waiting += 1;
    return result.then(
      (value) => {
        this.gauges.waiting -= 1;
        return value;
      },
      (error: unknown) => {
        this.gauges.waiting -= 1;
        this.gauges.errors += 1;
        throw error;
      },
    );
  }
}
