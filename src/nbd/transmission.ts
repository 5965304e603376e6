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
  FUA,
  PLAIN,
  type WriteBatch,
  type WriteOptions,
  type ZeroOptions,
} from '../block/index.ts';
import type { MetaContext } from '../exports/index.ts';
import { Pending, type PendingParts } from './pending.ts';
import { inPieces } from './pieces.ts';
import { Reads, type ReadsParts } from './reads.ts';
import type { Replies } from './replies.ts';
import { checkStatus, type RequestRules } from './rules.ts';
import { collectStatus, statusSource } from './status.ts';
import {
  NBD_CMD_BLOCK_STATUS,
  NBD_CMD_CACHE,
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

export interface TransmissionParts extends ReadsParts, PendingParts {
  /** Metadata contexts beside base:allocation. */
  readonly contexts: readonly MetaContext[];
  /** Ids of the selected ones. */
  readonly contextIds: readonly number[];
  readonly rules: RequestRules;
  /** Most extents in one reply. */
  readonly extents: number;
  /** Of the writes of a read event: committed before their replies leave. */
  readonly writes: WriteBatch;
}

export class Transmission {
  readonly #parts: TransmissionParts;
  readonly #device: BlockDevice;
  readonly #replies: Replies;
  readonly #pending: Pending;
  readonly #reads: Reads;
  readonly #batched: WriteOptions;

  constructor(parts: TransmissionParts) {
    this.#parts = parts;
    this.#device = parts.device;
    this.#replies = parts.replies;
    this.#pending = new Pending(parts);
    this.#reads = new Reads(parts, this.#pending);
    this.#batched = Object.freeze({ fua: false, batch: parts.writes });
  }

  /** Requests that wait for the device. */
  get inFlight(): number {
    return this.#pending.inFlight;
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
        this.#reads.read(request);
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

  #write(request: Request, payload: Buffer | undefined, release: (() => void) | undefined): void {
    const { length } = request;
    if (payload === undefined || length === 0) {
      release?.();
      this.#replies.done(request);
      return;
    }
    const options = (request.flags & NBD_CMD_FLAG_FUA) !== 0 ? FUA : this.#batched;
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
      this.#pending.fail(request, error);
      return;
    }
    if (!isPromise(result)) {
      release?.();
      this.#parts.counters.bytesWritten += length;
      this.#replies.done(request);
      return;
    }
    this.#pending.wait(length);
    result.then(
      () => {
        release?.();
        this.#parts.counters.bytesWritten += length;
        this.#replies.done(request);
        this.#pending.settled(length);
      },
      (error: unknown) => {
        release?.();
        this.#pending.fail(request, error);
        this.#pending.settled(length);
      },
    );
  }

  /** FLUSH, TRIM, CACHE and WRITE_ZEROES: no payload in either direction. */
  #command(request: Request): void {
    let result: MaybePromise<void>;
    try {
      result = this.#start(request);
    } catch (error) {
      this.#pending.fail(request, error);
      return;
    }
    if (!isPromise(result)) {
      this.#replies.done(request);
      return;
    }
    this.#pending.wait(0);
    result.then(
      () => {
        this.#replies.done(request);
        this.#pending.settled(0);
      },
      (error: unknown) => {
        this.#pending.fail(request, error);
        this.#pending.settled(0);
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
        this.#pending.fail(request, new Error('a device returned no extents'));
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
      this.#pending.fail(request, error);
      return;
    }
    if (!isPromise(result)) {
      reply();
      return;
    }
    this.#pending.wait(0);
    result.then(
      () => {
        reply();
        this.#pending.settled(0);
      },
      (error: unknown) => {
        this.#pending.fail(request, error);
        this.#pending.settled(0);
      },
    );
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
