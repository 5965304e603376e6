/** ONC RPC (RFC 5531): call headers with AUTH_SYS, reply headers, record marks. */
import { GROUPS, VERIFIER_BODY_BYTES } from './limits.ts';
import { type XdrReader, XdrWriter } from './xdr.ts';

const CALL = 0;
const REPLY = 1;
const RPC_VERSION = 2;
const AUTH_NONE = 0;
const AUTH_SYS = 1;

/** Set in the mark of a record's last fragment (section 11). */
export const LAST_FRAGMENT = 0x8000_0000;
export const MARK_BYTES = 4;
const XID_AT = MARK_BYTES;

/** Who calls (appendix A). */
export interface SystemCredential {
  readonly machine: string;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/**
 * Everything of a call up to its arguments, the record mark included, as a template: `sealCall` fills in the mark
 * and the xid.
 * @param credential undefined: AUTH_NONE
 */
export function callTemplate(
  program: number,
  version: number,
  procedure: number,
  credential: SystemCredential | undefined,
): Buffer {
  const writer = new XdrWriter().u32(0).u32(0).u32(CALL).u32(RPC_VERSION);
  writer.u32(program).u32(version).u32(procedure);
  if (credential === undefined) writer.u32(AUTH_NONE).u32(0);
  else {
    const body = new XdrWriter().u32(0).text(credential.machine.slice(0, 64));
    const groups = credential.groups.slice(0, GROUPS);
    body.u32(credential.uid).u32(credential.gid).u32(groups.length);
    for (const group of groups) body.u32(group);
    writer.u32(AUTH_SYS).opaque(body.bytes());
  }
  writer.u32(AUTH_NONE).u32(0);
  return Buffer.from(writer.bytes());
}

/** @param length bytes of the whole record without its mark */
export function sealCall(target: Buffer, start: number, length: number, xid: number): void {
  target.writeUInt32BE(LAST_FRAGMENT + length, start);
  target.writeUInt32BE(xid, start + XID_AT);
}

/** Why a call was not executed (section 9). */
export const REFUSALS = [
  'rpc-mismatch',
  'auth-error',
  'program-unavailable',
  'program-mismatch',
  'procedure-unavailable',
  'garbage-arguments',
  'system-error',
] as const;
export type Refusal = (typeof REFUSALS)[number];

const ACCEPT_STATUS: readonly Refusal[] = [
  'program-unavailable',
  'program-mismatch',
  'procedure-unavailable',
  'garbage-arguments',
  'system-error',
];

/**
 * Reads the header of a reply; the reader then stands at the results.
 * @returns undefined: the call was executed; a refusal; `malformed` when the bytes are no reply
 */
export function readReplyHeader(reader: XdrReader): Refusal | 'malformed' | undefined {
  reader.skip(4); // the xid, by which the call was found
  if (reader.u32() !== REPLY) return 'malformed';
  const denied = reader.bool();
  if (denied) {
    const reason = reader.bool() ? 'auth-error' : 'rpc-mismatch';
    return reader.ok ? reason : 'malformed';
  }
  reader.skip(4);
  const length = reader.length(VERIFIER_BODY_BYTES);
  reader.skip((length + 3) & ~3);
  const status = reader.u32();
  if (!reader.ok) return 'malformed';
  return status === 0 ? undefined : (ACCEPT_STATUS[status - 1] ?? 'malformed');
}
