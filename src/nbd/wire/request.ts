/**
 * Request headers of the transmission phase, both directions.
 *
 *   compact  (28 bytes): 4 magic | 2 flags | 2 type | 8 cookie | 8 offset | 4 length
 *   extended (32 bytes): 4 magic | 2 flags | 2 type | 8 cookie | 8 offset | 8 length
 *
 * The payload that may follow is not read here: whoever owns the buffers decides how to collect it.
 */

import { type NeedMore, needMore, type Violation, violation } from '../../base/index.ts';
import {
  NBD_CMD_FLAG_PAYLOAD_LEN,
  NBD_CMD_WRITE,
  NBD_EXTENDED_REQUEST_MAGIC,
  NBD_REQUEST_MAGIC,
} from './constants.ts';
import { joinUint64, readUint64, writeUint64 } from './uint64.ts';

export const COMPACT_REQUEST_SIZE = 28;
export const EXTENDED_REQUEST_SIZE = 32;

export interface Request {
  readonly kind: 'request';
  /** Bytes of the header. */
  readonly size: number;
  readonly flags: number;
  readonly type: number;
  /** Opaque, to be echoed: signed halves, so that V8 never allocates a number for them. */
  readonly cookieHigh: number;
  readonly cookieLow: number;
  /** The offset exactly as sent, which an extended reply must echo. */
  readonly offsetHigh: number;
  readonly offsetLow: number;
  /** In bytes. Above 2^53 - 1 no longer exact, but still beyond every export. */
  readonly offset: number;
  /** Length of the effect in bytes, or of the payload where there is one. */
  readonly length: number;
  /** Bytes that follow the header. */
  readonly payloadLength: number;
}

export type RequestViolation = 'request-magic';

const NEED_COMPACT = needMore(COMPACT_REQUEST_SIZE);
const NEED_EXTENDED = needMore(EXTENDED_REQUEST_SIZE);
const BAD_MAGIC = violation('request-magic');

export function decodeRequest(
  source: Buffer,
  start: number,
  end: number,
): Request | NeedMore | Violation<RequestViolation> {
  if (end - start < COMPACT_REQUEST_SIZE) return NEED_COMPACT;
  if (source.readUInt32BE(start) !== NBD_REQUEST_MAGIC) return BAD_MAGIC;
  const type = source.readUInt16BE(start + 6);
  const offsetHigh = source.readInt32BE(start + 16);
  const offsetLow = source.readInt32BE(start + 20);
  const length = source.readUInt32BE(start + 24);
  return {
    kind: 'request',
    size: COMPACT_REQUEST_SIZE,
    flags: source.readUInt16BE(start + 4),
    type,
    cookieHigh: source.readInt32BE(start + 8),
    cookieLow: source.readInt32BE(start + 12),
    offsetHigh,
    offsetLow,
    offset: joinUint64(offsetHigh, offsetLow),
    length,
    // "the only command where length represents payload length ... is NBD_CMD_WRITE"
    payloadLength: type === NBD_CMD_WRITE ? length : 0,
  };
}

export function decodeExtendedRequest(
  source: Buffer,
  start: number,
  end: number,
): Request | NeedMore | Violation<RequestViolation> {
  if (end - start < EXTENDED_REQUEST_SIZE) return NEED_EXTENDED;
  if (source.readUInt32BE(start) !== NBD_EXTENDED_REQUEST_MAGIC) return BAD_MAGIC;
  const flags = source.readUInt16BE(start + 4);
  const type = source.readUInt16BE(start + 6);
  const offsetHigh = source.readInt32BE(start + 16);
  const offsetLow = source.readInt32BE(start + 20);
  const length = readUint64(source, start + 24);
  return {
    kind: 'request',
    size: EXTENDED_REQUEST_SIZE,
    flags,
    type,
    cookieHigh: source.readInt32BE(start + 8),
    cookieLow: source.readInt32BE(start + 12),
    offsetHigh,
    offsetLow,
    offset: joinUint64(offsetHigh, offsetLow),
    length,
    // A write MUST set the flag, but "the write command always sends a payload", and clients that
    // forget the flag (libnbd without its auto flag) send it all the same.
    payloadLength: (flags & NBD_CMD_FLAG_PAYLOAD_LEN) !== 0 || type === NBD_CMD_WRITE ? length : 0,
  };
}

export interface RequestFields {
  readonly flags: number;
  readonly type: number;
  readonly cookieHigh: number;
  readonly cookieLow: number;
  readonly offset: number;
  readonly length: number;
}

/** Writes a compact header at `at`; returns the end of it. `length` below 2^32. */
export function writeRequest(target: Buffer, at: number, request: RequestFields): number {
  target.writeUInt32BE(NBD_REQUEST_MAGIC, at);
  writeCommon(target, at, request);
  return target.writeUInt32BE(request.length, at + 24);
}

/** Writes an extended header at `at`; returns the end of it. */
export function writeExtendedRequest(target: Buffer, at: number, request: RequestFields): number {
  target.writeUInt32BE(NBD_EXTENDED_REQUEST_MAGIC, at);
  writeCommon(target, at, request);
  return writeUint64(target, request.length, at + 24);
}

function writeCommon(target: Buffer, at: number, request: RequestFields): void {
  target.writeUInt16BE(request.flags, at + 4);
  target.writeUInt16BE(request.type, at + 6);
  target.writeInt32BE(request.cookieHigh, at + 8);
  target.writeInt32BE(request.cookieLow, at + 12);
  writeUint64(target, request.offset, at + 16);
}

export interface BlockStatusPayload {
  readonly kind: 'block-status-payload';
  readonly length: number;
  readonly contextIds: readonly number[];
}

/** Payload of NBD_CMD_BLOCK_STATUS with PAYLOAD_LEN: 8 effect length | n times 4 context id. */
export function decodeBlockStatusPayload(
  payload: Buffer,
): BlockStatusPayload | Violation<'block-status-payload'> {
  if (payload.length < 12 || (payload.length - 8) % 4 !== 0) {
    return violation('block-status-payload');
  }
  const contextIds: number[] = [];
  for (let at = 8; at < payload.length; at += 4) contextIds.push(payload.readUInt32BE(at));
  return { kind: 'block-status-payload', length: readUint64(payload, 0), contextIds };
}

export function encodeBlockStatusPayload(length: number, contextIds: readonly number[]): Buffer {
  const payload = Buffer.alloc(8 + 4 * contextIds.length);
  writeUint64(payload, length, 0);
  contextIds.forEach((id, index) => {
    payload.writeUInt32BE(id, 8 + 4 * index);
  });
  return payload;
}
