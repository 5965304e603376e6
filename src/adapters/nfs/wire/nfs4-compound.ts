/** COMPOUND of NFSv4.0 (RFC 7530, section 15.2): its frame, and the operations that need no more than a number. */
import { OPAQUE_BYTES } from './limits.ts';
import { type XdrReader, XdrWriter } from './xdr.ts';

export const NFS4_VERSION = 4;
export const NFS4_COMPOUND = 1;

export const NFS4_ACCESS = 3;
export const NFS4_CLOSE = 4;
export const NFS4_COMMIT = 5;
export const NFS4_GETATTR = 9;
export const NFS4_GETFH = 10;
export const NFS4_LOOKUP = 15;
export const NFS4_OPEN = 18;
export const NFS4_OPEN_CONFIRM = 20;
export const NFS4_PUTFH = 22;
export const NFS4_PUTROOTFH = 24;
export const NFS4_READ = 25;
export const NFS4_READDIR = 26;
export const NFS4_REMOVE = 28;
export const NFS4_RENAME = 29;
export const NFS4_RENEW = 30;
export const NFS4_SAVEFH = 32;
export const NFS4_SETATTR = 34;
export const NFS4_SETCLIENTID = 35;
export const NFS4_SETCLIENTID_CONFIRM = 36;
export const NFS4_WRITE = 38;

/** Counts the operations that are written behind its head. */
export class Compound {
  readonly #operations = new XdrWriter();
  #count = 0;

  operation(number: number): XdrWriter {
    this.#count += 1;
    return this.#operations.u32(number);
  }

  root(): this {
    this.operation(NFS4_PUTROOTFH);
    return this;
  }

  file(handle: Buffer): this {
    this.operation(NFS4_PUTFH).opaque(handle);
    return this;
  }

  lookup(name: string): this {
    this.operation(NFS4_LOOKUP).text(name);
    return this;
  }

  save(): this {
    this.operation(NFS4_SAVEFH);
    return this;
  }

  handle(): this {
    this.operation(NFS4_GETFH);
    return this;
  }

  attributes(bitmap: readonly number[]): this {
    writeBitmap(this.operation(NFS4_GETATTR), bitmap);
    return this;
  }

  /** An empty tag, minor version 0, the operations. */
  bytes(): Buffer {
    const head = new XdrWriter().u32(0).u32(0).u32(this.#count);
    return Buffer.concat([head.bytes(), this.#operations.bytes()]);
  }
}

/** @param attributes numbers of attributes, in order */
export function writeBitmap(writer: XdrWriter, attributes: readonly number[]): void {
  const words: number[] = [];
  for (const attribute of attributes) {
    const word = attribute >>> 5;
    while (words.length <= word) words.push(0);
    words[word] = ((words[word] ?? 0) | (1 << (attribute & 31))) >>> 0;
  }
  writer.u32(words.length);
  for (const word of words) writer.u32(word);
}

/** The frame of an answer; the reader stands at the first operation afterwards. @returns the status of the last one */
export function readCompound(reader: XdrReader): number {
  const status = reader.u32();
  const tag = reader.length(OPAQUE_BYTES);
  reader.skip((tag + 3) & ~3);
  reader.skip(4); // how many: the status says where it ended
  return status;
}

/** The next operation must be `expected`. @returns its status */
export function readOperation(reader: XdrReader, expected: number): number {
  const found = reader.u32();
  const status = reader.u32();
  if (found !== expected) reader.fail();
  return status;
}

/** What follows an operation that succeeded; nothing: no results that matter. */
export type OperationStep = readonly [operation: number, read?: (reader: XdrReader) => void];

/** Reads the operations of an answer up to the first that failed. @returns its status */
export function readOperations(reader: XdrReader, steps: readonly OperationStep[]): number {
  readCompound(reader);
  for (const [operation, read] of steps) {
    const status = readOperation(reader, operation);
    if (!reader.ok || status !== 0) return status;
    read?.(reader);
  }
  return 0;
}

/** change_info4: we do not cache folders. */
export function skipChange(reader: XdrReader): void {
  reader.skip(20);
}
