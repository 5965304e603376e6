/**
 * The fixed parts of the newstyle handshake: the server's greeting, the client's flags, and the
 * answer to NBD_OPT_EXPORT_NAME (the only one without an option reply header).
 */

import { type NeedMore, needMore, type Violation, violation } from '../../base/index.ts';
import {
  IHAVEOPT_HIGH,
  IHAVEOPT_LOW,
  NBD_FLAG_C_FIXED_NEWSTYLE,
  NBD_FLAG_C_NO_ZEROES,
  NBD_FLAG_FIXED_NEWSTYLE,
  NBD_FLAG_NO_ZEROES,
  NBDMAGIC_HIGH,
  NBDMAGIC_LOW,
  OLDSTYLE_HIGH,
  OLDSTYLE_LOW,
} from './constants.ts';
import { readUint64, writeUint64 } from './uint64.ts';

const GREETING_SIZE = 18;
const CLIENT_FLAGS_SIZE = 4;
const EXPORT_NAME_REPLY_SIZE = 10;
const EXPORT_NAME_ZEROES = 124;

export interface Greeting {
  readonly kind: 'greeting';
  readonly size: number;
  readonly fixedNewstyle: boolean;
  readonly noZeroes: boolean;
}

export type GreetingViolation = 'not-nbd' | 'oldstyle-server' | 'unknown-style';

export function encodeGreeting(): Buffer {
  const bytes = Buffer.alloc(GREETING_SIZE);
  bytes.writeUInt32BE(NBDMAGIC_HIGH, 0);
  bytes.writeUInt32BE(NBDMAGIC_LOW, 4);
  bytes.writeUInt32BE(IHAVEOPT_HIGH, 8);
  bytes.writeUInt32BE(IHAVEOPT_LOW, 12);
  bytes.writeUInt16BE(NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES, 16);
  return bytes;
}

/** Unknown handshake flags are ignored: "The client SHOULD ignore any handshake flags it does not recognize". */
export function decodeGreeting(
  source: Buffer,
  start: number,
  end: number,
): Greeting | NeedMore | Violation<GreetingViolation> {
  // The magics are judged as soon as they are there: an oldstyle server or a web server may never
  // send the rest.
  if (end - start < 16) {
    return end - start >= 8 && !isNbdMagic(source, start) ? violation('not-nbd') : needMore(16);
  }
  if (!isNbdMagic(source, start)) return violation('not-nbd');
  const high = source.readUInt32BE(start + 8);
  const low = source.readUInt32BE(start + 12);
  if (high === OLDSTYLE_HIGH && low === OLDSTYLE_LOW) return violation('oldstyle-server');
  if (high !== IHAVEOPT_HIGH || low !== IHAVEOPT_LOW) return violation('unknown-style');
  if (end - start < GREETING_SIZE) return needMore(GREETING_SIZE);
  const flags = source.readUInt16BE(start + 16);
  return {
    kind: 'greeting',
    size: GREETING_SIZE,
    fixedNewstyle: (flags & NBD_FLAG_FIXED_NEWSTYLE) !== 0,
    noZeroes: (flags & NBD_FLAG_NO_ZEROES) !== 0,
  };
}

function isNbdMagic(source: Buffer, start: number): boolean {
  return (
    source.readUInt32BE(start) === NBDMAGIC_HIGH && source.readUInt32BE(start + 4) === NBDMAGIC_LOW
  );
}

export interface ClientFlags {
  readonly kind: 'client-flags';
  readonly size: number;
  readonly fixedNewstyle: boolean;
  readonly noZeroes: boolean;
}

export function encodeClientFlags(flags: { fixedNewstyle: boolean; noZeroes: boolean }): Buffer {
  const bytes = Buffer.alloc(CLIENT_FLAGS_SIZE);
  bytes.writeUInt32BE(
    (flags.fixedNewstyle ? NBD_FLAG_C_FIXED_NEWSTYLE : 0) |
      (flags.noZeroes ? NBD_FLAG_C_NO_ZEROES : 0),
    0,
  );
  return bytes;
}

export function decodeClientFlags(
  source: Buffer,
  start: number,
  end: number,
): ClientFlags | NeedMore | Violation<'unknown-client-flags'> {
  if (end - start < CLIENT_FLAGS_SIZE) return needMore(CLIENT_FLAGS_SIZE);
  const flags = source.readUInt32BE(start);
  // "the server MUST drop the TCP connection if the client sets an unknown flag"
  if ((flags & ~(NBD_FLAG_C_FIXED_NEWSTYLE | NBD_FLAG_C_NO_ZEROES)) !== 0) {
    return violation('unknown-client-flags');
  }
  return {
    kind: 'client-flags',
    size: CLIENT_FLAGS_SIZE,
    fixedNewstyle: (flags & NBD_FLAG_C_FIXED_NEWSTYLE) !== 0,
    noZeroes: (flags & NBD_FLAG_C_NO_ZEROES) !== 0,
  };
}

export interface ExportNameReply {
  readonly kind: 'export-name-reply';
  readonly size: number;
  /** Size of the export in bytes; above 2^53 - 1 it is no longer exact (refuse it). */
  readonly exportSize: number;
  readonly transmissionFlags: number;
}

/** The answer to NBD_OPT_EXPORT_NAME. */
export function encodeExportNameReply(
  exportSize: number,
  transmissionFlags: number,
  noZeroes: boolean,
): Buffer {
  const bytes = Buffer.alloc(EXPORT_NAME_REPLY_SIZE + (noZeroes ? 0 : EXPORT_NAME_ZEROES));
  writeUint64(bytes, exportSize, 0);
  bytes.writeUInt16BE(transmissionFlags, 8);
  return bytes;
}

export function decodeExportNameReply(
  source: Buffer,
  start: number,
  end: number,
  noZeroes: boolean,
): ExportNameReply | NeedMore {
  const size = EXPORT_NAME_REPLY_SIZE + (noZeroes ? 0 : EXPORT_NAME_ZEROES);
  if (end - start < size) return needMore(size);
  return {
    kind: 'export-name-reply',
    size,
    exportSize: readUint64(source, start),
    transmissionFlags: source.readUInt16BE(start + 8),
  };
}
