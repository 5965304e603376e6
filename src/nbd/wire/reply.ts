/**
 * Reply headers of the transmission phase, both directions.
 *
 *   simple     (16 bytes): 4 magic | 4 error | 8 cookie                                  [+ data]
 *   structured (20 bytes): 4 magic | 2 flags | 2 type | 8 cookie | 4 length              + payload
 *   extended   (32 bytes): 4 magic | 2 flags | 2 type | 8 cookie | 8 offset | 8 length   + payload
 *
 * Writers put bytes at a given place of a given buffer and return where they end, so that the server
 * can fill one slab with the headers of a whole batch. What is inside a chunk: chunk.ts.
 */

import { type NeedMore, needMore, type Violation, violation } from '../../base/index.ts';
import {
  NBD_EXTENDED_REPLY_MAGIC,
  NBD_REPLY_FLAG_DONE,
  NBD_SIMPLE_REPLY_MAGIC,
  NBD_STRUCTURED_REPLY_MAGIC,
} from './constants.ts';
import { MAX_REPLY_PAYLOAD } from './limits.ts';
import { joinUint64, readUint64, writeUint64 } from './uint64.ts';

export const SIMPLE_REPLY_SIZE = 16;
export const STRUCTURED_REPLY_SIZE = 20;
export const EXTENDED_REPLY_SIZE = 32;

/** How the server speaks in the transmission phase, as negotiated. */
export type ReplyStyle = 'simple' | 'structured' | 'extended';

/** What of a request its replies echo; every Request is one. */
export interface RequestEcho {
  readonly cookieHigh: number;
  readonly cookieLow: number;
  readonly offsetHigh: number;
  readonly offsetLow: number;
}

/** @param error 0, or an NBD error value */
export function writeSimpleReply(
  target: Buffer,
  at: number,
  error: number,
  echo: RequestEcho,
): number {
  target.writeUInt32BE(NBD_SIMPLE_REPLY_MAGIC, at);
  target.writeUInt32BE(error, at + 4);
  target.writeInt32BE(echo.cookieHigh, at + 8);
  return target.writeInt32BE(echo.cookieLow, at + 12);
}

export function writeStructuredHeader(
  target: Buffer,
  at: number,
  flags: number,
  type: number,
  echo: RequestEcho,
  length: number,
): number {
  target.writeUInt32BE(NBD_STRUCTURED_REPLY_MAGIC, at);
  target.writeUInt16BE(flags, at + 4);
  target.writeUInt16BE(type, at + 6);
  target.writeInt32BE(echo.cookieHigh, at + 8);
  target.writeInt32BE(echo.cookieLow, at + 12);
  return target.writeUInt32BE(length, at + 16);
}

export function writeExtendedHeader(
  target: Buffer,
  at: number,
  flags: number,
  type: number,
  echo: RequestEcho,
  length: number,
): number {
  target.writeUInt32BE(NBD_EXTENDED_REPLY_MAGIC, at);
  target.writeUInt16BE(flags, at + 4);
  target.writeUInt16BE(type, at + 6);
  target.writeInt32BE(echo.cookieHigh, at + 8);
  target.writeInt32BE(echo.cookieLow, at + 12);
  target.writeInt32BE(echo.offsetHigh, at + 16);
  target.writeInt32BE(echo.offsetLow, at + 20);
  return writeUint64(target, length, at + 24);
}

export interface SimpleReply {
  readonly kind: 'simple-reply';
  readonly size: number;
  /** 0, or an NBD error value. */
  readonly error: number;
  readonly cookieHigh: number;
  readonly cookieLow: number;
}

export interface ChunkHeader {
  readonly kind: 'chunk-header';
  readonly size: number;
  /** The last chunk of its reply. Unknown flags are ignored, as the document asks. */
  readonly done: boolean;
  readonly type: number;
  readonly cookieHigh: number;
  readonly cookieLow: number;
  /** The request's offset (extended only; 0 in a structured chunk). */
  readonly offset: number;
  /** Bytes of payload that follow. */
  readonly length: number;
}

export type ReplyViolation = 'reply-magic' | 'reply-style' | 'reply-length';

/**
 * A reply header in a connection of the given style. The data of a simple reply to a read is not
 * announced in it: only the caller knows what was asked.
 */
export function decodeReply(
  source: Buffer,
  start: number,
  end: number,
  style: ReplyStyle,
): SimpleReply | ChunkHeader | NeedMore | Violation<ReplyViolation> {
  if (end - start < 4) return needMore(4);
  switch (source.readUInt32BE(start)) {
    case NBD_SIMPLE_REPLY_MAGIC:
      // "If extended headers have been negotiated, a simple reply MUST NOT be used."
      if (style === 'extended') return violation('reply-style');
      if (end - start < SIMPLE_REPLY_SIZE) return needMore(SIMPLE_REPLY_SIZE);
      return {
        kind: 'simple-reply',
        size: SIMPLE_REPLY_SIZE,
        error: source.readUInt32BE(start + 4),
        cookieHigh: source.readInt32BE(start + 8),
        cookieLow: source.readInt32BE(start + 12),
      };
    case NBD_STRUCTURED_REPLY_MAGIC:
      if (style !== 'structured') return violation('reply-style');
      if (end - start < STRUCTURED_REPLY_SIZE) return needMore(STRUCTURED_REPLY_SIZE);
      return chunkHeader(source, start, STRUCTURED_REPLY_SIZE, 0, source.readUInt32BE(start + 16));
    case NBD_EXTENDED_REPLY_MAGIC:
      if (style !== 'extended') return violation('reply-style');
      if (end - start < EXTENDED_REPLY_SIZE) return needMore(EXTENDED_REPLY_SIZE);
      return chunkHeader(
        source,
        start,
        EXTENDED_REPLY_SIZE,
        joinUint64(source.readInt32BE(start + 16), source.readInt32BE(start + 20)),
        readUint64(source, start + 24),
      );
    default:
      return violation('reply-magic');
  }
}

function chunkHeader(
  source: Buffer,
  start: number,
  size: number,
  offset: number,
  length: number,
): ChunkHeader | Violation<'reply-length'> {
  if (length > MAX_REPLY_PAYLOAD) return violation('reply-length');
  return {
    kind: 'chunk-header',
    size,
    done: (source.readUInt16BE(start + 4) & NBD_REPLY_FLAG_DONE) !== 0,
    type: source.readUInt16BE(start + 6),
    cookieHigh: source.readInt32BE(start + 8),
    cookieLow: source.readInt32BE(start + 12),
    offset,
    length,
  };
}
