/**
 * The barrier below a volume's connections: requests can be held for a moment, and what they go to can be
 * exchanged meanwhile. A snapshot is taken while every worker holds: what was written before is in it, what
 * comes after goes to the new devices, and nobody sees more than a request that took a little longer.
 *
 * What is held is bounded by what a server lets its connections have under way.
 *
 * Each connection has its own view: geometry and capabilities are fixed while a device is open, and the next
 * stack may offer more (a plain volume becomes an overlay) or be larger (it has grown).
 */
import { isPromise, type MaybePromise } from '../base/index.ts';
import {
  type BlockDevice,
  type Capabilities,
  type Extent,
  FUA,
  type Geometry,
  type Loan,
  nothingToClose,
  PLAIN,
  type WriteOptions,
  type ZeroOptions,
} from '../block/index.ts';
import { BlockError } from '../errors/index.ts';

export class SwapDevice {
  #current: BlockDevice;
  #running = 0;
  #held: (() => void)[] | undefined;
  #idle: (() => void) | undefined;
  #refusal: { readonly cause: unknown } | undefined;

  constructor(device: BlockDevice) {
    this.#current = device;
  }

  /** What requests go to now. */
  get current(): BlockDevice {
    return this.#current;
  }

  /** A device for one connection. Closing it closes nothing. */
  view(): BlockDevice {
    return new SwapView(this);
  }

  /** Whether a request has to wait, or fails. */
  get isHeld(): boolean {
    return this.#held !== undefined || this.#refusal !== undefined;
  }

  /** Holds every request from now on; settles when those that run have ended. Again: the same. */
  async hold(): Promise<void> {
    this.#held ??= [];
    if (this.#running === 0) return;
    await new Promise<void>((resolve) => {
      const before = this.#idle;
      this.#idle = () => {
        before?.();
        resolve();
      };
    });
  }

  /**
   * While requests are held.
   * @throws BlockError EINVAL when the device offers less than what is promised to connections already
   */
  exchange(device: BlockDevice): void {
    refuseLess(this.#current, device);
    this.#current = device;
  }

  /** Every request fails from now on: there is nothing that it may go to. */
  refuse(cause: unknown): void {
    this.#refusal = { cause };
  }

  /** Lets what was held go, in the order in which it came. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const go of held) go();
  }

  run<T>(call: (device: BlockDevice) => MaybePromise<T>): MaybePromise<T> {
    if (this.#held === undefined) return this.#track(this.#call(call));
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#held.push(() => {
      try {
        const result = this.#track(this.#call(call));
        if (isPromise(result)) result.then(resolve, reject);
        else resolve(result);
      } catch (error) {
        reject(error);
      }
    });
    return promise;
  }

  #call<T>(call: (device: BlockDevice) => MaybePromise<T>): MaybePromise<T> {
    if (this.#refusal === undefined) return call(this.#current);
    const { cause } = this.#refusal;
    const detail = 'the volume is made of other devices now, which could not be opened';
    throw new BlockError('EIO', 'open', 0, 0, detail, { cause });
  }

  #track<T>(result: MaybePromise<T>): MaybePromise<T> {
    if (!isPromise(result)) return result;
    this.#running += 1;
    return result.finally(() => {
      this.#running -= 1;
      if (this.#running > 0) return;
      const idle = this.#idle;
      this.#idle = undefined;
      idle?.();
    });
  }
}

/** Above it stands a CheckedDevice: the range is one of this view's geometry. */
class SwapView implements BlockDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;
  readonly #swap: SwapDevice;

  constructor(swap: SwapDevice) {
    this.#swap = swap;
    this.geometry = swap.current.geometry;
    this.capabilities = swap.current.capabilities;
  }

  read(target: Buffer, offset: number): MaybePromise<void> {
    return this.#swap.run((device) => device.read(target, offset));
  }

  lend(offset: number, length: number): Loan | undefined {
    return this.#swap.isHeld ? undefined : this.#swap.current.lend(offset, length);
  }

  write(source: Buffer, offset: number, options: WriteOptions): MaybePromise<void> {
    if (!this.#swap.isHeld) {
      return this.#swap.run((device) => device.write(source, offset, options));
    }
    // Its batch is committed before it comes to be written.
    const alone = options.fua ? FUA : PLAIN;
    return this.#swap.run((device) => device.write(source, offset, alone));
  }

  flush(): MaybePromise<void> {
    return this.#swap.run((device) => device.flush());
  }

  trim(offset: number, length: number, options: WriteOptions): MaybePromise<void> {
    return this.#swap.run((device) => device.trim(offset, length, options));
  }

  zero(offset: number, length: number, options: ZeroOptions): MaybePromise<void> {
    return this.#swap.run((device) => device.zero(offset, length, options));
  }

  cache(offset: number, length: number): MaybePromise<void> {
    return this.#swap.run((device) => device.cache(offset, length));
  }

  extents(offset: number, length: number, limit: number): MaybePromise<Extent[]> {
    return this.#swap.run((device) => device.extents(offset, length, limit));
  }

  close(): Promise<void> {
    return nothingToClose();
  }
}

function refuseLess(before: BlockDevice, after: BlockDevice): void {
  const lost = (Object.keys(before.capabilities) as (keyof Capabilities)[]).filter(
    (name) => name !== 'rotational' && before.capabilities[name] && !after.capabilities[name],
  );
  const [was, is] = [before.geometry, after.geometry];
  if (is.size < was.size) lost.push('write');
  if (lost.length === 0 && is.minimumIo <= was.minimumIo && is.maximumIo >= was.maximumIo) return;
  const detail = `what takes its place cannot what it could: ${JSON.stringify({ was, is, lost })}`;
  throw new BlockError('EINVAL', 'open', 0, is.size, detail);
}
