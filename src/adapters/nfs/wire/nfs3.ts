/** NFS version 3 (RFC 1813): arguments and results of the procedures that are not on the data path. */
import type {
  FileAttributes,
  FolderEntry,
  FolderPage,
  FoundFile,
  ShareSpace,
  TransferLimits,
} from './attributes.ts';
import { ENTRIES_IN_REPLY, FILE_HANDLE_BYTES, NAME_BYTES } from './limits.ts';
import { type XdrReader, XdrWriter } from './xdr.ts';

export const NFS_PROGRAM = 100_003;
export const NFS3_VERSION = 3;
export const NFS3_GETATTR = 1;
export const NFS3_SETATTR = 2;
export const NFS3_LOOKUP = 3;
export const NFS3_ACCESS = 4;
export const NFS3_READ = 6;
export const NFS3_WRITE = 7;
export const NFS3_CREATE = 8;
export const NFS3_REMOVE = 12;
export const NFS3_RENAME = 14;
export const NFS3_READDIRPLUS = 17;
export const NFS3_FSSTAT = 18;
export const NFS3_FSINFO = 19;
export const NFS3_PATHCONF = 20;
export const NFS3_COMMIT = 21;

/** Of ACCESS (section 3.3.4). */
export const ACCESS_READ = 0x01;
export const ACCESS_MODIFY = 0x04;
export const ACCESS_EXTEND = 0x08;
export const ACCESS_DELETE = 0x10;

const CREATE_GUARDED = 1;
const CREATE_EXCLUSIVE = 2;
const ATTRIBUTES_BYTES = 84;

/** A status and, with status 0, what the procedure gives. */
export interface Answer<T> {
  readonly status: number;
  readonly value: T | undefined;
}

function handleWriter(handle: Buffer): XdrWriter {
  return new XdrWriter().opaque(handle);
}

/** The arguments of GETATTR, FSSTAT, FSINFO and PATHCONF. */
export function encodeHandle(handle: Buffer): Buffer {
  return handleWriter(handle).bytes();
}

/** The arguments of LOOKUP and REMOVE. */
export function encodeName(folder: Buffer, name: string): Buffer {
  return handleWriter(folder).text(name).bytes();
}

export function encodeAccess(handle: Buffer, wanted: number): Buffer {
  return handleWriter(handle).u32(wanted).bytes();
}

interface SettableAttributes {
  readonly mode?: number;
  readonly size?: number;
}

function writeSettable(writer: XdrWriter, { mode, size }: SettableAttributes): void {
  if (mode === undefined) writer.bool(false);
  else writer.bool(true).u32(mode);
  writer.bool(false).bool(false); // uid, gid
  if (size === undefined) writer.bool(false);
  else writer.bool(true).u64(size);
  writer.u32(0).u32(0); // the times stay
}

export function encodeSetAttributes(handle: Buffer, attributes: SettableAttributes): Buffer {
  const writer = handleWriter(handle);
  writeSettable(writer, attributes);
  return writer.bool(false).bytes(); // no guard
}

export function encodeCreateGuarded(folder: Buffer, name: string, mode: number): Buffer {
  const writer = handleWriter(folder).text(name).u32(CREATE_GUARDED);
  writeSettable(writer, { mode });
  return writer.bytes();
}

/** @param verifier 8 bytes: the same again finds the same file (section 3.3.8) */
export function encodeCreateExclusive(folder: Buffer, name: string, verifier: Buffer): Buffer {
  return handleWriter(folder).text(name).u32(CREATE_EXCLUSIVE).fixed(verifier).bytes();
}

export function encodeRename(folder: Buffer, from: string, to: string): Buffer {
  return handleWriter(folder).text(from).opaque(folder).text(to).bytes();
}

/** @param most bytes of the reply */
export function encodeReadFolder(
  folder: Buffer,
  cookie: Buffer,
  verifier: Buffer,
  most: number,
): Buffer {
  return handleWriter(folder).fixed(cookie).fixed(verifier).u32(most).u32(most).bytes();
}

function readAttributes(reader: XdrReader): FileAttributes {
  const kind = reader.u32();
  const mode = reader.u32();
  reader.skip(12); // links, uid, gid
  const size = reader.u64();
  const used = reader.u64();
  reader.skip(8); // rdev
  const fileSystem = reader.hex64();
  const fileId = reader.hex64();
  reader.skip(8); // atime
  const modifiedAt = reader.u32() * 1000 + Math.floor(reader.u32() / 1e6);
  reader.skip(8); // ctime
  const type = kind === 1 ? 'file' : kind === 2 ? 'folder' : 'other';
  return { type, size, used, mode, fileSystem, fileId, modifiedAt };
}

/** post_op_attr (section 2.6). */
function readPostAttributes(reader: XdrReader): FileAttributes | undefined {
  return reader.bool() ? readAttributes(reader) : undefined;
}

export function skipPostAttributes(reader: XdrReader): void {
  if (reader.bool()) reader.skip(ATTRIBUTES_BYTES);
}

/** wcc_data (section 2.6). */
export function skipWeakCache(reader: XdrReader): void {
  if (reader.bool()) reader.skip(24);
  skipPostAttributes(reader);
}

function readPostHandle(reader: XdrReader): Buffer | undefined {
  return reader.bool() ? Buffer.from(reader.opaque(FILE_HANDLE_BYTES)) : undefined;
}

function answer<T>(reader: XdrReader, read: () => T): Answer<T> | undefined {
  const status = reader.u32();
  const value = status === 0 ? read() : undefined;
  return reader.ok ? { status, value } : undefined;
}

export function decodeAttributes(reader: XdrReader): Answer<FileAttributes> | undefined {
  return answer(reader, () => readAttributes(reader));
}

export function decodeLookup(
  reader: XdrReader,
): Answer<{ handle: Buffer; attributes: FileAttributes | undefined }> | undefined {
  return answer(reader, () => {
    const handle = Buffer.from(reader.opaque(FILE_HANDLE_BYTES));
    return { handle, attributes: readPostAttributes(reader) };
  });
}

export function decodeCreate(reader: XdrReader): Answer<Partial<FoundFile>> | undefined {
  return answer(reader, () => {
    const handle = readPostHandle(reader);
    const attributes = readPostAttributes(reader);
    return {
      ...(handle === undefined ? {} : { handle }),
      ...(attributes === undefined ? {} : { attributes }),
    };
  });
}

/** Of procedures that give nothing but how they went: SETATTR, REMOVE, RENAME. */
export function decodeStatus(reader: XdrReader): Answer<true> | undefined {
  return answer(reader, () => true as const);
}

export function decodeAccess(reader: XdrReader): Answer<number> | undefined {
  return answer(reader, () => {
    skipPostAttributes(reader);
    return reader.u32();
  });
}

export function decodeFolderPage(reader: XdrReader): Answer<FolderPage> | undefined {
  return answer(reader, () => {
    skipPostAttributes(reader);
    const verifier = Buffer.from(reader.fixed(8));
    const entries: FolderEntry[] = [];
    let cookie = Buffer.alloc(8);
    while (reader.bool()) {
      const fileId = reader.hex64();
      const name = reader.text(NAME_BYTES);
      cookie = Buffer.from(reader.fixed(8));
      const attributes = readPostAttributes(reader);
      entries.push({ name, fileId, attributes, handle: readPostHandle(reader) });
      if (entries.length > ENTRIES_IN_REPLY) reader.fail();
    }
    return { entries, cookie, verifier, last: reader.bool() };
  });
}

export function decodeSpace(reader: XdrReader): Answer<ShareSpace> | undefined {
  return answer(reader, () => {
    skipPostAttributes(reader);
    const total = reader.u64();
    reader.skip(8); // free, with what is kept for root
    const free = reader.u64();
    return { total, free };
  });
}

export function decodeLimits(reader: XdrReader): Answer<TransferLimits> | undefined {
  return answer(reader, () => {
    skipPostAttributes(reader);
    const readMost = reader.u32();
    const readBest = reader.u32();
    reader.skip(4);
    const writeMost = reader.u32();
    const writeBest = reader.u32();
    reader.skip(8); // granularity of writes, bytes of folders
    return { readMost, readBest, writeMost, writeBest, fileMost: reader.u64() };
  });
}

/** @returns the longest name in bytes */
export function decodePathLimits(reader: XdrReader): Answer<number> | undefined {
  return answer(reader, () => {
    skipPostAttributes(reader);
    reader.skip(4);
    return reader.u32();
  });
}
