/**
 * Writes the replies of one connection into its batch, in the style that was negotiated.
 */
import type { ReplyBatch } from './reply-batch.ts';
import type { Slab } from './slab-pool.ts';
import {
  NBD_REPLY_FLAG_DONE,
  NBD_REPLY_TYPE_BLOCK_STATUS,
  NBD_REPLY_TYPE_BLOCK_STATUS_EXT,
  NBD_REPLY_TYPE_ERROR,
  NBD_REPLY_TYPE_ERROR_OFFSET,
  NBD_REPLY_TYPE_NONE,
  NBD_REPLY_TYPE_OFFSET_DATA,
  NBD_REPLY_TYPE_OFFSET_HOLE,
} from './wire/constants.ts';
import {
  EXTENDED_REPLY_SIZE,
  encodeBlockStatus,
  encodeBlockStatusExtended,
  encodeErrorPayload,
  OFFSET_DATA_SIZE,
  OFFSET_HOLE_SIZE,
  type ReplyStyle,
  type RequestEcho,
  SIMPLE_REPLY_SIZE,
  STRUCTURED_REPLY_SIZE,
  type StatusExtent,
  writeExtendedHeader,
  writeOffsetHole,
  writeSimpleReply,
  writeStructuredHeader,
  writeUint64,
} from './wire/index.ts';

const DATA_HEADER: Readonly<Record<ReplyStyle, number>> = {
  simple: SIMPLE_REPLY_SIZE,
  structured: STRUCTURED_REPLY_SIZE + OFFSET_DATA_SIZE,
  extended: EXTENDED_REPLY_SIZE + OFFSET_DATA_SIZE,
};

export class Replies {
  readonly style: ReplyStyle;
  /** Bytes in front of the data of a read. */
  readonly dataHeader: number;
  readonly #batch: ReplyBatch;

  constructor(style: ReplyStyle, batch: ReplyBatch) {
    this.style = style;
    this.dataHeader = DATA_HEADER[style];
    this.#batch = batch;
  }

  /** Success without data. */
  done(echo: RequestEcho): void {
    // A simple reply is allowed beside structured ones where there is no payload, and is shorter.
    if (this.style === 'extended') this.#chunk(NBD_REPLY_FLAG_DONE, NBD_REPLY_TYPE_NONE, echo, 0);
    else this.#simple(0, echo);
  }

  /** Success of a read of no bytes, which must not be a simple reply beside structured ones. */
  emptyRead(echo: RequestEcho): void {
    if (this.style === 'simple') this.#simple(0, echo);
    else this.#chunk(NBD_REPLY_FLAG_DONE, NBD_REPLY_TYPE_NONE, echo, 0);
  }

  /** @param offset where it happened; undefined when nothing can be said */
  error(echo: RequestEcho, error: number, message: string, offset: number | undefined): void {
    if (this.style === 'simple') {
      this.#simple(error, echo);
      return;
    }
    const type = offset === undefined ? NBD_REPLY_TYPE_ERROR : NBD_REPLY_TYPE_ERROR_OFFSET;
    const payload = encodeErrorPayload(error, message, offset);
    this.#chunk(NBD_REPLY_FLAG_DONE, type, echo, payload.length);
    this.#batch.push([payload], undefined);
  }

  /** Header of a read's only data chunk, into a place of `dataHeader` bytes at `at`. */
  writeDataHeader(
    target: Buffer,
    at: number,
    echo: RequestEcho,
    offset: number,
    length: number,
    last: boolean = true,
  ): void {
    switch (this.style) {
      case 'simple':
        writeSimpleReply(target, at, 0, echo);
        break;
      case 'structured':
        writeUint64(
          target,
          offset,
          writeStructuredHeader(
            target,
            at,
            last ? NBD_REPLY_FLAG_DONE : 0,
            NBD_REPLY_TYPE_OFFSET_DATA,
            echo,
            OFFSET_DATA_SIZE + length,
          ),
        );
        break;
      case 'extended':
        writeUint64(
          target,
          offset,
          writeExtendedHeader(
            target,
            at,
            last ? NBD_REPLY_FLAG_DONE : 0,
            NBD_REPLY_TYPE_OFFSET_DATA,
            echo,
            OFFSET_DATA_SIZE + length,
          ),
        );
        break;
    }
  }

  /** The same into the batch; the data must be pushed next. */
  dataHeaderInto(echo: RequestEcho, offset: number, length: number, last: boolean = true): void {
    const slab = this.#batch.reserve(this.dataHeader);
    this.writeDataHeader(slab.buffer, slab.used - this.dataHeader, echo, offset, length, last);
  }

  hole(echo: RequestEcho, offset: number, length: number, last: boolean): void {
    const flags = last ? NBD_REPLY_FLAG_DONE : 0;
    this.#chunk(flags, NBD_REPLY_TYPE_OFFSET_HOLE, echo, OFFSET_HOLE_SIZE);
    const slab = this.#batch.reserve(OFFSET_HOLE_SIZE);
    writeOffsetHole(slab.buffer, slab.used - OFFSET_HOLE_SIZE, offset, length);
  }

  status(
    echo: RequestEcho,
    contextId: number,
    extents: readonly StatusExtent[],
    last: boolean,
  ): void {
    const extended = this.style === 'extended';
    const payload = extended
      ? encodeBlockStatusExtended(contextId, extents)
      : encodeBlockStatus(contextId, extents);
    const type = extended ? NBD_REPLY_TYPE_BLOCK_STATUS_EXT : NBD_REPLY_TYPE_BLOCK_STATUS;
    this.#chunk(last ? NBD_REPLY_FLAG_DONE : 0, type, echo, payload.length);
    this.#batch.push([payload], undefined);
  }

  #simple(error: number, echo: RequestEcho): void {
    const slab = this.#batch.reserve(SIMPLE_REPLY_SIZE);
    writeSimpleReply(slab.buffer, slab.used - SIMPLE_REPLY_SIZE, error, echo);
  }

  #chunk(flags: number, type: number, echo: RequestEcho, length: number): void {
    if (this.style === 'extended') {
      const slab: Slab = this.#batch.reserve(EXTENDED_REPLY_SIZE);
      const at = slab.used - EXTENDED_REPLY_SIZE;
      writeExtendedHeader(slab.buffer, at, flags, type, echo, length);
    } else {
      const slab: Slab = this.#batch.reserve(STRUCTURED_REPLY_SIZE);
      const at = slab.used - STRUCTURED_REPLY_SIZE;
      writeStructuredHeader(slab.buffer, at, flags, type, echo, length);
    }
  }
}
