/**
 * Request → device → reply. Sockets, buffers of input and limits are the connection's; here a
 * request that has been checked (rules.ts) is executed and answered.
 *
 * What the device does at once is answered at once, without a promise or a closure: that is the hot
 * path. What waits is counted in `inFlight` and answered when it settles, in whatever order.
 */
import { chain, isPromise, type MaybePromise } from '../base/index.ts';
import {
  type BlockDevice,
  type Extent,
  FUA,
  PLAIN,
  type WriteOptions,
  type ZeroOptions,
} from '../block/index.ts';
import type { MetaContext } from '../exports/index.ts';
import type { BufferPool } from './buffer-pool.ts';
import type { Counters } from './counters.ts';
import type { FailureLog } from './failure.ts';
import { COPIED_READ, SPARSE_READ } from './limits.ts';
import { inPieces } from './pieces.ts';
import type { Replies } from './replies.ts';
import type { ReplyBatch } from './reply-batch.ts';
import { checkStatus, type RequestRules } from './rules.ts';
import { sparseLayout } from './sparse.ts';
import { collectStatus, statusSource } from './status.ts';
import {
  NBD_CMD_BLOCK_STATUS,
  NBD_CMD_CACHE,
  NBD_CMD_FLAG_DF,
  NBD_CMD_FLAG_FAST_ZERO,
  NBD_CMD_FLAG_FUA,
  NBD_CMD_FLAG_NO_HOLE,
  NBD_CMD_FLAG_PAYLOAD_LEN,
  NBD_CMD_FLAG_REQ_ONE,
  NBD_CMD_FLUSH,
  NBD_CMD_READ,
  NBD_CMD_TRIM,
  NBD_CMD_WRITE,
  NBD_CMD_WRITE_ZEROES,
  NBD_EINVAL,
} from './wire/constants.ts';
import { decodeBlockStatusPayload, type Request, type StatusExtent } from './wire/index.ts';

export interface TransmissionParts {
  readonly device: BlockDevice;
  /** Metadata contexts beside base:allocation. */
  readonly contexts: readonly MetaContext[];
  /** Ids of the selected ones. */
  readonly contextIds: readonly number[];
  readonly rules: RequestRules;
  readonly extents: number;
  readonly replies: Replies;
  readonly batch: ReplyBatch;
  readonly buffers: BufferPool;
  readonly counters: Counters;
  readonly failures: FailureLog;
  /** A request that waited has been answered into the batch; `bytes` are what it held. */
  readonly onSettled: (bytes: number) => void;
  /** A request starts to wait and holds `bytes`. */
  readonly onWaiting: (bytes: number) => void;
}

export class Transmission {
  readonly #parts: TransmissionParts;
  readonly #device: BlockDevice;
  readonly #replies: Replies;
  readonly #batch: ReplyBatch;
  /** Reads may be answered with holes: it was negotiated and the device knows, without waiting. */
  #sparse: boolean;
  #inFlight = 0;

  constructor(parts: TransmissionParts) {
    this.#parts = parts;
    this.#device = parts.device;
    this.#replies = parts.replies;
    this.#batch = parts.batch;
    this.#sparse = parts.replies.style !== 'simple' && parts.device.capabilities.extents;
  }

  /** Requests that wait for the device. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Answers a request that broke a rule. */
  reject(request: Request, error: number, message: string): void {
    this.#parts.counters.requests += 1;
    this.#parts.counters.errors += 1;
    this.#replies.error(request, error, message, undefined);
  }

  /**
   * Executes a request that passed `checkRequest`.
   * @param payload what came with it; must stay unchanged until `release` is called
   * @param release gives the payload's memory back; undefined when nobody wants it back
   */
  execute(request: Request, payload: Buffer | undefined, release: (() => void) | undefined): void {
    this.#parts.counters.requests += 1;
    switch (request.type) {
      case NBD_CMD_READ:
        this.#read(request);
        return;
      case NBD_CMD_WRITE:
        this.#write(request, payload, release);
        return;
      case NBD_CMD_BLOCK_STATUS:
        this.#blockStatus(request, payload);
        release?.();
        return;
      default:
        this.#command(request);
    }
  }

  #read(request: Request): void {
    const { length } = request;
    this.#parts.counters.bytesRead += length;
    if (length === 0) this.#replies.emptyRead(request);
    else if (length <= COPIED_READ && length <= this.#device.geometry.maximumIo) {
      this.#readCopied(request);
    } else if (this.#sparse && length >= SPARSE_READ && (request.flags & NBD_CMD_FLAG_DF) === 0) {
      this.#readSparse(request);
    } else this.#readWhole(request, request.offset, length, true);
  }

  /** A small read, straight into its place behind the header. */
  #readCopied(request: Request): void {
    const header = this.#replies.dataHeader;
    const size = header + request.length;
    const slab = this.#batch.reserve(size);
    const start = slab.used - size;
    let result: MaybePromise<void>;
    try {
      result = this.#device.read(
        slab.buffer.subarray(start + header, start + size),
        request.offset,
      );
    } catch (error) {
      this.#batch.cancel(slab, size);
      this.#fail(request, error);
      return;
    }
    this.#replies.writeDataHeader(slab.buffer, start, request, request.offset, request.length);
    if (!isPromise(result)) return;
    this.#batch.detach(slab, size);
    this.#wait(size);
    result.then(
      () => {
        this.#batch.append(slab, start, size);
        this.#settled(size);
      },
      (error: unknown) => {
        this.#batch.drop(slab);
        this.#fail(request, error);
        this.#settled(size);
      },
    );
  }

  /** A large read of one stretch: lent if the device can, else into a pooled buffer. */
  #readWhole(request: Request, offset: number, length: number, last: boolean): void {
    let buffer: Buffer | undefined;
    let result: MaybePromise<void>;
    try {
      const loan = this.#device.lend(offset, length);
      if (loan !== undefined) {
        this.#replies.dataHeaderInto(request, offset, length, last);
        this.#batch.push(loan.chunks, () => loan.release());
        return;
      }
      buffer = this.#parts.buffers.take(length);
      result = this.#readInto(buffer.subarray(0, length), offset);
    } catch (error) {
      if (buffer !== undefined) this.#parts.buffers.give(buffer);
      this.#fail(request, error);
      return;
    }
    const target = buffer;
    const deliver = (): void => {
      this.#replies.dataHeaderInto(request, offset, length, last);
      this.#batch.push([target.subarray(0, length)], () => this.#parts.buffers.give(target));
    };
    if (!isPromise(result)) {
      deliver();
      return;
    }
    this.#wait(length);
    result.then(
      () => {
        deliver();
        this.#settled(length);
      },
      (error: unknown) => {
        this.#parts.buffers.give(target);
        this.#fail(request, error);
        this.#settled(length);
      },
    );
  }

  #readInto(target: Buffer, offset: number): MaybePromise<void> {
    return inPieces(target.length, this.#device.geometry.maximumIo, (start, end) =>
      this.#device.read(target.subarray(start, end), offset + start),
    );
  }

  /**
   * A large read of which the device may know holes. Only what it can say without waiting is used:
   * asking must never cost more than sending zeroes.
   */
  #readSparse(request: Request): void {
    let layout: readonly Extent[] | undefined;
    try {
      layout = sparseLayout(this.#device, request.offset, request.length);
    } catch (error) {
      this.#fail(request, error);
      return;
    }
    if (layout === undefined) {
      this.#sparse = false;
      this.#readWhole(request, request.offset, request.length, true);
      return;
    }
    if (layout.every(({ kind }) => kind === 'data')) {
      this.#readWhole(request, request.offset, request.length, true);
      return;
    }
    if (layout.every(({ kind }) => kind !== 'data')) {
      this.#replies.hole(request, request.offset, request.length, true);
      return;
    }
    this.#readLayout(request, layout);
  }

  /** Data and holes mixed: the data is read first, so that an error can still replace the reply. */
  #readLayout(request: Request, layout: readonly Extent[]): void {
    const buffer = this.#parts.buffers.take(request.length);
    const give = (): void => this.#parts.buffers.give(buffer);
    const stretches = layout.filter(({ kind }) => kind === 'data');
    let result: MaybePromise<void>;
    try {
      result = inPieces(stretches.length, 1, (index) => {
        const { offset, length } = stretches[index] as Extent;
        const start = offset - request.offset;
        return this.#readInto(buffer.subarray(start, start + length), offset);
      });
    } catch (error) {
      give();
      this.#fail(request, error);
      return;
    }
    const deliver = (): void => {
      layout.forEach(({ kind, offset, length }, index) => {
        const last = index === layout.length - 1;
        if (kind !== 'data') {
          this.#replies.hole(request, offset, length, last);
          return;
        }
        const start = offset - request.offset;
        this.#replies.dataHeaderInto(request, offset, length, last);
        this.#batch.push([buffer.subarray(start, start + length)], undefined);
      });
      this.#batch.push([], give);
    };
    if (!isPromise(result)) {
      deliver();
      return;
    }
    this.#wait(request.length);
    result.then(
      () => {
        deliver();
        this.#settled(request.length);
      },
      (error: unknown) => {
        give();
        this.#fail(request, error);
        this.#settled(request.length);
      },
    );
  }

  #write(request: Request, payload: Buffer | undefined, release: (() => void) | undefined): void {
    const { length } = request;
    if (payload === undefined || length === 0) {
      release?.();
      this.#replies.done(request);
      return;
    }
    const options = writeOptions(request.flags);
    let result: MaybePromise<void>;
    try {
      result =
        length <= this.#device.geometry.maximumIo
          ? this.#device.write(payload, request.offset, options)
          : inPieces(length, this.#device.geometry.maximumIo, (start, end) =>
              this.#device.write(payload.subarray(start, end), request.offset + start, options),
            );
    } catch (error) {
      release?.();
      this.#fail(request, error);
      return;
    }
    if (!isPromise(result)) {
      release?.();
      this.#parts.counters.bytesWritten += length;
      this.#replies.done(request);
      return;
    }
    this.#wait(length);
    result.then(
      () => {
        release?.();
        this.#parts.counters.bytesWritten += length;
        this.#replies.done(request);
        this.#settled(length);
      },
      (error: unknown) => {
        release?.();
        this.#fail(request, error);
        this.#settled(length);
      },
    );
  }

  /** FLUSH, TRIM, CACHE and WRITE_ZEROES: no payload in either direction. */
  #command(request: Request): void {
    let result: MaybePromise<void>;
    try {
      result = this.#start(request);
    } catch (error) {
      this.#fail(request, error);
      return;
    }
    if (!isPromise(result)) {
      this.#replies.done(request);
      return;
    }
    this.#wait(0);
    result.then(
      () => {
        this.#replies.done(request);
        this.#settled(0);
      },
      (error: unknown) => {
        this.#fail(request, error);
        this.#settled(0);
      },
    );
  }

  #start({ type, flags, offset, length }: Request): MaybePromise<void> {
    if (type === NBD_CMD_FLUSH) return this.#device.flush();
    if (length === 0) return undefined;
    switch (type) {
      case NBD_CMD_TRIM:
        return this.#device.trim(offset, length, writeOptions(flags));
      case NBD_CMD_CACHE:
        return this.#device.cache(offset, length);
      case NBD_CMD_WRITE_ZEROES:
        return this.#device.zero(offset, length, zeroOptions(flags));
      default:
        throw new Error(`command ${type} passed the rules and has no code`);
    }
  }

  #blockStatus(request: Request, payload: Buffer | undefined): void {
    if ((request.flags & NBD_CMD_FLAG_PAYLOAD_LEN) === 0) {
      this.#status(request, request.length, this.#parts.contextIds);
      return;
    }
    const asked = decodeBlockStatusPayload(payload ?? Buffer.alloc(0));
    const error =
      asked.kind === 'block-status-payload' && this.#areSelected(asked.contextIds)
        ? checkStatus(this.#parts.rules, request, asked.length)
        : NBD_EINVAL;
    if (asked.kind === 'violation' || error !== 0) {
      this.#parts.counters.errors += 1;
      this.#replies.error(request, error, 'invalid block status payload', undefined);
      return;
    }
    this.#status(request, asked.length, asked.contextIds);
  }

  /** Whether the ids are distinct and were all selected; "duplicate or unknown" ones are refused. */
  #areSelected(ids: readonly number[]): boolean {
    return (
      new Set(ids).size === ids.length && ids.every((id) => this.#parts.contextIds.includes(id))
    );
  }

  /** One chunk per context, sent when all have answered. */
  #status(request: Request, length: number, ids: readonly number[]): void {
    const { device, contexts } = this.#parts;
    const limit = (request.flags & NBD_CMD_FLAG_REQ_ONE) !== 0 ? 1 : this.#parts.extents;
    const answers: (readonly StatusExtent[])[] = [];
    const reply = (): void => {
      if (answers.some((extents) => extents.length === 0)) {
        this.#fail(request, new Error('a device returned no extents'));
        return;
      }
      answers.forEach((extents, index) => {
        this.#replies.status(request, ids[index] ?? 0, extents, index === answers.length - 1);
      });
    };
    let result: MaybePromise<void>;
    try {
      result = inPieces(ids.length, 1, (index) => {
        const source = statusSource(ids[index] ?? 0, device, contexts);
        if (source === undefined) throw new Error('a context was selected that does not exist');
        return chain(collectStatus(source, request.offset, length, limit), (extents) => {
          answers[index] = extents;
        });
      });
    } catch (error) {
      this.#fail(request, error);
      return;
    }
    if (!isPromise(result)) {
      reply();
      return;
    }
    this.#wait(0);
    result.then(
      () => {
        reply();
        this.#settled(0);
      },
      (error: unknown) => {
        this.#fail(request, error);
        this.#settled(0);
      },
    );
  }

  #fail(request: Request, failure: unknown): void {
    this.#parts.counters.errors += 1;
    if (request.type === NBD_CMD_READ) this.#parts.counters.bytesRead -= request.length;
    const { error, message, offset } = this.#parts.failures.narrow(request, failure);
    this.#replies.error(request, error, message, offset);
  }

  #wait(bytes: number): void {
    this.#inFlight += 1;
    this.#parts.onWaiting(bytes);
  }

  #settled(bytes: number): void {
    this.#inFlight -= 1;
    this.#parts.onSettled(bytes);
  }
}

function writeOptions(flags: number): WriteOptions {
  return (flags & NBD_CMD_FLAG_FUA) !== 0 ? FUA : PLAIN;
}

/** All eight, made once: indexed by fua | noHole << 1 | fast << 2. */
const ZERO_OPTIONS: readonly ZeroOptions[] = Array.from({ length: 8 }, (_, bits) =>
  Object.freeze({ fua: (bits & 1) !== 0, noHole: (bits & 2) !== 0, fast: (bits & 4) !== 0 }),
);

function zeroOptions(flags: number): ZeroOptions {
  const bits =
    ((flags & NBD_CMD_FLAG_FUA) !== 0 ? 1 : 0) |
    ((flags & NBD_CMD_FLAG_NO_HOLE) !== 0 ? 2 : 0) |
    ((flags & NBD_CMD_FLAG_FAST_ZERO) !== 0 ? 4 : 0);
  return ZERO_OPTIONS[bits] as ZeroOptions;
}
