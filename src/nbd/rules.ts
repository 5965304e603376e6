/**
 * What an export offers on a connection, and whether a request keeps to it. Pure.
 *
 * The order of the checks is part of the behaviour: unknown command or flag, read-only, range,
 * alignment. Range errors are ENOSPC for what writes and EINVAL for the rest ("Error values").
 */
import type { OpenExport } from '../exports/index.ts';
import {
  NBD_CMD_BLOCK_STATUS,
  NBD_CMD_CACHE,
  NBD_CMD_DISC,
  NBD_CMD_FLAG_DF,
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
  NBD_ENOSPC,
  NBD_EOVERFLOW,
  NBD_EPERM,
  NBD_FLAG_BLOCK_STATUS_PAYLOAD,
  NBD_FLAG_CAN_MULTI_CONN,
  NBD_FLAG_HAS_FLAGS,
  NBD_FLAG_READ_ONLY,
  NBD_FLAG_ROTATIONAL,
  NBD_FLAG_SEND_CACHE,
  NBD_FLAG_SEND_DF,
  NBD_FLAG_SEND_FAST_ZERO,
  NBD_FLAG_SEND_FLUSH,
  NBD_FLAG_SEND_FUA,
  NBD_FLAG_SEND_TRIM,
  NBD_FLAG_SEND_WRITE_ZEROES,
} from './wire/constants.ts';
import type { ReplyStyle, Request } from './wire/index.ts';
import { MAX_META_CONTEXTS } from './wire/limits.ts';

/**
 * The transmission flags of an export, true to its capabilities.
 * @param statusPayload block status with a payload may be announced (to extended headers)
 */
export function transmissionFlags(
  opened: OpenExport,
  style: ReplyStyle,
  statusPayload: boolean,
): number {
  const can = opened.device.capabilities;
  const writable = can.write && !opened.readOnly;
  let flags = NBD_FLAG_HAS_FLAGS;
  if (!writable) flags |= NBD_FLAG_READ_ONLY;
  if (can.flush) flags |= NBD_FLAG_SEND_FLUSH;
  if (can.rotational) flags |= NBD_FLAG_ROTATIONAL;
  if (can.multiConn) flags |= NBD_FLAG_CAN_MULTI_CONN;
  if (can.cache) flags |= NBD_FLAG_SEND_CACHE;
  if (writable && can.fua) flags |= NBD_FLAG_SEND_FUA;
  if (writable && can.trim) flags |= NBD_FLAG_SEND_TRIM;
  if (writable && can.zero) flags |= NBD_FLAG_SEND_WRITE_ZEROES;
  if (writable && can.zero && can.fastZero) flags |= NBD_FLAG_SEND_FAST_ZERO;
  if (style !== 'simple') flags |= NBD_FLAG_SEND_DF;
  if (style === 'extended' && statusPayload) flags |= NBD_FLAG_BLOCK_STATUS_PAYLOAD;
  return flags;
}

const NOT_OFFERED = -1;

/** Longest payload of a block status request: the effect length and one id for each context. */
const STATUS_PAYLOAD = 8 + 4 * MAX_META_CONTEXTS;

export interface RequestRules {
  readonly flags: number;
  readonly style: ReplyStyle;
  readonly size: number;
  /** minimumIo - 1. */
  readonly alignment: number;
  readonly readOnly: boolean;
  /** Longest read or write that is served, in bytes. */
  readonly maximumPayload: number;
  /** Longest payload that is taken from the socket at all; beyond it the connection is dropped. */
  readonly hostilePayload: number;
  /** Command flags by command, NOT_OFFERED for a command that is not. */
  readonly allowed: readonly number[];
}

export interface RuleSettings {
  readonly style: ReplyStyle;
  readonly flags: number;
  readonly size: number;
  readonly minimumIo: number;
  readonly blockStatus: boolean;
  readonly payload: number;
  readonly advertisedPayload: number;
}

export function requestRules(settings: RuleSettings): RequestRules {
  const { flags, style } = settings;
  const extended = style === 'extended';
  const fua = (flags & NBD_FLAG_SEND_FUA) !== 0 ? NBD_CMD_FLAG_FUA : 0;
  const df = (flags & NBD_FLAG_SEND_DF) !== 0 ? NBD_CMD_FLAG_DF : 0;
  const fast = (flags & NBD_FLAG_SEND_FAST_ZERO) !== 0 ? NBD_CMD_FLAG_FAST_ZERO : 0;
  const payload = extended ? NBD_CMD_FLAG_PAYLOAD_LEN : 0;
  const statusPayload = (flags & NBD_FLAG_BLOCK_STATUS_PAYLOAD) !== 0 ? payload : 0;
  const readOnly = (flags & NBD_FLAG_READ_ONLY) !== 0;
  const offer = (flag: number, commandFlags: number): number =>
    (flags & flag) !== 0 ? commandFlags : NOT_OFFERED;
  const allowed: number[] = [];
  allowed[NBD_CMD_READ] = fua | df;
  allowed[NBD_CMD_WRITE] = fua | payload;
  allowed[NBD_CMD_DISC] = fua;
  allowed[NBD_CMD_FLUSH] = offer(NBD_FLAG_SEND_FLUSH, fua);
  allowed[NBD_CMD_TRIM] = offer(NBD_FLAG_SEND_TRIM, fua);
  allowed[NBD_CMD_CACHE] = offer(NBD_FLAG_SEND_CACHE, fua);
  allowed[NBD_CMD_WRITE_ZEROES] = offer(
    NBD_FLAG_SEND_WRITE_ZEROES,
    fua | NBD_CMD_FLAG_NO_HOLE | fast,
  );
  allowed[NBD_CMD_BLOCK_STATUS] = settings.blockStatus
    ? fua | NBD_CMD_FLAG_REQ_ONE | statusPayload
    : NOT_OFFERED;
  return {
    flags,
    style,
    size: settings.size,
    alignment: settings.minimumIo - 1,
    readOnly,
    maximumPayload: settings.payload,
    // "A server SHOULD initiate hard disconnect if a client sets the NBD_CMD_FLAG_PAYLOAD_LEN flag
    // and uses a length larger than a server's advertised or default maximum payload length"
    hostilePayload: extended ? settings.advertisedPayload : settings.payload,
    allowed,
  };
}

function isWriting(type: number): boolean {
  return type === NBD_CMD_WRITE || type === NBD_CMD_TRIM || type === NBD_CMD_WRITE_ZEROES;
}

/**
 * 0, or the NBD error to answer with. The range of a BLOCK_STATUS with payload is inside the
 * payload and checked with `checkRange` once that is there.
 */
export function checkRequest(rules: RequestRules, request: Request): number {
  const { type, flags } = request;
  // A read-only export offers no writes, but the answer to one is EPERM, not "unknown".
  if (rules.readOnly && isWriting(type)) return NBD_EPERM;
  const allowed = rules.allowed[type] ?? NOT_OFFERED;
  if (allowed === NOT_OFFERED || (flags & ~allowed) !== 0) return NBD_EINVAL;
  switch (type) {
    case NBD_CMD_READ:
      return checkRange(rules, request, request.length) || checkRead(rules, request);
    case NBD_CMD_FLUSH:
      // "length and offset are reserved, and MUST be set to all-zero"
      return request.offset === 0 && request.length === 0 ? 0 : NBD_EINVAL;
    case NBD_CMD_BLOCK_STATUS:
      if ((flags & NBD_CMD_FLAG_PAYLOAD_LEN) === 0) {
        return checkStatus(rules, request, request.length);
      }
      // Longer than all contexts together: not worth keeping, it is thrown away and refused.
      return request.payloadLength > STATUS_PAYLOAD ? NBD_EINVAL : 0;
    default:
      return checkRange(rules, request, request.length);
  }
}

/** Range, then alignment; 0 or the NBD error. */
export function checkRange(rules: RequestRules, request: Request, length: number): number {
  if (request.offset + length > rules.size) {
    const { type } = request;
    return type === NBD_CMD_WRITE || type === NBD_CMD_WRITE_ZEROES ? NBD_ENOSPC : NBD_EINVAL;
  }
  // The range fits into the export, so both are exact here and their low 32 bits say enough.
  return ((request.offsetLow | length) & rules.alignment) === 0 ? 0 : NBD_EINVAL;
}

export function checkStatus(rules: RequestRules, request: Request, length: number): number {
  return length === 0 ? NBD_EINVAL : checkRange(rules, request, length);
}

function checkRead(rules: RequestRules, request: Request): number {
  if (request.length <= rules.maximumPayload) return 0;
  // "the server is also permitted to reject large read requests up front with NBD_EOVERFLOW"; a
  // client of simple replies does not know that error.
  return rules.style === 'simple' ? NBD_EINVAL : NBD_EOVERFLOW;
}
