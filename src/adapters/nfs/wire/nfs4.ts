/** NFSv4.0 (RFC 7530): the operations that keep state, and folders. No delegations: none is asked for or kept. */
import type { FolderEntry, FolderPage } from './attributes.ts';
import { ENTRIES_IN_REPLY, FILE_HANDLE_BYTES, NAME_BYTES, OPAQUE_BYTES } from './limits.ts';
import {
  ENTRY_ATTRIBUTES,
  MODE_ATTRIBUTE,
  readEntryAttributes,
  SIZE_ATTRIBUTE,
} from './nfs4-attributes.ts';
import {
  type Compound,
  NFS4_ACCESS,
  NFS4_CLOSE,
  NFS4_OPEN,
  NFS4_OPEN_CONFIRM,
  NFS4_READDIR,
  NFS4_REMOVE,
  NFS4_RENAME,
  NFS4_RENEW,
  NFS4_SETATTR,
  NFS4_SETCLIENTID,
  NFS4_SETCLIENTID_CONFIRM,
  skipChange,
  writeBitmap,
} from './nfs4-compound.ts';
import { type XdrReader, XdrWriter } from './xdr.ts';

export const STATE_ID_BYTES = 16;
/** Of nobody (section 9.1.4.3): what reads and sets attributes without having opened. */
export const ANONYMOUS_STATE = Buffer.alloc(STATE_ID_BYTES);

const SHARE_READ = 1;
const SHARE_BOTH = 3;
const DENY_NONE = 0;
const CREATE_EXCLUSIVE = 2;
const CLAIM_NULL = 0;
const CLAIM_PREVIOUS = 1;
const DELEGATE_NONE = 0;
const RESULT_CONFIRM = 2;

export const STATUS4 = {
  NOENT: 2,
  EXIST: 17,
  STALE: 70,
  DELAY: 10_008,
  EXPIRED: 10_011,
  GRACE: 10_013,
  STALE_CLIENTID: 10_022,
  STALE_STATEID: 10_023,
  OLD_STATEID: 10_024,
  BAD_STATEID: 10_025,
  BAD_SEQID: 10_026,
  NO_GRACE: 10_033,
  RECLAIM_BAD: 10_034,
  RECLAIM_CONFLICT: 10_035,
  ADMIN_REVOKED: 10_047,
} as const;

/** @param verifier 8 bytes: another one says that this client has started anew (section 9.1.1) */
export function setClientId(compound: Compound, verifier: Buffer, id: string): void {
  compound
    .operation(NFS4_SETCLIENTID)
    .fixed(verifier)
    .text(id)
    .u32(0) // no callback program: no delegations
    .text('tcp')
    .text('0.0.0.0.0.0')
    .u32(0);
}

export interface ClientId {
  /** 8 bytes each. */
  readonly id: Buffer;
  readonly confirm: Buffer;
}

export function readClientId(reader: XdrReader): ClientId {
  return { id: Buffer.from(reader.fixed(8)), confirm: Buffer.from(reader.fixed(8)) };
}

export function confirmClientId(compound: Compound, client: ClientId): void {
  compound.operation(NFS4_SETCLIENTID_CONFIRM).fixed(client.id).fixed(client.confirm);
}

export function renew(compound: Compound, client: Buffer): void {
  compound.operation(NFS4_RENEW).fixed(client);
}

export interface OpenRequest {
  readonly sequence: number;
  readonly client: Buffer;
  readonly owner: Buffer;
  readonly write: boolean;
  /** 8 bytes: a new file, or the one that was made with the same verifier (section 16.16.3). */
  readonly createVerifier?: Buffer;
  /** undefined: the file that the compound stands at, which was open before the server restarted. */
  readonly name: string | undefined;
}

export function open(compound: Compound, request: OpenRequest): void {
  const writer = compound.operation(NFS4_OPEN).u32(request.sequence);
  writer.u32(request.write ? SHARE_BOTH : SHARE_READ).u32(DENY_NONE);
  writer.fixed(request.client).opaque(request.owner);
  if (request.createVerifier === undefined) writer.u32(0);
  else writer.u32(1).u32(CREATE_EXCLUSIVE).fixed(request.createVerifier);
  if (request.name === undefined) writer.u32(CLAIM_PREVIOUS).u32(DELEGATE_NONE);
  else writer.u32(CLAIM_NULL).text(request.name);
}

export interface Opened {
  readonly stateId: Buffer;
  readonly confirm: boolean;
}

export function readOpen(reader: XdrReader): Opened {
  const stateId = Buffer.from(reader.fixed(STATE_ID_BYTES));
  skipChange(reader);
  const flags = reader.u32();
  const words = reader.length(8);
  reader.skip(words * 4);
  // A delegation is refused at the start (no callback); one that comes all the same is malformed.
  if (reader.u32() !== DELEGATE_NONE) reader.fail();
  return { stateId, confirm: (flags & RESULT_CONFIRM) !== 0 };
}

export function openConfirm(compound: Compound, stateId: Buffer, sequence: number): void {
  compound.operation(NFS4_OPEN_CONFIRM).fixed(stateId).u32(sequence);
}

export function close(compound: Compound, stateId: Buffer, sequence: number): void {
  compound.operation(NFS4_CLOSE).u32(sequence).fixed(stateId);
}

export function readStateId(reader: XdrReader): Buffer {
  return Buffer.from(reader.fixed(STATE_ID_BYTES));
}

export function setSize(compound: Compound, size: number): void {
  const writer = compound.operation(NFS4_SETATTR).fixed(ANONYMOUS_STATE);
  writeBitmap(writer, [SIZE_ATTRIBUTE]);
  writer.opaque(new XdrWriter().u64(size).bytes());
}

export function setMode(compound: Compound, mode: number): void {
  const writer = compound.operation(NFS4_SETATTR).fixed(ANONYMOUS_STATE);
  writeBitmap(writer, [MODE_ATTRIBUTE]);
  writer.opaque(new XdrWriter().u32(mode).bytes());
}

export function remove(compound: Compound, name: string): void {
  compound.operation(NFS4_REMOVE).text(name);
}

/** From the saved folder to the current one. */
export function rename(compound: Compound, from: string, to: string): void {
  compound.operation(NFS4_RENAME).text(from).text(to);
}

export function access(compound: Compound, wanted: number): void {
  compound.operation(NFS4_ACCESS).u32(wanted);
}

/** @returns what is granted of what was asked */
export function readAccess(reader: XdrReader): number {
  reader.skip(4);
  return reader.u32();
}

export function readFolder(
  compound: Compound,
  cookie: Buffer,
  verifier: Buffer,
  most: number,
): void {
  const writer = compound.operation(NFS4_READDIR).fixed(cookie).fixed(verifier).u32(most).u32(most);
  writeBitmap(writer, ENTRY_ATTRIBUTES);
}

export function readFolderPage(reader: XdrReader): FolderPage {
  const verifier = Buffer.from(reader.fixed(8));
  const entries: FolderEntry[] = [];
  let cookie = Buffer.alloc(8);
  while (reader.bool()) {
    cookie = Buffer.from(reader.fixed(8));
    const name = reader.text(NAME_BYTES);
    entries.push({ name, ...readEntryAttributes(reader) });
    if (entries.length > ENTRIES_IN_REPLY) reader.fail();
  }
  return { entries, cookie, verifier, last: reader.bool() };
}

export function readHandle(reader: XdrReader): Buffer {
  return Buffer.from(reader.opaque(FILE_HANDLE_BYTES));
}

/** Of SETATTR: which attributes were set. */
export function skipBitmap(reader: XdrReader): void {
  reader.skip(reader.length(OPAQUE_BYTES) * 4);
}
