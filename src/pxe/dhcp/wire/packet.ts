/**
 * The DHCP packet (RFC 2131 §2), bytes to value and back. Pure and total: decoding gives a packet or
 * a named violation and never throws. UDP delivers whole packets, so there is no "need more".
 *
 *   op htype hlen hops | xid | secs flags | ciaddr yiaddr siaddr giaddr | chaddr[16] | sname[64] |
 *   file[128] | magic cookie | options
 */
import { ipv4Bytes } from '../../../base/index.ts';
import { MAX_DHCP_PACKET_BYTES, MAX_DHCP_REPLY_BYTES, MIN_DHCP_REPLY_BYTES } from '../../limits.ts';
import { macFromBytes } from '../../mac-address.ts';
import { DHCP_MESSAGE, DHCP_OPTION, type DhcpMessageName, messageName } from './option-numbers.ts';
import {
  type DhcpOptions,
  decodeOptionArea,
  encodeOptions,
  type OptionViolation,
} from './options.ts';

const OP_REQUEST = 1;
const OP_REPLY = 2;
const HTYPE_ETHERNET = 1;
const HLEN_ETHERNET = 6;
const MAGIC_COOKIE = 0x63825363;
const SNAME = { start: 44, end: 108 } as const;
const FILE = { start: 108, end: 236 } as const;
const COOKIE_AT = 236;
const OPTIONS_AT = 240;
const FLAG_BROADCAST = 0x8000;
/** Option 52 (RFC 2132 §9.3): 1 file, 2 sname, 3 both hold options. */
const OVERLOAD_FILE = 1;
const OVERLOAD_SNAME = 2;

/** Room for a file name and its final zero. */
export const FILE_FIELD_BYTES = FILE.end - FILE.start;

export interface DhcpPacket {
  readonly op: 'request' | 'reply';
  readonly message: DhcpMessageName;
  readonly hops: number;
  readonly xid: number;
  readonly secs: number;
  /** The client cannot take unicast before it is configured (RFC 2131 §4.1). */
  readonly broadcast: boolean;
  readonly ciaddr: number;
  readonly yiaddr: number;
  readonly siaddr: number;
  readonly giaddr: number;
  readonly mac: string;
  /** '' when absent or overloaded. */
  readonly serverName: string;
  readonly fileName: string;
  readonly options: ReadonlyMap<number, Buffer>;
}

export type DhcpViolation =
  | OptionViolation
  | 'packet-too-short'
  | 'packet-too-long'
  | 'not-dhcp' // no magic cookie: plain BOOTP, or not this protocol
  | 'unknown-op'
  | 'not-ethernet'
  | 'bad-hardware-address' // all zero, or a group address
  | 'no-message-type'
  | 'unknown-message-type'
  | 'bad-overload';

export type DecodedDhcp =
  | { readonly kind: 'packet'; readonly packet: DhcpPacket }
  | { readonly kind: 'violation'; readonly violation: DhcpViolation };

export function decodeDhcp(bytes: Buffer): DecodedDhcp {
  const violation = headerViolation(bytes);
  if (violation !== undefined) return { kind: 'violation', violation };
  const options: DhcpOptions = new Map();
  const overload = decodeAllOptions(bytes, options);
  if (typeof overload === 'string') return { kind: 'violation', violation: overload };
  const type = options.get(DHCP_OPTION.MESSAGE_TYPE);
  if (type?.length !== 1) return { kind: 'violation', violation: 'no-message-type' };
  const message = messageName(type.readUInt8(0));
  if (message === undefined) return { kind: 'violation', violation: 'unknown-message-type' };
  return {
    kind: 'packet',
    packet: {
      op: bytes.readUInt8(0) === OP_REQUEST ? 'request' : 'reply',
      message,
      hops: bytes.readUInt8(3),
      xid: bytes.readUInt32BE(4),
      secs: bytes.readUInt16BE(8),
      broadcast: (bytes.readUInt16BE(10) & FLAG_BROADCAST) !== 0,
      ciaddr: bytes.readUInt32BE(12),
      yiaddr: bytes.readUInt32BE(16),
      siaddr: bytes.readUInt32BE(20),
      giaddr: bytes.readUInt32BE(24),
      mac: macFromBytes(bytes.subarray(28, 28 + HLEN_ETHERNET)),
      serverName: (overload & OVERLOAD_SNAME) === 0 ? zeroEnded(bytes, SNAME) : '',
      fileName: (overload & OVERLOAD_FILE) === 0 ? zeroEnded(bytes, FILE) : '',
      options,
    },
  };
}

function headerViolation(bytes: Buffer): DhcpViolation | undefined {
  if (bytes.length < OPTIONS_AT) return 'packet-too-short';
  if (bytes.length > MAX_DHCP_PACKET_BYTES) return 'packet-too-long';
  const op = bytes.readUInt8(0);
  if (op !== OP_REQUEST && op !== OP_REPLY) return 'unknown-op';
  if (bytes.readUInt32BE(COOKIE_AT) !== MAGIC_COOKIE) return 'not-dhcp';
  if (bytes.readUInt8(1) !== HTYPE_ETHERNET || bytes.readUInt8(2) !== HLEN_ETHERNET) {
    return 'not-ethernet';
  }
  const mac = bytes.subarray(28, 28 + HLEN_ETHERNET);
  if ((mac.readUInt8(0) & 1) !== 0 || mac.every((byte) => byte === 0)) {
    return 'bad-hardware-address';
  }
  return undefined;
}

/** Reads every area; gives which fields were overloaded. */
function decodeAllOptions(bytes: Buffer, into: DhcpOptions): number | DhcpViolation {
  const violation = decodeOptionArea(bytes.subarray(OPTIONS_AT), into);
  if (violation !== undefined) return violation;
  const value = into.get(DHCP_OPTION.OVERLOAD);
  if (value === undefined) return 0;
  const overload = value.length === 1 ? value.readUInt8(0) : 0;
  if (overload < 1 || overload > 3) return 'bad-overload';
  const areas = [
    ...((overload & OVERLOAD_FILE) !== 0 ? [FILE] : []),
    ...((overload & OVERLOAD_SNAME) !== 0 ? [SNAME] : []),
  ];
  for (const { start, end } of areas) {
    const damage = decodeOptionArea(bytes.subarray(start, end), into);
    if (damage !== undefined) return damage;
  }
  return overload;
}

function zeroEnded(bytes: Buffer, field: { readonly start: number; readonly end: number }): string {
  const area = bytes.subarray(field.start, field.end);
  const end = area.indexOf(0);
  return area.toString('latin1', 0, end === -1 ? area.length : end);
}

/** @throws RangeError for a reply of ours that cannot be sent: a bug, limits are checked at start. */
export function encodeDhcp(packet: DhcpPacket): Buffer {
  const fixed = Buffer.alloc(OPTIONS_AT);
  fixed.writeUInt8(packet.op === 'request' ? OP_REQUEST : OP_REPLY, 0);
  fixed.writeUInt8(HTYPE_ETHERNET, 1);
  fixed.writeUInt8(HLEN_ETHERNET, 2);
  fixed.writeUInt8(packet.hops, 3);
  fixed.writeUInt32BE(packet.xid, 4);
  fixed.writeUInt16BE(packet.secs, 8);
  fixed.writeUInt16BE(packet.broadcast ? FLAG_BROADCAST : 0, 10);
  ipv4Bytes(packet.ciaddr).copy(fixed, 12);
  ipv4Bytes(packet.yiaddr).copy(fixed, 16);
  ipv4Bytes(packet.siaddr).copy(fixed, 20);
  ipv4Bytes(packet.giaddr).copy(fixed, 24);
  Buffer.from(packet.mac.replaceAll(':', ''), 'hex').copy(fixed, 28);
  writeZeroEnded(fixed, SNAME, packet.serverName);
  writeZeroEnded(fixed, FILE, packet.fileName);
  fixed.writeUInt32BE(MAGIC_COOKIE, COOKIE_AT);
  const rest = [...packet.options].filter(([code]) => code !== DHCP_OPTION.MESSAGE_TYPE);
  const options = encodeOptions([
    [DHCP_OPTION.MESSAGE_TYPE, Buffer.from([DHCP_MESSAGE[packet.message]])],
    ...rest,
  ]);
  const length = Math.max(MIN_DHCP_REPLY_BYTES, OPTIONS_AT + options.length);
  if (length > MAX_DHCP_REPLY_BYTES) throw new RangeError(`a DHCP reply of ${length} bytes`);
  return Buffer.concat([fixed, options], length);
}

function writeZeroEnded(
  into: Buffer,
  field: { readonly start: number; readonly end: number },
  text: string,
): void {
  if (text.length >= field.end - field.start)
    throw new RangeError(`too long for its field: ${text}`);
  into.write(text, field.start, 'latin1');
}
