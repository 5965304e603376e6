/**
 * Option requests of the client (fixed newstyle haggling), both directions.
 *
 *   8 bytes 'IHAVEOPT' | 4 option | 4 length | length bytes of data
 */

import { type NeedMore, needMore, type Violation, violation } from '../../base/index.ts';
import {
  IHAVEOPT_HIGH,
  IHAVEOPT_LOW,
  NBD_OPT_ABORT,
  NBD_OPT_EXPORT_NAME,
  NBD_OPT_EXTENDED_HEADERS,
  NBD_OPT_GO,
  NBD_OPT_INFO,
  NBD_OPT_LIST,
  NBD_OPT_LIST_META_CONTEXT,
  NBD_OPT_SET_META_CONTEXT,
  NBD_OPT_STARTTLS,
  NBD_OPT_STRUCTURED_REPLY,
} from './constants.ts';
import { MAX_OPTION_DATA, MAX_OPTION_SKIP } from './limits.ts';
import { readText } from './text.ts';

const HEADER_SIZE = 16;

export type OptionBody =
  | { readonly name: 'export-name'; readonly exportName: string }
  | { readonly name: 'abort' }
  | { readonly name: 'list' }
  | { readonly name: 'starttls' }
  | { readonly name: 'info' | 'go'; readonly exportName: string; readonly infos: readonly number[] }
  | { readonly name: 'structured-reply' }
  | {
      readonly name: 'list-meta-context' | 'set-meta-context';
      readonly exportName: string;
      readonly queries: readonly string[];
    }
  | { readonly name: 'extended-headers' };

/** An option as it arrived: well formed, unknown, or known and not as the protocol asks. */
export type ReceivedOption =
  | OptionBody
  | { readonly name: 'unknown' }
  | { readonly name: 'malformed'; readonly reason: string };

export interface Option {
  readonly kind: 'option';
  readonly size: number;
  /** The number that the reply must repeat. */
  readonly code: number;
  readonly body: ReceivedOption;
}

/** More data than is worth keeping. `skip` bytes after the header must be thrown away unread. */
export interface OversizedOption {
  readonly kind: 'oversized-option';
  readonly size: number;
  readonly code: number;
  readonly skip: number;
}

export type OptionViolation = 'option-magic' | 'option-length';

export function decodeOption(
  source: Buffer,
  start: number,
  end: number,
): Option | OversizedOption | NeedMore | Violation<OptionViolation> {
  if (end - start < HEADER_SIZE) return needMore(HEADER_SIZE);
  if (
    source.readUInt32BE(start) !== IHAVEOPT_HIGH ||
    source.readUInt32BE(start + 4) !== IHAVEOPT_LOW
  ) {
    return violation('option-magic');
  }
  const code = source.readUInt32BE(start + 8);
  const length = source.readUInt32BE(start + 12);
  if (length > MAX_OPTION_SKIP) return violation('option-length');
  if (length > MAX_OPTION_DATA) {
    return { kind: 'oversized-option', size: HEADER_SIZE, code, skip: length };
  }
  const size = HEADER_SIZE + length;
  if (end - start < size) return needMore(size);
  const data = source.subarray(start + HEADER_SIZE, start + size);
  return { kind: 'option', size, code, body: decodeBody(code, data) };
}

function decodeBody(code: number, data: Buffer): ReceivedOption {
  switch (code) {
    case NBD_OPT_EXPORT_NAME: {
      const exportName = readText(data, 0, data.length);
      return exportName === undefined
        ? malformed('the export name is not UTF-8 of at most 4096 bytes without NUL')
        : { name: 'export-name', exportName };
    }
    case NBD_OPT_ABORT:
      // "a server SHOULD ignore any data sent by the client rather than rejecting the request"
      return { name: 'abort' };
    case NBD_OPT_LIST:
      return withoutData(data, { name: 'list' });
    case NBD_OPT_STARTTLS:
      return withoutData(data, { name: 'starttls' });
    case NBD_OPT_INFO:
      return decodeInfo('info', data);
    case NBD_OPT_GO:
      return decodeInfo('go', data);
    case NBD_OPT_STRUCTURED_REPLY:
      return withoutData(data, { name: 'structured-reply' });
    case NBD_OPT_LIST_META_CONTEXT:
      return decodeMetaContext('list-meta-context', data);
    case NBD_OPT_SET_META_CONTEXT:
      return decodeMetaContext('set-meta-context', data);
    case NBD_OPT_EXTENDED_HEADERS:
      return withoutData(data, { name: 'extended-headers' });
    default:
      // An open set by design: NBD_OPT_PEEK_EXPORT and whatever comes after this document.
      return { name: 'unknown' };
  }
}

function malformed(reason: string): ReceivedOption {
  return { name: 'malformed', reason };
}

function withoutData(data: Buffer, body: OptionBody): ReceivedOption {
  return data.length === 0 ? body : malformed('this option takes no data');
}

/** 4 name length | name | 2 count | count times 2 information type */
function decodeInfo(name: 'info' | 'go', data: Buffer): ReceivedOption {
  if (data.length < 6) return malformed('too short for a name and a count');
  const nameLength = data.readUInt32BE(0);
  if (nameLength > data.length - 6) return malformed('the name is longer than the option');
  const exportName = readText(data, 4, 4 + nameLength);
  if (exportName === undefined) {
    return malformed('the export name is not UTF-8 of at most 4096 bytes without NUL');
  }
  const count = data.readUInt16BE(4 + nameLength);
  if (data.length !== 6 + nameLength + 2 * count) {
    return malformed('the count of information requests does not match the length of the option');
  }
  const infos: number[] = [];
  for (let index = 0; index < count; index += 1) {
    infos.push(data.readUInt16BE(6 + nameLength + 2 * index));
  }
  return { name, exportName, infos };
}

/** 4 name length | name | 4 count | count times (4 query length | query) */
function decodeMetaContext(
  name: 'list-meta-context' | 'set-meta-context',
  data: Buffer,
): ReceivedOption {
  if (data.length < 8) return malformed('too short for a name and a count');
  const nameLength = data.readUInt32BE(0);
  if (nameLength > data.length - 8) return malformed('the name is longer than the option');
  const exportName = readText(data, 4, 4 + nameLength);
  if (exportName === undefined) {
    return malformed('the export name is not UTF-8 of at most 4096 bytes without NUL');
  }
  const count = data.readUInt32BE(4 + nameLength);
  let at = 8 + nameLength;
  // Each query takes at least its length field, which bounds the loop by the option's length.
  if (count > (data.length - at) / 4) return malformed('more queries than the option can hold');
  const queries: string[] = [];
  for (let index = 0; index < count; index += 1) {
    if (data.length - at < 4) return malformed('a query is cut off');
    const length = data.readUInt32BE(at);
    at += 4;
    if (length > data.length - at) return malformed('a query is longer than the option');
    const query = readText(data, at, at + length);
    if (query === undefined) {
      return malformed('a query is not UTF-8 of at most 4096 bytes without NUL');
    }
    queries.push(query);
    at += length;
  }
  if (at !== data.length) return malformed('data after the last query');
  return { name, exportName, queries };
}

export function encodeOption(body: OptionBody): Buffer {
  switch (body.name) {
    case 'export-name':
      return frame(NBD_OPT_EXPORT_NAME, Buffer.from(body.exportName, 'utf8'));
    case 'abort':
      return frame(NBD_OPT_ABORT);
    case 'list':
      return frame(NBD_OPT_LIST);
    case 'starttls':
      return frame(NBD_OPT_STARTTLS);
    case 'info':
      return frame(NBD_OPT_INFO, encodeInfo(body.exportName, body.infos));
    case 'go':
      return frame(NBD_OPT_GO, encodeInfo(body.exportName, body.infos));
    case 'structured-reply':
      return frame(NBD_OPT_STRUCTURED_REPLY);
    case 'list-meta-context':
      return frame(NBD_OPT_LIST_META_CONTEXT, encodeMetaContext(body.exportName, body.queries));
    case 'set-meta-context':
      return frame(NBD_OPT_SET_META_CONTEXT, encodeMetaContext(body.exportName, body.queries));
    case 'extended-headers':
      return frame(NBD_OPT_EXTENDED_HEADERS);
  }
}

/** The number of an option, as a client needs it to match the replies. */
export function optionCode(body: OptionBody): number {
  return encodeOption(body).readUInt32BE(8);
}

function frame(code: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(HEADER_SIZE);
  header.writeUInt32BE(IHAVEOPT_HIGH, 0);
  header.writeUInt32BE(IHAVEOPT_LOW, 4);
  header.writeUInt32BE(code, 8);
  header.writeUInt32BE(data.length, 12);
  return Buffer.concat([header, data]);
}

function encodeInfo(exportName: string, infos: readonly number[]): Buffer {
  const tail = Buffer.alloc(2 + 2 * infos.length);
  tail.writeUInt16BE(infos.length, 0);
  infos.forEach((info, index) => {
    tail.writeUInt16BE(info, 2 + 2 * index);
  });
  return Buffer.concat([withLength(exportName), tail]);
}

function encodeMetaContext(exportName: string, queries: readonly string[]): Buffer {
  const count = Buffer.alloc(4);
  count.writeUInt32BE(queries.length, 0);
  return Buffer.concat([withLength(exportName), count, ...queries.map(withLength)]);
}

function withLength(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length, 0);
  return Buffer.concat([length, bytes]);
}
