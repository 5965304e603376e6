/**
 * TFTP packets (RFC 1350 §5, options by RFC 2347). Pure and total. Only what a server that is read
 * from needs: DATA of a client is recognised, its content is not kept.
 */
import { MAX_TFTP_OPTIONS, MAX_TFTP_REQUEST_BYTES } from '../../limits.ts';

const OPCODE = { RRQ: 1, WRQ: 2, DATA: 3, ACK: 4, ERROR: 5, OACK: 6 } as const;

/** RFC 1350 §5 and RFC 2347 §2. */
export const TFTP_ERROR = {
  NOT_DEFINED: 0,
  FILE_NOT_FOUND: 1,
  ACCESS_VIOLATION: 2,
  DISK_FULL: 3,
  ILLEGAL_OPERATION: 4,
  UNKNOWN_TRANSFER: 5,
  OPTIONS_REFUSED: 8,
} as const;

export interface TftpRequest {
  readonly kind: 'read' | 'write';
  readonly file: string;
  /** Lower case. */
  readonly mode: string;
  /** Names in lower case, in the order sent; a name sent twice keeps its first value. */
  readonly options: ReadonlyMap<string, string>;
}

export type TftpPacket =
  | TftpRequest
  | { readonly kind: 'data'; readonly block: number }
  | { readonly kind: 'ack'; readonly block: number }
  | { readonly kind: 'error'; readonly code: number; readonly message: string }
  | { readonly kind: 'option-ack' };

export type TftpViolation =
  | 'packet-too-short'
  | 'unknown-opcode'
  | 'request-too-long'
  | 'request-not-terminated' // a string without its final zero
  | 'request-without-mode'
  | 'option-without-value'
  | 'too-many-options';

export type DecodedTftp =
  | { readonly kind: 'packet'; readonly packet: TftpPacket }
  | { readonly kind: 'violation'; readonly violation: TftpViolation };

export function decodeTftp(bytes: Buffer): DecodedTftp {
  if (bytes.length < 4) return { kind: 'violation', violation: 'packet-too-short' };
  const opcode = bytes.readUInt16BE(0);
  const number = bytes.readUInt16BE(2);
  switch (opcode) {
    case OPCODE.RRQ:
      return decodeRequest('read', bytes);
    case OPCODE.WRQ:
      return decodeRequest('write', bytes);
    case OPCODE.DATA:
      return { kind: 'packet', packet: { kind: 'data', block: number } };
    case OPCODE.ACK:
      return { kind: 'packet', packet: { kind: 'ack', block: number } };
    case OPCODE.ERROR: {
      // Clients exist that leave out the message or its zero; the code is what counts.
      const end = bytes.indexOf(0, 4);
      const message = bytes.toString('latin1', 4, end === -1 ? bytes.length : end);
      return { kind: 'packet', packet: { kind: 'error', code: number, message } };
    }
    case OPCODE.OACK:
      return { kind: 'packet', packet: { kind: 'option-ack' } };
    default:
      return { kind: 'violation', violation: 'unknown-opcode' };
  }
}

function decodeRequest(kind: 'read' | 'write', bytes: Buffer): DecodedTftp {
  if (bytes.length > MAX_TFTP_REQUEST_BYTES) {
    return { kind: 'violation', violation: 'request-too-long' };
  }
  if (bytes.at(-1) !== 0) return { kind: 'violation', violation: 'request-not-terminated' };
  const [file, mode, ...rest] = bytes.toString('latin1', 2, bytes.length - 1).split('\0');
  if (file === undefined || mode === undefined) {
    return { kind: 'violation', violation: 'request-without-mode' };
  }
  if (rest.length > 2 * MAX_TFTP_OPTIONS) {
    return { kind: 'violation', violation: 'too-many-options' };
  }
  const options = new Map<string, string>();
  for (let at = 0; at < rest.length; at += 2) {
    const name = rest[at];
    const value = rest[at + 1];
    if (name === undefined || value === undefined) {
      return { kind: 'violation', violation: 'option-without-value' };
    }
    const key = name.toLowerCase();
    if (!options.has(key)) options.set(key, value);
  }
  return { kind: 'packet', packet: { kind, file, mode: mode.toLowerCase(), options } };
}

/** `block` as counted, not yet rolled over. */
export function encodeData(block: number, content: Buffer): Buffer {
  const packet = Buffer.allocUnsafe(4 + content.length);
  packet.writeUInt16BE(OPCODE.DATA, 0);
  packet.writeUInt16BE(block & 0xffff, 2);
  content.copy(packet, 4);
  return packet;
}

export function encodeError(code: number, message: string): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16BE(OPCODE.ERROR, 0);
  head.writeUInt16BE(code, 2);
  return Buffer.concat([
    head,
    Buffer.from(message.replaceAll('\0', ''), 'latin1'),
    Buffer.alloc(1),
  ]);
}

export function encodeOptionAck(options: ReadonlyMap<string, string>): Buffer {
  const text = [...options].map(([name, value]) => `${name}\0${value}\0`).join('');
  return Buffer.concat([Buffer.from([0, OPCODE.OACK]), Buffer.from(text, 'latin1')]);
}
