/** The port mapper, version 2 of rpcbind (RFC 1833, section 3). */
import { type XdrReader, XdrWriter } from './xdr.ts';

export const PORTMAP_PROGRAM = 100_000;
export const PORTMAP_VERSION = 2;
export const PORTMAP_PORT = 111;
export const PORTMAP_GETPORT = 3;
const TCP = 6;

export function encodeGetPort(program: number, version: number): Buffer {
  return new XdrWriter(16).u32(program).u32(version).u32(TCP).u32(0).bytes();
}

/** @returns 0: not registered; undefined: no port number */
export function decodeGetPort(reader: XdrReader): number | undefined {
  const port = reader.u32();
  return reader.ok && port <= 65_535 ? port : undefined;
}
