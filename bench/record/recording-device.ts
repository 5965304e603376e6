/** Tells of every request of one connection on its way through, with the think time before it. */
import { isPromise, type MaybePromise } from '../../src/base/index.ts';
import type {
  BlockDevice,
  Capabilities,
  Extent,
  Geometry,
  Loan,
  WriteOptions,
  ZeroOptions,
} from '../../src/block/index.ts';
import type { TraceRequest } from '../trace.ts';

export interface Listener {
  request(request: TraceRequest): void;
  /** A trim or a zeroing, which a trace has no words for. */
  other(): void;
}

export class RecordingDevice implements BlockDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;
  readonly #inner: BlockDevice;
  readonly #listener: Listener;
  readonly #now: () => number;
  #answeredAt: number | undefined;
  #running = 0;

  /** @param now milliseconds, monotonic */
  constructor(inner: BlockDevice, listener: Listener, now: () => number = () => performance.now()) {
    this.#inner = inner;
    this.#listener = listener;
    this.#now = now;
    this.geometry = inner.geometry;
    this.capabilities = inner.capabilities;
  }

  read(target: Buffer, offset: number): MaybePromise<void> {
    const thinkMicros = this.#think();
    this.#listener.request({ kind: 'read', offset, length: target.length, thinkMicros });
    return this.#watch(() => this.#inner.read(target, offset));
  }

  lend(offset: number, length: number): Loan | undefined {
    const loan = this.#inner.lend(offset, length);
    if (loan === undefined) return undefined; // a read follows
    this.#listener.request({ kind: 'read', offset, length, thinkMicros: this.#think() });
    this.#answeredAt = this.#now();
    return loan;
  }

  write(source: Buffer, offset: number, options: WriteOptions): MaybePromise<void> {
    const thinkMicros = this.#think();
    this.#listener.request({ kind: 'write', offset, length: source.length, thinkMicros });
    return this.#watch(() => this.#inner.write(source, offset, options));
  }

  flush(): MaybePromise<void> {
    this.#listener.request({ kind: 'flush', thinkMicros: this.#think() });
    return this.#watch(() => this.#inner.flush());
  }

  trim(offset: number, length: number, options: WriteOptions): MaybePromise<void> {
    this.#listener.other();
    return this.#watch(() => this.#inner.trim(offset, length, options));
  }

  zero(offset: number, length: number, options: ZeroOptions): MaybePromise<void> {
    this.#listener.other();
    return this.#watch(() => this.#inner.zero(offset, length, options));
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

  /** µs since the last answer; 0 while another request is still under way, and for the first one. */
  #think(): number {
    if (this.#running > 0 || this.#answeredAt === undefined) return 0;
    return Math.round((this.#now() - this.#answeredAt) * 1e3);
  }

  #watch<T>(run: () => MaybePromise<T>): MaybePromise<T> {
    this.#running += 1;
    let waits = false;
    try {
      const result = run();
      if (!isPromise(result)) return result;
      waits = true;
      return result.finally(() => this.#answered());
    } finally {
      if (!waits) this.#answered();
    }
  }

  #answered(): void {
    this.#running -= 1;
    this.#answeredAt = this.#now();
  }
}
