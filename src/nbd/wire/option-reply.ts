/**
 * Option replies of the server (fixed newstyle haggling), both directions.
 *
 *   8 bytes magic | 4 option | 4 reply type | 4 length | length bytes of data
 */

import { type NeedMore, needMore, type Violation, violation } from '../../base/index.ts';
import {
  NBD_INFO_BLOCK_SIZE,
  NBD_INFO_DESCRIPTION,
  NBD_INFO_EXPORT,
  NBD_INFO_NAME,
  NBD_REP_ACK,
  NBD_REP_ERR_BLOCK_SIZE_REQD,
  NBD_REP_ERR_EXT_HEADER_REQD,
  NBD_REP_ERR_INVALID,
  NBD_REP_ERR_PLATFORM,
  NBD_REP_ERR_POLICY,
  NBD_REP_ERR_SHUTDOWN,
  NBD_REP_ERR_TLS_REQD,
  NBD_REP_ERR_TOO_BIG,
  NBD_REP_ERR_UNKNOWN,
  NBD_REP_ERR_UNSUP,
  NBD_REP_FLAG_ERROR,
  NBD_REP_INFO,
  NBD_REP_META_CONTEXT,
  NBD_REP_SERVER,
  OPTION_REPLY_MAGIC_HIGH,
  OPTION_REPLY_MAGIC_LOW,
} from './constants.ts';
import { MAX_OPTION_REPLY_DATA } from './limits.ts';
import { displayText, readText } from './text.ts';
import { readUint64, writeUint64 } from './uint64.ts';

const HEADER_SIZE = 20;

/** The error replies, total both ways: see ERROR_TYPE. */
export type OptionError =
  | 'unsupported'
  | 'policy'
  | 'invalid'
  | 'platform'
  | 'tls-required'
  | 'unknown-export'
  | 'shutdown'
  | 'block-size-required'
  | 'too-big'
  | 'extended-headers-required';

const ERROR_TYPE: Readonly<Record<OptionError, number>> = {
  unsupported: NBD_REP_ERR_UNSUP,
  policy: NBD_REP_ERR_POLICY,
  invalid: NBD_REP_ERR_INVALID,
  platform: NBD_REP_ERR_PLATFORM,
  'tls-required': NBD_REP_ERR_TLS_REQD,
  'unknown-export': NBD_REP_ERR_UNKNOWN,
  shutdown: NBD_REP_ERR_SHUTDOWN,
  'block-size-required': NBD_REP_ERR_BLOCK_SIZE_REQD,
  'too-big': NBD_REP_ERR_TOO_BIG,
  'extended-headers-required': NBD_REP_ERR_EXT_HEADER_REQD,
};

const ERROR_OF_TYPE: ReadonlyMap<number, OptionError> = new Map(
  (Object.keys(ERROR_TYPE) as OptionError[]).map((error) => [ERROR_TYPE[error], error]),
);

export interface BlockSizes {
  /** Smallest request and alignment in bytes. */
  readonly minimum: number;
  readonly preferred: number;
  readonly maximumPayload: number;
}

export type OptionReplyBody =
  | { readonly name: 'ack' }
  | { readonly name: 'server'; readonly exportName: string; readonly description: string }
  | { readonly name: 'info-export'; readonly exportSize: number; readonly flags: number }
  | { readonly name: 'info-name'; readonly exportName: string }
  | { readonly name: 'info-description'; readonly description: string }
  | { readonly name: 'info-block-size'; readonly sizes: BlockSizes }
  | { readonly name: 'meta-context'; readonly id: number; readonly context: string }
  | { readonly name: 'error'; readonly error: OptionError; readonly message: string };

/** A reply as it arrived; the two unknowns are legal and must be told apart from a violation. */
export type ReceivedOptionReply =
  | OptionReplyBody
  | { readonly name: 'info-unknown'; readonly type: number }
  | { readonly name: 'error-unknown'; readonly type: number; readonly message: string };

export interface OptionReply {
  readonly kind: 'option-reply';
  readonly size: number;
  /** The option that this answers. */
  readonly code: number;
  readonly body: ReceivedOptionReply;
}

export type OptionReplyViolation =
  | 'option-reply-magic'
  | 'option-reply-length'
  | 'option-reply-type'
  | 'option-reply-data';

export function encodeOptionReply(code: number, body: OptionReplyBody): Buffer {
  switch (body.name) {
    case 'ack':
      return frame(code, NBD_REP_ACK, Buffer.alloc(0));
    case 'server': {
      const name = Buffer.from(body.exportName, 'utf8');
      const length = Buffer.alloc(4);
      length.writeUInt32BE(name.length, 0);
      const data = Buffer.concat([length, name, displayText(body.description)]);
      return frame(code, NBD_REP_SERVER, data);
    }
    case 'info-export': {
      const data = info(NBD_INFO_EXPORT, 10);
      writeUint64(data, body.exportSize, 2);
      data.writeUInt16BE(body.flags, 10);
      return frame(code, NBD_REP_INFO, data);
    }
    case 'info-name': {
      const data = Buffer.concat([info(NBD_INFO_NAME, 0), Buffer.from(body.exportName, 'utf8')]);
      return frame(code, NBD_REP_INFO, data);
    }
    case 'info-description': {
      const data = Buffer.concat([info(NBD_INFO_DESCRIPTION, 0), displayText(body.description)]);
      return frame(code, NBD_REP_INFO, data);
    }
    case 'info-block-size': {
      const data = info(NBD_INFO_BLOCK_SIZE, 12);
      data.writeUInt32BE(body.sizes.minimum, 2);
      data.writeUInt32BE(body.sizes.preferred, 6);
      data.writeUInt32BE(body.sizes.maximumPayload, 10);
      return frame(code, NBD_REP_INFO, data);
    }
    case 'meta-context': {
      const id = Buffer.alloc(4);
      id.writeUInt32BE(body.id, 0);
      const data = Buffer.concat([id, Buffer.from(body.context, 'utf8')]);
      return frame(code, NBD_REP_META_CONTEXT, data);
    }
    case 'error':
      return frame(code, ERROR_TYPE[body.error], displayText(body.message));
  }
}

function info(type: number, length: number): Buffer {
  const data = Buffer.alloc(2 + length);
  data.writeUInt16BE(type, 0);
  return data;
}

function frame(code: number, type: number, data: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_SIZE);
  header.writeUInt32BE(OPTION_REPLY_MAGIC_HIGH, 0);
  header.writeUInt32BE(OPTION_REPLY_MAGIC_LOW, 4);
  header.writeUInt32BE(code, 8);
  header.writeUInt32BE(type, 12);
  header.writeUInt32BE(data.length, 16);
  return Buffer.concat([header, data]);
}

export function decodeOptionReply(
  source: Buffer,
  start: number,
  end: number,
): OptionReply | NeedMore | Violation<OptionReplyViolation> {
  if (end - start < HEADER_SIZE) return needMore(HEADER_SIZE);
  if (
    source.readUInt32BE(start) !== OPTION_REPLY_MAGIC_HIGH ||
    source.readUInt32BE(start + 4) !== OPTION_REPLY_MAGIC_LOW
  ) {
    return violation('option-reply-magic');
  }
  const code = source.readUInt32BE(start + 8);
  const type = source.readUInt32BE(start + 12);
  const length = source.readUInt32BE(start + 16);
  if (length > MAX_OPTION_REPLY_DATA) return violation('option-reply-length');
  const size = HEADER_SIZE + length;
  if (end - start < size) return needMore(size);
  const data = source.subarray(start + HEADER_SIZE, start + size);
  const body = decodeBody(type, data);
  if (body === 'unknown-type') return violation('option-reply-type');
  if (body === undefined) return violation('option-reply-data');
  return { kind: 'option-reply', size, code, body };
}

function decodeBody(type: number, data: Buffer): ReceivedOptionReply | 'unknown-type' | undefined {
  if (type >= NBD_REP_FLAG_ERROR) {
    // A message that is not text is not worth a disconnect: it is for display only.
    const message = readText(data, 0, data.length) ?? '';
    const error = ERROR_OF_TYPE.get(type);
    return error === undefined
      ? { name: 'error-unknown', type, message }
      : { name: 'error', error, message };
  }
  switch (type) {
    case NBD_REP_ACK:
      return data.length === 0 ? { name: 'ack' } : undefined;
    case NBD_REP_SERVER:
      return decodeServer(data);
    case NBD_REP_INFO:
      return decodeInfo(data);
    case NBD_REP_META_CONTEXT: {
      if (data.length < 4) return undefined;
      const context = readText(data, 4, data.length);
      return context === undefined
        ? undefined
        : { name: 'meta-context', id: data.readUInt32BE(0), context };
    }
    default:
      return 'unknown-type';
  }
}

function decodeServer(data: Buffer): ReceivedOptionReply | undefined {
  if (data.length < 4) return undefined;
  const nameLength = data.readUInt32BE(0);
  if (nameLength > data.length - 4) return undefined;
  const exportName = readText(data, 4, 4 + nameLength);
  if (exportName === undefined) return undefined;
  // What follows the name is "implementation-specific details", for display where it is text.
  const description = readText(data, 4 + nameLength, data.length) ?? '';
  return { name: 'server', exportName, description };
}

function decodeInfo(data: Buffer): ReceivedOptionReply | undefined {
  if (data.length < 2) return undefined;
  const type = data.readUInt16BE(0);
  switch (type) {
    case NBD_INFO_EXPORT:
      if (data.length !== 12) return undefined;
      return {
        name: 'info-export',
        exportSize: readUint64(data, 2),
        flags: data.readUInt16BE(10),
      };
    case NBD_INFO_NAME: {
      const exportName = readText(data, 2, data.length);
      return exportName === undefined ? undefined : { name: 'info-name', exportName };
    }
    case NBD_INFO_DESCRIPTION: {
      const description = readText(data, 2, data.length);
      return description === undefined ? undefined : { name: 'info-description', description };
    }
    case NBD_INFO_BLOCK_SIZE:
      if (data.length !== 14) return undefined;
      return {
        name: 'info-block-size',
        sizes: {
          minimum: data.readUInt32BE(2),
          preferred: data.readUInt32BE(6),
          maximumPayload: data.readUInt32BE(10),
        },
      };
    default:
      // "The client MUST ignore information replies it does not understand"
      return { name: 'info-unknown', type };
  }
}
