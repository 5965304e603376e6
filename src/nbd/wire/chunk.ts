/**
 * What is inside a structured or extended reply chunk, both directions. Headers: reply.ts.
 */

import { type Violation, violation } from '../../base/index.ts';
import {
  NBD_REPLY_TYPE_BLOCK_STATUS,
  NBD_REPLY_TYPE_BLOCK_STATUS_EXT,
  NBD_REPLY_TYPE_ERROR,
  NBD_REPLY_TYPE_ERROR_OFFSET,
  NBD_REPLY_TYPE_FLAG_ERROR,
  NBD_REPLY_TYPE_NONE,
  NBD_REPLY_TYPE_OFFSET_DATA,
  NBD_REPLY_TYPE_OFFSET_HOLE,
} from './constants.ts';
import { MAX_EXTENTS_PER_CHUNK, MAX_STRING } from './limits.ts';
import { displayText, readText } from './text.ts';
import { readUint64, writeUint64 } from './uint64.ts';

/** Bytes before the data of an OFFSET_DATA chunk. */
export const OFFSET_DATA_SIZE = 8;
export const OFFSET_HOLE_SIZE = 12;

/** One descriptor of a block status chunk. */
export interface StatusExtent {
  readonly length: number;
  readonly flags: number;
}

export function writeOffsetHole(
  target: Buffer,
  at: number,
  offset: number,
  length: number,
): number {
  return target.writeUInt32BE(length, writeUint64(target, offset, at));
}

/** Payload of an ERROR chunk, or of ERROR_OFFSET where an offset is given. */
export function encodeErrorPayload(error: number, message: string, offset?: number): Buffer {
  const text = displayText(message, MAX_STRING);
  const payload = Buffer.alloc(6 + text.length + (offset === undefined ? 0 : 8));
  payload.writeUInt32BE(error, 0);
  payload.writeUInt16BE(text.length, 4);
  text.copy(payload, 6);
  if (offset !== undefined) writeUint64(payload, offset, 6 + text.length);
  return payload;
}

/** Payload of NBD_REPLY_TYPE_BLOCK_STATUS: 4 context id | n times (4 length | 4 flags). */
export function encodeBlockStatus(contextId: number, extents: readonly StatusExtent[]): Buffer {
  const payload = Buffer.alloc(4 + 8 * extents.length);
  let at = payload.writeUInt32BE(contextId, 0);
  for (const extent of extents) {
    at = payload.writeUInt32BE(extent.length, at);
    at = payload.writeUInt32BE(extent.flags, at);
  }
  return payload;
}

/** Payload of NBD_REPLY_TYPE_BLOCK_STATUS_EXT: 4 context id | 4 count | n times (8 length | 8 flags). */
export function encodeBlockStatusExtended(
  contextId: number,
  extents: readonly StatusExtent[],
): Buffer {
  const payload = Buffer.alloc(8 + 16 * extents.length);
  let at = payload.writeUInt32BE(contextId, 0);
  at = payload.writeUInt32BE(extents.length, at);
  for (const extent of extents) {
    at = writeUint64(payload, extent.length, at);
    at = writeUint64(payload, extent.flags, at);
  }
  return payload;
}

export type Chunk =
  | { readonly kind: 'none' }
  /** `length` data bytes start OFFSET_DATA_SIZE into the payload. */
  | { readonly kind: 'offset-data'; readonly offset: number; readonly length: number }
  | { readonly kind: 'offset-hole'; readonly offset: number; readonly length: number }
  | {
      readonly kind: 'block-status';
      readonly contextId: number;
      readonly extents: readonly StatusExtent[];
    }
  | {
      readonly kind: 'error';
      readonly error: number;
      readonly message: string;
      /** Where it happened, when the server said so. */
      readonly offset: number | undefined;
    };

export type ChunkViolation = 'chunk-type' | 'chunk-length' | 'chunk-content';

/**
 * How many bytes of payload are needed before `decodeChunk` can be called: all of them, except that
 * the data of OFFSET_DATA stays with the caller, who knows where it shall go.
 */
export function chunkPrefix(type: number, length: number): number {
  return type === NBD_REPLY_TYPE_OFFSET_DATA ? Math.min(length, OFFSET_DATA_SIZE) : length;
}

/**
 * @param payload the first `chunkPrefix(type, length)` bytes of the payload
 * @param length the length of the whole payload, from the chunk's header
 * @param extended whether extended headers were negotiated
 */
export function decodeChunk(
  type: number,
  length: number,
  payload: Buffer,
  extended: boolean,
): Chunk | Violation<ChunkViolation> {
  if ((type & NBD_REPLY_TYPE_FLAG_ERROR) !== 0) return decodeError(type, payload);
  switch (type) {
    case NBD_REPLY_TYPE_NONE:
      return length === 0 ? { kind: 'none' } : violation('chunk-length');
    case NBD_REPLY_TYPE_OFFSET_DATA:
      if (length <= OFFSET_DATA_SIZE) return violation('chunk-length');
      return {
        kind: 'offset-data',
        offset: readUint64(payload, 0),
        length: length - OFFSET_DATA_SIZE,
      };
    case NBD_REPLY_TYPE_OFFSET_HOLE: {
      if (length !== OFFSET_HOLE_SIZE) return violation('chunk-length');
      const hole = payload.readUInt32BE(8);
      if (hole === 0) return violation('chunk-content');
      return { kind: 'offset-hole', offset: readUint64(payload, 0), length: hole };
    }
    case NBD_REPLY_TYPE_BLOCK_STATUS:
      return extended ? violation('chunk-type') : decodeStatus(payload);
    case NBD_REPLY_TYPE_BLOCK_STATUS_EXT:
      return extended ? decodeStatusExtended(payload) : violation('chunk-type');
    default:
      return violation('chunk-type');
  }
}

/** Any type with bit 15 set: unknown ones begin with the same fields. */
function decodeError(type: number, payload: Buffer): Chunk | Violation<ChunkViolation> {
  const tail = type === NBD_REPLY_TYPE_ERROR_OFFSET ? 8 : 0;
  if (payload.length < 6 + tail) return violation('chunk-length');
  const error = payload.readUInt32BE(0);
  const messageLength = payload.readUInt16BE(4);
  if (messageLength > payload.length - 6 - tail) return violation('chunk-length');
  const known = type === NBD_REPLY_TYPE_ERROR || type === NBD_REPLY_TYPE_ERROR_OFFSET;
  if (known && error === 0) return violation('chunk-content');
  return {
    kind: 'error',
    error,
    message: readText(payload, 6, 6 + messageLength) ?? '',
    offset: tail === 0 ? undefined : readUint64(payload, 6 + messageLength),
  };
}

function decodeStatus(payload: Buffer): Chunk | Violation<ChunkViolation> {
  const count = (payload.length - 4) / 8;
  if (!Number.isInteger(count) || count < 1) return violation('chunk-length');
  if (count > MAX_EXTENTS_PER_CHUNK) return violation('chunk-length');
  const extents: StatusExtent[] = [];
  for (let at = 4; at < payload.length; at += 8) {
    const length = payload.readUInt32BE(at);
    if (length === 0) return violation('chunk-content');
    extents.push({ length, flags: payload.readUInt32BE(at + 4) });
  }
  return { kind: 'block-status', contextId: payload.readUInt32BE(0), extents };
}

function decodeStatusExtended(payload: Buffer): Chunk | Violation<ChunkViolation> {
  const count = (payload.length - 8) / 16;
  if (!Number.isInteger(count) || count < 1) return violation('chunk-length');
  if (count > MAX_EXTENTS_PER_CHUNK) return violation('chunk-length');
  if (payload.readUInt32BE(4) !== count) return violation('chunk-content');
  const extents: StatusExtent[] = [];
  for (let at = 8; at < payload.length; at += 16) {
    const length = readUint64(payload, at);
    if (length === 0) return violation('chunk-content');
    extents.push({ length, flags: readUint64(payload, at + 8) });
  }
  return { kind: 'block-status', contextId: payload.readUInt32BE(0), extents };
}
