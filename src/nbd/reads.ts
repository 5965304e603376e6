/**
 * Reads. Small ones are read into their place behind the header; large ones are lent by the device,
 * or read into a pooled buffer; holes that the device knows at once are sent as holes.
 */
import { isPromise, type MaybePromise } from '../base/index.ts';
import type { BlockDevice, Extent } from '../block/index.ts';
import type { BufferPool } from './buffer-pool.ts';
import type { Counters } from './counters.ts';
import { COPIED_READ, SPARSE_READ } from './limits.ts';
import type { Pending } from './pending.ts';
import { inPieces } from './pieces.ts';
import type { Replies } from './replies.ts';
import type { ReplyBatch } from './reply-batch.ts';
import { sparseLayout } from './sparse.ts';
import { NBD_CMD_FLAG_DF } from './wire/constants.ts';
import type { Request } from './wire/index.ts';

export interface ReadsParts {
  readonly device: BlockDevice;
  readonly replies: Replies;
  readonly batch: ReplyBatch;
  readonly buffers: BufferPool;
  readonly counters: Counters;
}

export class Reads {
  readonly #parts: ReadsParts;
  readonly #device: BlockDevice;
  readonly #replies: Replies;
  readonly #batch: ReplyBatch;
  readonly #pending: Pending;
  /** Reads may be answered with holes: it was negotiated and the device knows, without waiting. */
  #sparse: boolean;

  constructor(parts: ReadsParts, pending: Pending) {
    this.#parts = parts;
    this.#device = parts.device;
    this.#replies = parts.replies;
    this.#batch = parts.batch;
    this.#pending = pending;
    this.#sparse = parts.replies.style !== 'simple' && parts.device.capabilities.extents;
  }

  /** A read that passed the rules. */
  read(request: Request): void {
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
      this.#pending.fail(request, error);
      return;
    }
    this.#replies.writeDataHeader(slab.buffer, start, request, request.offset, request.length);
    if (!isPromise(result)) return;
    this.#batch.detach(slab, size);
    this.#pending.wait(size);
    result.then(
      () => {
        this.#batch.append(slab, start, size);
        this.#pending.settled(size);
      },
      (error: unknown) => {
        this.#batch.drop(slab);
        this.#pending.fail(request, error);
        this.#pending.settled(size);
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
      this.#pending.fail(request, error);
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
    this.#pending.wait(length);
    result.then(
      () => {
        deliver();
        this.#pending.settled(length);
      },
      (error: unknown) => {
        this.#parts.buffers.give(target);
        this.#pending.fail(request, error);
        this.#pending.settled(length);
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
      this.#pending.fail(request, error);
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
      this.#pending.fail(request, error);
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
    this.#pending.wait(request.length);
    result.then(
      () => {
        deliver();
        this.#pending.settled(request.length);
      },
      (error: unknown) => {
        give();
        this.#pending.fail(request, error);
        this.#pending.settled(request.length);
      },
    );
  }
}
