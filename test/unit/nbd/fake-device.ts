/** A device in memory whose every answer a test can hold back, fail or lend. */

import type { MaybePromise } from '../../../src/base/index.ts';
import type {
  BlockDevice,
  Capabilities,
  Extent,
  Geometry,
  Loan,
  WriteOptions,
  ZeroOptions,
} from '../../../src/block/index.ts';
import { MemoryDevice } from '../../../src/block/index.ts';

export class FakeDevice implements BlockDevice {
  readonly inner: MemoryDevice;
  readonly geometry: Geometry;
  capabilities: Capabilities;
  /** What arrived, as `write 0+4096`. */
  readonly calls: string[] = [];
  /** Runs before each operation: may throw, or return a promise to hold it back. */
  before: (call: string) => MaybePromise<void> = () => undefined;
  loans = 0;
  lends = true;

  constructor(size: number, minimumIo = 1, capabilities: Partial<Capabilities> = {}) {
    this.inner = new MemoryDevice({ size });
    this.geometry = { size, minimumIo, preferredIo: 4096, maximumIo: 64 * 1024 * 1024 };
    this.capabilities = { ...this.inner.capabilities, ...capabilities };
  }

  #do<T>(call: string, action: () => MaybePromise<T>): MaybePromise<T> {
    this.calls.push(call);
    const held = this.before(call);
    return held instanceof Promise ? held.then(action) : action();
  }

  read(target: Buffer, offset: number): MaybePromise<void> {
    return this.#do(`read ${offset}+${target.length}`, () => this.inner.read(target, offset));
  }
  lend(offset: number, length: number): Loan | undefined {
    if (!this.lends) return undefined;
    const loan = this.inner.lend(offset, length);
    if (loan === undefined) return undefined;
    this.loans += 1;
    return {
      chunks: loan.chunks,
      release: () => {
        this.loans -= 1;
        loan.release();
      },
    };
  }
  cache(offset: number, length: number): MaybePromise<void> {
    return this.#do(`cache ${offset}+${length}`, () => undefined);
  }
  extents(offset: number, length: number, limit: number): MaybePromise<Extent[]> {
    return this.#do(`extents ${offset}+${length}`, () => this.inner.extents(offset, length, limit));
  }
  write(source: Buffer, offset: number, options: WriteOptions): MaybePromise<void> {
    const call = `write ${offset}+${source.length}${options.fua ? ' fua' : ''}`;
    return this.#do(call, () => this.inner.write(source, offset, options));
  }
  flush(): MaybePromise<void> {
    return this.#do('flush', () => undefined);
  }
  trim(offset: number, length: number, options: WriteOptions): MaybePromise<void> {
    const call = `trim ${offset}+${length}${options.fua ? ' fua' : ''}`;
    return this.#do(call, () => this.inner.trim(offset, length, options));
  }
  zero(offset: number, length: number, options: ZeroOptions): MaybePromise<void> {
    const flags = (['fua', 'noHole', 'fast'] as const).filter((flag) => options[flag]);
    return this.#do([`zero ${offset}+${length}`, ...flags].join(' '), () =>
      this.inner.zero(offset, length, { ...options, fast: false }),
    );
  }
  close(): Promise<void> {
    return this.inner.close();
  }
}

/** A promise and its handles. */
export function gate(): { promise: Promise<void>; open: () => void; fail: (e: unknown) => void } {
  let open!: () => void;
  let fail!: (error: unknown) => void;
  const promise = new Promise<void>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  return { promise, open, fail };
}
