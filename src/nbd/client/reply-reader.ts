/**
 * Bytes from the server → finished requests. A drawing of its states:
 *
 *   header ──simple reply──────────────▶ data (a read without error) ──▶ header
 *     │
 *     └──chunk header──▶ prefix ──offset-data──▶ data ──▶ header
 *                          └──any other chunk───────────▶ header
 *
 * A read whose reply is here in one piece skips all of it (`#wholeRead`): nothing is made for it but the
 * copy to the caller's buffer. The data of any other read is copied once as well, from where the socket
 * put it. Everything else is decoded by the pure codec as soon as it is complete; what is incomplete is
 * kept in pieces until enough is there.
 */
import {
  NBD_CMD_READ,
  NBD_REPLY_TYPE_BLOCK_STATUS,
  NBD_REPLY_TYPE_BLOCK_STATUS_EXT,
  NBD_REPLY_TYPE_FLAG_ERROR,
  NBD_REPLY_TYPE_NONE,
  NBD_REPLY_TYPE_OFFSET_DATA,
  NBD_REPLY_TYPE_OFFSET_HOLE,
} from '../wire/constants.ts';
import {
  type ChunkHeader,
  chunkPrefix,
  decodeChunk,
  decodeReply,
  OFFSET_DATA_SIZE,
  OFFSET_HOLE_SIZE,
  REPLY_COOKIE_AT,
  type ReplyStyle,
  type SimpleReply,
  wholeReadPrefix,
} from '../wire/index.ts';
import { MAX_EXTENTS_PER_CHUNK } from '../wire/limits.ts';
import { ERROR_CHUNK_BYTES } from './limits.ts';
import type { Pending } from './pending.ts';
import type { ServerViolation } from './violation.ts';

/** The requests in flight, as the reader needs them. */
export interface InFlight {
  find(cookieHigh: number, cookieLow: number): Pending | undefined;
  /** The last byte of its reply was read. */
  finished(pending: Pending, cookieLow: number): ServerViolation | undefined;
}

type State =
  | { readonly kind: 'header' }
  | { readonly kind: 'prefix'; readonly header: ChunkHeader; readonly pending: Pending }
  | {
      readonly kind: 'data';
      readonly pending: Pending;
      readonly cookieLow: number;
      readonly done: boolean;
      readonly target: Buffer;
      at: number;
      readonly end: number;
    };

const HEADER: State = Object.freeze({ kind: 'header' });

/** Bytes consumed, or what is needed (from the current start) before it is worth another try. */
type Step = { readonly consumed: number } | { readonly need: number } | ServerViolation;

export class ReplyReader {
  readonly #style: ReplyStyle;
  readonly #inFlight: InFlight;
  #state: State = HEADER;
  #kept: Buffer[] = [];
  #keptLength = 0;
  #need = 0;

  constructor(style: ReplyStyle, inFlight: InFlight) {
    this.#style = style;
    this.#inFlight = inFlight;
  }

  /** @returns the violation after which the connection has to end */
  push(bytes: Buffer): ServerViolation | undefined {
    let source = bytes;
    if (this.#keptLength > 0) {
      this.#keep(bytes);
      if (this.#keptLength < this.#need) return undefined;
      source = Buffer.concat(this.#kept);
      this.#kept = [];
      this.#keptLength = 0;
    }
    let at = 0;
    while (at < source.length) {
      const whole = this.#state === HEADER ? this.#wholeRead(source, at) : 0;
      if (typeof whole === 'string') return whole;
      at += whole;
      if (whole > 0) continue;
      const step = this.#step(source, at);
      if (typeof step === 'string') return step;
      if ('need' in step) {
        this.#need = step.need;
        this.#keep(source.subarray(at));
        return undefined;
      }
      at += step.consumed;
    }
    return undefined;
  }

  /** A read that was answered in one piece: its bytes. 0: not that, or not all of it; see `#step`. */
  #wholeRead(source: Buffer, at: number): number | ServerViolation {
    const cookieAt = at + REPLY_COOKIE_AT;
    if (source.length < cookieAt + 8) return 0;
    const cookieLow = source.readInt32BE(cookieAt + 4);
    const pending = this.#inFlight.find(source.readInt32BE(cookieAt), cookieLow);
    if (pending === undefined) return 0;
    const { target, offset, length } = pending.command;
    if (target === undefined) return 0;
    const prefix = wholeReadPrefix(source, at, source.length, this.#style, offset, length);
    if (prefix === 0) return 0;
    const violation = pending.content(offset, length);
    if (violation !== undefined) return violation;
    const end = at + prefix + length;
    source.copy(target, 0, at + prefix, end);
    return this.#inFlight.finished(pending, cookieLow) ?? end - at;
  }

  /** A copy: what the socket gave is its own, and valid during the event only. */
  #keep(bytes: Buffer): void {
    this.#kept.push(Buffer.from(bytes));
    this.#keptLength += bytes.length;
  }

  #step(source: Buffer, at: number): Step {
    const state = this.#state;
    switch (state.kind) {
      case 'header':
        return this.#header(source, at);
      case 'prefix':
        return this.#prefix(source, at, state.header, state.pending);
      case 'data': {
        const take = Math.min(source.length - at, state.end - state.at);
        source.copy(state.target, state.at, at, at + take);
        state.at += take;
        if (state.at < state.end) return { consumed: take };
        this.#state = HEADER;
        return this.#after(state.done, state.pending, state.cookieLow, take);
      }
    }
  }

  #header(source: Buffer, at: number): Step {
    const reply = decodeReply(source, at, source.length, this.#style);
    switch (reply.kind) {
      case 'need-more':
        return { need: reply.bytes };
      case 'violation':
        return reply.violation;
      case 'simple-reply':
        return this.#simple(reply);
      case 'chunk-header':
        return this.#chunkHeader(reply);
    }
  }

  #simple(reply: SimpleReply): Step {
    const pending = this.#inFlight.find(reply.cookieHigh, reply.cookieLow);
    if (pending === undefined) return 'reply-cookie';
    const { command } = pending;
    if (command.type === NBD_CMD_READ) {
      if (this.#style !== 'simple') return 'reply-simple-to-read';
      if (reply.error === 0) {
        pending.content(command.offset, command.length);
        return this.#startData(
          pending,
          reply.cookieLow,
          true,
          command.offset,
          command.length,
          reply.size,
        );
      }
    }
    if (reply.error !== 0) pending.fail(reply.error, '');
    return this.#after(true, pending, reply.cookieLow, reply.size);
  }

  #chunkHeader(header: ChunkHeader): Step {
    const pending = this.#inFlight.find(header.cookieHigh, header.cookieLow);
    if (pending === undefined) return 'reply-cookie';
    if (this.#style === 'extended' && header.offset !== pending.command.offset) {
      return 'reply-offset';
    }
    if (header.length > longest(header.type, pending)) return 'chunk-too-long';
    this.#state = { kind: 'prefix', header, pending };
    if (header.length > 0) return { consumed: header.size };
    // Nothing follows, so no further byte would ever get us past it.
    const step = this.#prefix(NOTHING, 0, header, pending);
    return typeof step === 'object' && 'consumed' in step ? { consumed: header.size } : step;
  }

  #prefix(source: Buffer, at: number, header: ChunkHeader, pending: Pending): Step {
    const length = chunkPrefix(header.type, header.length);
    if (source.length - at < length) return { need: length };
    const payload = source.subarray(at, at + length);
    const chunk = decodeChunk(header.type, header.length, payload, this.#style === 'extended');
    if (chunk.kind === 'violation') return chunk.violation;
    this.#state = HEADER;
    if (chunk.kind === 'offset-data') {
      const violation = pending.content(chunk.offset, chunk.length);
      if (violation !== undefined) return violation;
      return this.#startData(
        pending,
        header.cookieLow,
        header.done,
        chunk.offset,
        chunk.length,
        length,
      );
    }
    const violation = pending.chunk(chunk, header.done);
    return violation ?? this.#after(header.done, pending, header.cookieLow, length);
  }

  #startData(
    pending: Pending,
    cookieLow: number,
    done: boolean,
    offset: number,
    length: number,
    consumed: number,
  ): Step {
    const { target } = pending.command;
    if (target === undefined) return 'chunk-unexpected';
    const at = offset - pending.command.offset;
    this.#state = { kind: 'data', pending, cookieLow, done, target, at, end: at + length };
    return { consumed };
  }

  #after(done: boolean, pending: Pending, cookieLow: number, consumed: number): Step {
    const violation = done ? this.#inFlight.finished(pending, cookieLow) : undefined;
    return violation ?? { consumed };
  }
}

const NOTHING = Buffer.alloc(0);

/** Payload that a chunk of this type can have; checked before anything is kept or waited for. */
function longest(type: number, pending: Pending): number {
  if ((type & NBD_REPLY_TYPE_FLAG_ERROR) !== 0) return ERROR_CHUNK_BYTES;
  switch (type) {
    case NBD_REPLY_TYPE_NONE:
      return 0;
    case NBD_REPLY_TYPE_OFFSET_DATA:
      return OFFSET_DATA_SIZE + pending.command.length;
    case NBD_REPLY_TYPE_OFFSET_HOLE:
      return OFFSET_HOLE_SIZE;
    case NBD_REPLY_TYPE_BLOCK_STATUS:
      return 4 + 8 * MAX_EXTENTS_PER_CHUNK;
    case NBD_REPLY_TYPE_BLOCK_STATUS_EXT:
      return 8 + 16 * MAX_EXTENTS_PER_CHUNK;
    default:
      return ERROR_CHUNK_BYTES; // decodeChunk names the type
  }
}
