/** A request of the seam that became one command, and the count of those that run. */
import { BlockError, type BlockOperation, type Errno } from '../../errors/index.ts';
import type { Cdb, Lun } from '../wire/index.ts';
import { LunRequest, type RequestOwner } from './lun-request.ts';

/** Open, closing, closed. As Gate of src/block, but a request is counted without a promise of its own. */
export class Running {
  #count = 0;
  #closed: Promise<void> | undefined;
  #idle: (() => void) | undefined;

  /** @throws BlockError ESHUTDOWN once `close` was called */
  check(operation: BlockOperation, offset: number, length: number): void {
    if (this.#closed === undefined) return;
    throw new BlockError('ESHUTDOWN', operation, offset, length, 'the device is closed');
  }

  /** A part of what runs already may start after `close`. */
  enter(operation: BlockOperation, offset: number, length: number): void {
    if (this.#count === 0) this.check(operation, offset, length);
    this.#count += 1;
  }

  leave(): void {
    this.#count -= 1;
    if (this.#count === 0) this.#idle?.();
  }

  track<T>(result: Promise<T>): Promise<T> {
    this.#count += 1;
    return result.finally(() => this.leave());
  }

  /** Settles when nothing runs. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      if (this.#count === 0) resolve();
      else this.#idle = resolve;
    });
    return this.#closed;
  }
}

export interface DeviceRequestParts {
  readonly operation: BlockOperation;
  readonly offset: number;
  readonly length: number;
  readonly resolve: () => void;
  readonly reject: (error: BlockError) => void;
  readonly running: Running;
}

export class DeviceRequest extends LunRequest {
  readonly #parts: DeviceRequestParts;

  constructor(
    owner: RequestOwner,
    lun: Lun,
    cdb: Cdb,
    dataIn: Buffer | undefined,
    dataOut: Buffer | undefined,
    parts: DeviceRequestParts,
  ) {
    super(owner, lun, cdb, dataIn, dataOut);
    this.#parts = parts;
  }

  succeeded(): void {
    this.#parts.running.leave();
    this.#parts.resolve();
  }

  failed(errno: Errno, detail: string, cause?: Error): void {
    const { operation, offset, length, reject, running } = this.#parts;
    running.leave();
    const options = cause === undefined ? {} : { cause };
    reject(new BlockError(errno, operation, offset, length, detail, options));
  }
}
