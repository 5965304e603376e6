/**
 * READ, WRITE and COMMIT, the data path of both versions. A call is a template (RPC header, file handle, state id: they
 * change when a connection or a state does, not with each request) and 12 to 20 bytes behind it; a result is read into
 * an object that is used again.
 */

import { RECORD_BYTES } from './limits.ts';
import { skipPostAttributes, skipWeakCache } from './nfs3.ts';
import {
  NFS4_COMMIT,
  NFS4_PUTFH,
  NFS4_READ,
  NFS4_WRITE,
  readCompound,
  readOperation,
} from './nfs4-compound.ts';
import { writeU64, type XdrReader } from './xdr.ts';

/** How stable a write is to be, and has become (stable_how of RFC 1813 and RFC 7530). */
export const UNSTABLE = 0;
export const DATA_SYNC = 1;
export const FILE_SYNC = 2;

/** Calls of one file, up to what differs from request to request. */
export interface DataTemplates {
  readonly read: Buffer;
  readonly write: Buffer;
  readonly commit: Buffer;
}

export const READ_ARGUMENT_BYTES = 12;
export const COMMIT_ARGUMENT_BYTES = 12;

/** What a data call answered. */
export class DataResult {
  /** nfsstat3 or nfsstat4; 0: done. */
  status = 0;
  count = 0;
  endOfFile = false;
  committed = UNSTABLE;
  verifierHigh = 0;
  verifierLow = 0;
}

/** The codec of one version; both put offset and count behind the template of READ and COMMIT. */
export interface DataCodec {
  /** Bytes between the template of WRITE and its data. */
  readonly writeArgumentBytes: number;
  /** @param at behind the template @returns where the data begins */
  writeArguments(target: Buffer, at: number, offset: number, count: number, stable: number): number;
  /** The reader stands at the data afterwards; `count` is its length. */
  readResult(reader: XdrReader, result: DataResult): void;
  writeResult(reader: XdrReader, result: DataResult): void;
  commitResult(reader: XdrReader, result: DataResult): void;
}

/** Of READ and COMMIT. */
export function offsetAndCount(target: Buffer, at: number, offset: number, count: number): number {
  return target.writeUInt32BE(count, writeU64(target, at, offset));
}

function readVerifier(reader: XdrReader, result: DataResult): void {
  result.verifierHigh = reader.u32();
  result.verifierLow = reader.u32();
}

export const DATA3: DataCodec = {
  writeArgumentBytes: 20,
  writeArguments(target, at, offset, count, stable) {
    let next = offsetAndCount(target, at, offset, count);
    next = target.writeUInt32BE(stable, next);
    return target.writeUInt32BE(count, next);
  },
  readResult(reader, result) {
    result.status = reader.u32();
    skipPostAttributes(reader);
    if (result.status !== 0) return;
    const count = reader.u32();
    result.endOfFile = reader.bool();
    result.count = reader.length(RECORD_BYTES);
    if (result.count !== count) reader.fail();
  },
  writeResult(reader, result) {
    result.status = reader.u32();
    skipWeakCache(reader);
    if (result.status !== 0) return;
    result.count = reader.u32();
    result.committed = reader.u32();
    readVerifier(reader, result);
  },
  commitResult(reader, result) {
    result.status = reader.u32();
    skipWeakCache(reader);
    if (result.status === 0) readVerifier(reader, result);
  },
};

/** @returns whether the reader stands at the result of `operation` */
function dataOperation(reader: XdrReader, result: DataResult, operation: number): boolean {
  readCompound(reader);
  result.status = readOperation(reader, NFS4_PUTFH);
  if (result.status === 0) result.status = readOperation(reader, operation);
  return result.status === 0 && reader.ok;
}

export const DATA4: DataCodec = {
  writeArgumentBytes: 16,
  writeArguments(target, at, offset, count, stable) {
    const next = target.writeUInt32BE(stable, writeU64(target, at, offset));
    return target.writeUInt32BE(count, next);
  },
  readResult(reader, result) {
    if (!dataOperation(reader, result, NFS4_READ)) return;
    result.endOfFile = reader.bool();
    result.count = reader.length(RECORD_BYTES);
  },
  writeResult(reader, result) {
    if (!dataOperation(reader, result, NFS4_WRITE)) return;
    result.count = reader.u32();
    result.committed = reader.u32();
    readVerifier(reader, result);
  },
  commitResult(reader, result) {
    if (dataOperation(reader, result, NFS4_COMMIT)) readVerifier(reader, result);
  },
};
