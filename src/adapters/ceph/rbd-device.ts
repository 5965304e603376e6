/**
 * An image or snapshot behind qemu-nbd, as a device that outlives the process that serves it.
 *
 * A broken connection is replaced, and every request that was not answered is sent again: no error reaches the caller
 * within the patience. That is safe because
 * - what was answered is in the OSDs (qemu-nbd has no cache), and needs no repeating;
 * - the old process is dead, and the cluster takes nothing from it any more, before the new one starts (servers.ts);
 * - overlapping writes are never in flight together (the range lock): neither NBD nor librbd keeps their order, and
 *   repeating them would not either.
 *
 * ESHUTDOWN from the server means that this client was fenced: every request fails from then on.
 */
import { isPromise, type MaybePromise, RangeLock } from '../../base/index.ts';
import {
  type BlockDevice,
  type Capabilities,
  type Extent,
  Gate,
  type Geometry,
  type Loan,
  type WriteOptions,
  type ZeroOptions,
} from '../../block/index.ts';
import { BlockError, type BlockOperation } from '../../errors/index.ts';
import { type NbdClient, nbdDevice } from '../../nbd/index.ts';
import { RETRY_FIRST_MS, RETRY_LONGEST_MS } from './limits.ts';

export interface Session {
  readonly client: NbdClient;
  readonly generation: number;
}

export interface RbdDeviceParts {
  readonly session: Session;
  readonly write: boolean;
  /** A new connection, to another process than that of `generation`. @throws BlockError EPERM: fenced */
  readonly reconnect: (generation: number) => Promise<Session>;
  readonly released: () => Promise<void>;
  readonly patienceMs: number;
  /** Milliseconds, monotonic. */
  readonly clock: () => number;
}

export class RbdDevice implements BlockDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;
  readonly #parts: RbdDeviceParts;
  readonly #gate = new Gate();
  readonly #ranges = new RangeLock();
  #session: Session;
  #device: BlockDevice;
  #reviving: Promise<void> | undefined;
  #fenced: BlockError | undefined;

  constructor(parts: RbdDeviceParts) {
    this.#parts = parts;
    this.#session = parts.session;
    this.#device = nbdDevice(parts.session.client);
    this.geometry = this.#device.geometry;
    const { capabilities } = this.#device;
    const { write } = parts;
    this.capabilities = Object.freeze({
      ...capabilities,
      write,
      fua: write && capabilities.fua,
      trim: write && capabilities.trim,
      zero: write && capabilities.zero,
      fastZero: write && capabilities.fastZero,
      multiConn: true, // whatever was answered is in the OSDs, whoever asked
    });
  }

  read(target: Buffer, offset: number): MaybePromise<void> {
    const { length } = target;
    return this.#run('read', offset, length, (device) => device.read(target, offset));
  }

  lend(offset: number, length: number): Loan | undefined {
    this.#gate.check('read', offset, length);
    return undefined;
  }

  cache(offset: number, length: number): MaybePromise<void> {
    return this.#run('cache', offset, length, (device) => device.cache(offset, length));
  }

  extents(offset: number, length: number, limit: number): MaybePromise<Extent[]> {
    return this.#run('extents', offset, length, (device) => device.extents(offset, length, limit));
  }

  write(source: Buffer, offset: number, options: WriteOptions): MaybePromise<void> {
    return this.#change('write', offset, source.length, (device) =>
      device.write(source, offset, options),
    );
  }

  trim(offset: number, length: number, options: WriteOptions): MaybePromise<void> {
    return this.#change('trim', offset, length, (device) => device.trim(offset, length, options));
  }

  zero(offset: number, length: number, options: ZeroOptions): MaybePromise<void> {
    return this.#change('zero', offset, length, (device) => device.zero(offset, length, options));
  }

  flush(): MaybePromise<void> {
    return this.#run('flush', 0, 0, (device) => device.flush());
  }

  close(): Promise<void> {
    return this.#gate.close(async () => {
      try {
        await this.#device.close();
      } finally {
        await this.#parts.released();
      }
    });
  }

  #change(
    operation: BlockOperation,
    offset: number,
    length: number,
    work: (device: BlockDevice) => MaybePromise<void>,
  ): MaybePromise<void> {
    this.#gate.check(operation, offset, length);
    if (!this.#parts.write) {
      throw new BlockError('EROFS', operation, offset, length, 'opened for reading');
    }
    return this.#gate.track(
      this.#ranges.run(offset, offset + length, () =>
        this.#attempt(operation, offset, length, work),
      ),
    );
  }

  #run<T>(
    operation: BlockOperation,
    offset: number,
    length: number,
    work: (device: BlockDevice) => MaybePromise<T>,
  ): MaybePromise<T> {
    this.#gate.check(operation, offset, length);
    return this.#gate.track(this.#attempt(operation, offset, length, work));
  }

  /** @param since when it was first not answered */
  #attempt<T>(
    operation: BlockOperation,
    offset: number,
    length: number,
    work: (device: BlockDevice) => MaybePromise<T>,
    since?: number,
  ): MaybePromise<T> {
    if (this.#fenced !== undefined) throw this.#fencedError(operation, offset, length);
    const session = this.#session;
    const recover = (error: unknown): Promise<T> => {
      if (session.client.ended === undefined && !isShutdown(error)) throw error;
      return this.#recover(session, error, operation, offset, length, work, since);
    };
    try {
      const result = work(this.#device);
      return isPromise(result) ? result.catch(recover) : result;
    } catch (error) {
      return recover(error);
    }
  }

  async #recover<T>(
    session: Session,
    error: unknown,
    operation: BlockOperation,
    offset: number,
    length: number,
    work: (device: BlockDevice) => MaybePromise<T>,
    since = this.#parts.clock(),
  ): Promise<T> {
    // The client leaves after ESHUTDOWN, so what comes behind the first one sees a connection that has ended.
    if (isShutdown(error)) this.#fenced ??= error as BlockError;
    if (this.#fenced === undefined && this.#session === session) {
      this.#reviving ??= this.#revive(operation, offset, length).finally(() => {
        this.#reviving = undefined;
      });
      await this.#reviving;
    }
    // One that ends every server that it reaches would do so for ever.
    const { clock, patienceMs } = this.#parts;
    if (clock() - since > patienceMs) {
      const detail = `not answered within ${patienceMs / 1000} s`;
      throw new BlockError('ETIMEDOUT', operation, offset, length, detail, { cause: error });
    }
    return this.#attempt(operation, offset, length, work, since);
  }

  async #revive(operation: BlockOperation, offset: number, length: number): Promise<void> {
    const { clock, patienceMs, reconnect } = this.#parts;
    const deadline = clock() + patienceMs;
    let last: unknown;
    for (let wait = RETRY_FIRST_MS; ; wait = Math.min(wait * 2, RETRY_LONGEST_MS)) {
      try {
        const session = await reconnect(this.#session.generation);
        if (session.client.negotiated.size < this.geometry.size) {
          session.client.destroy();
          throw new BlockError('EIO', operation, offset, length, 'the image was made smaller');
        }
        this.#session = session;
        this.#device = nbdDevice(session.client);
        return;
      } catch (error) {
        last = error;
        if (error instanceof BlockError && error.errno === 'EPERM') this.#fenced = error;
        if (this.#fenced !== undefined) throw this.#fencedError(operation, offset, length);
      }
      if (clock() + wait > deadline) break;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
    const detail = `no connection to the image within ${patienceMs / 1000} s`;
    throw new BlockError('ETIMEDOUT', operation, offset, length, detail, { cause: last });
  }

  #fencedError(operation: BlockOperation, offset: number, length: number): BlockError {
    const detail = 'this client was fenced off from the cluster';
    return new BlockError('EIO', operation, offset, length, detail, { cause: this.#fenced });
  }
}

function isShutdown(error: unknown): boolean {
  return error instanceof BlockError && error.errno === 'ESHUTDOWN';
}
