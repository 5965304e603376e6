/**
 * The most common reply by far, recognised in place without making anything of it: a read that was
 * answered in one piece, all of which is here. Whatever else it may be is for decodeReply to say.
 */

import { OFFSET_DATA_SIZE } from './chunk.ts';
import {
  NBD_EXTENDED_REPLY_MAGIC,
  NBD_REPLY_FLAG_DONE,
  NBD_REPLY_TYPE_OFFSET_DATA,
  NBD_SIMPLE_REPLY_MAGIC,
  NBD_STRUCTURED_REPLY_MAGIC,
} from './constants.ts';
import {
  EXTENDED_REPLY_SIZE,
  type ReplyStyle,
  SIMPLE_REPLY_SIZE,
  STRUCTURED_REPLY_SIZE,
} from './reply.ts';
import { readUint64 } from './uint64.ts';

/** Where the cookie stands in a reply of any style. */
export const REPLY_COOKIE_AT = 8;

function isWholeChunk(source: Buffer, start: number): boolean {
  return (
    (source.readUInt16BE(start + 4) & NBD_REPLY_FLAG_DONE) !== 0 &&
    source.readUInt16BE(start + 6) === NBD_REPLY_TYPE_OFFSET_DATA
  );
}

/**
 * @param offset, length of the read that the reply's cookie stands for
 * @returns how many bytes stand before the data; 0 when it is not such a reply, or not all of it is here
 */
export function wholeReadPrefix(
  source: Buffer,
  start: number,
  end: number,
  style: ReplyStyle,
  offset: number,
  length: number,
): number {
  switch (style) {
    case 'simple':
      return end - start >= SIMPLE_REPLY_SIZE + length &&
        source.readUInt32BE(start) === NBD_SIMPLE_REPLY_MAGIC &&
        source.readUInt32BE(start + 4) === 0
        ? SIMPLE_REPLY_SIZE
        : 0;
    case 'structured': {
      const prefix = STRUCTURED_REPLY_SIZE + OFFSET_DATA_SIZE;
      return end - start >= prefix + length &&
        source.readUInt32BE(start) === NBD_STRUCTURED_REPLY_MAGIC &&
        isWholeChunk(source, start) &&
        source.readUInt32BE(start + 16) === OFFSET_DATA_SIZE + length &&
        readUint64(source, start + STRUCTURED_REPLY_SIZE) === offset
        ? prefix
        : 0;
    }
    case 'extended': {
      const prefix = EXTENDED_REPLY_SIZE + OFFSET_DATA_SIZE;
      return end - start >= prefix + length &&
        source.readUInt32BE(start) === NBD_EXTENDED_REPLY_MAGIC &&
        isWholeChunk(source, start) &&
        readUint64(source, start + 16) === offset &&
        readUint64(source, start + 24) === OFFSET_DATA_SIZE + length &&
        readUint64(source, start + EXTENDED_REPLY_SIZE) === offset
        ? prefix
        : 0;
    }
  }
}
