/**
 * A device that fails and stalls to order: a product for trying out how a system above behaves, and
 * what our own tests of errors are made of.
 */
import { type MaybePromise, RangeLock } from '../base/index.ts';
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

export interface FaultyRequest {
  readonly operation: Exclude<BlockOperation, 'open'>;
  /** Bytes. */
  readonly offset: number;
  readonly length: number;
  /** How many requests of this operation came before. */
  readonly index: number;
}

/** What shall happen to one request. */
export interface InjectedFault {
  /** Fail with this instead of running. */
  readonly errno?: Errno;
  /** Wait for this first. */
  readonly delay?: Promise<void>;
}

/** Asked before every request; `undefined` lets it pass. */
export type FaultPlan = (request: FaultyRequest) => InjectedFault | undefined;

export class FaultyDevice implements BlockDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;
  readonly #inner: BlockDevice;
  readonly #plan: FaultPlan;
  readonly #counts = new Map<BlockOperation, number>();
  /** Delays must not turn the order of overlapping writes. */
  readonly #ranges = new RangeLock();

  constructor(inner: BlockDevice, plan: FaultPlan) {
    this.#inner = inner;
    this.#plan = plan;
    this.geometry = inner.geometry;
    this.capabilities = inner.capabilities;
  }

  read(target: Buffer, offset: number): MaybePromise<void> {
    return this.#run('read', offset, target.length, () => this.#inner.read(target, offset));
  }

  /** Nothing is lent, so that every read can be made to fail or wait. */
  lend(_offset: number, _length: number): Loan | undefined {
    return undefined;
  }

  cache(offset: number, length: number): MaybePromise<void> {
    return this.#run('cache', offset, length, () => this.#inner.cache(offset, length));
  }

  extents(offset: number, length: number, limit: number): MaybePromise<Extent[]> {
    return this.#run('extents', offset, length, () => this.#inner.extents(offset, length, limit));
  }

  write(source: Buffer, offset: number, options: WriteOptions): MaybePromise<void> {
    return this.#change('write', offset, source.length, () =>
      this.#inner.write(source, offset, options),
    );
  }

  flush(): MaybePromise<void> {
    return this.#run('flush', 0, 0, () => this.#inner.flush());
  }

  trim(offset: number, length: number, options: WriteOptions): MaybePromise<void> {
    return this.#change('trim', offset, length, () => this.#inner.trim(offset, length, options));
  }

  zero(offset: number, length: number, options: ZeroOptions): MaybePromise<void> {
    return this.#change('zero', offset, length, () => this.#inner.zero(offset, length, options));
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #change(
    operation: FaultyRequest['operation'],
    offset: number,
    length: number,
    call: () => MaybePromise<void>,
  ): MaybePromise<void> {
    return this.#ranges.run(offset, offset + length, () =>
      this.#run(operation, offset, length, call),
    );
  }

  #run<T>(
    operation: FaultyRequest['operation'],
    offset: number,
    length: number,
    call: () => MaybePromise<T>,
  ): MaybePromise<T> {
    const index = this.#counts.get(operation) ?? 0;
    this.#counts.set(operation, index + 1);
    const fault = this.#plan({ operation, offset, length, index });
    if (fault === undefined) return call();
    const proceed = (): MaybePromise<T> => {
      if (fault.errno === undefined) return call();
      throw new BlockError(fault.errno, operation, offset, length, 'injected');
    };
    return fault.delay === undefined ? proceed() : fault.delay.then(proceed);
  }
}

/**
 * Fails a share of the requests.
 * @param random uniform in [0, 1)
 * @param rate share of requests that fail, 0 … 1
 */
export function failAtRandom(
  random: () => number,
  rate: number,
  errno: Errno,
  operations: ReadonlySet<BlockOperation>,
): FaultPlan {
  return ({ operation }) => (operations.has(operation) && random() < rate ? { errno } : undefined);
}
