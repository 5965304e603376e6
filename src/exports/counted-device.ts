import type { MaybePromise } from '../base/index.ts';
import type {
  BlockDevice,
  Capabilities,
  Extent,
  Geometry,
  Loan,
  WriteOptions,
  ZeroOptions,
} from '../block/index.ts';
import { TRAFFIC, trafficSlot } from './traffic.ts';

/**
 * Counts what passes into shared memory: two additions a request, nothing that is made, nothing that waits. Unlike a
 * MeteredDevice it does not look at what becomes of a request.
 */
export class CountedDevice implements BlockDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;
  readonly #inner: BlockDevice;
  readonly #cells: Float64Array;

  /** @param worker number of this thread: its slot in the traffic */
  constructor(inner: BlockDevice, traffic: SharedArrayBuffer, worker: number) {
    this.#inner = inner;
    this.#cells = trafficSlot(traffic, worker);
    this.geometry = inner.geometry;
    this.capabilities = inner.capabilities;
  }

  read(target: Buffer, offset: number): MaybePromise<void> {
    this.#add(TRAFFIC.readRequests, 1);
    this.#add(TRAFFIC.bytesRead, target.length);
    return this.#inner.read(target, offset);
  }

  lend(offset: number, length: number): Loan | undefined {
    const loan = this.#inner.lend(offset, length);
    // What is not lent is read next, and counted then.
    if (loan !== undefined) {
      this.#add(TRAFFIC.readRequests, 1);
      this.#add(TRAFFIC.bytesRead, length);
    }
    return loan;
  }

  write(source: Buffer, offset: number, options: WriteOptions): MaybePromise<void> {
    this.#add(TRAFFIC.writeRequests, 1);
    this.#add(TRAFFIC.bytesWritten, source.length);
    return this.#inner.write(source, offset, options);
  }

  flush(): MaybePromise<void> {
    return this.#inner.flush();
  }

  trim(offset: number, length: number, options: WriteOptions): MaybePromise<void> {
    this.#add(TRAFFIC.writeRequests, 1);
    return this.#inner.trim(offset, length, options);
  }

  zero(offset: number, length: number, options: ZeroOptions): MaybePromise<void> {
    this.#add(TRAFFIC.writeRequests, 1);
    return this.#inner.zero(offset, length, options);
  }

  cache(offset: number, length: number): MaybePromise<void> {
    return this.#inner.cache(offset, length);
  }

  extents(offset: number, length: number, limit: number): MaybePromise<Extent[]> {
    return this.#inner.extents(offset, length, limit);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #add(cell: number, amount: number): void {
    this.#cells[cell] = (this.#cells[cell] ?? 0) + amount;
  }
}
