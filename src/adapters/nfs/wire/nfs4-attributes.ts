/** Attributes of NFSv4.0 (RFC 7530, section 5): a bitmap, and the values of the bits in order. */
import type { FileAttributes, ShareSpace, TransferLimits } from './attributes.ts';
import { ATTRIBUTE_BYTES, BITMAP_WORDS, FILE_HANDLE_BYTES } from './limits.ts';
import { XdrReader } from './xdr.ts';

const TYPE = 1;
const SIZE = 4;
const FSID = 8;
const LEASE_TIME = 10;
const RDATTR_ERROR = 11;
const FILEHANDLE = 19;
const FILEID = 20;
const MAXFILESIZE = 27;
const MAXREAD = 30;
const MAXWRITE = 31;
const MODE = 33;
const SPACE_AVAIL = 42;
const SPACE_TOTAL = 44;
const SPACE_USED = 45;
const TIME_MODIFY = 53;

export const FILE_ATTRIBUTES = [TYPE, SIZE, FSID, FILEID, MODE, SPACE_USED, TIME_MODIFY] as const;
export const ENTRY_ATTRIBUTES = [
  TYPE,
  SIZE,
  FSID,
  RDATTR_ERROR,
  FILEHANDLE,
  FILEID,
  MODE,
  SPACE_USED,
  TIME_MODIFY,
] as const;
export const SHARE_ATTRIBUTES = [
  LEASE_TIME,
  MAXFILESIZE,
  MAXREAD,
  MAXWRITE,
  SPACE_AVAIL,
  SPACE_TOTAL,
] as const;

export const SIZE_ATTRIBUTE = SIZE;
export const MODE_ATTRIBUTE = MODE;

type Values = Map<number, number | string | Buffer>;

const READERS: Readonly<Record<number, (reader: XdrReader) => number | string | Buffer>> = {
  [TYPE]: (reader) => reader.u32(),
  [SIZE]: (reader) => reader.u64(),
  [FSID]: (reader) => reader.hex64() + reader.hex64(),
  [LEASE_TIME]: (reader) => reader.u32(),
  [RDATTR_ERROR]: (reader) => reader.u32(),
  [FILEHANDLE]: (reader) => Buffer.from(reader.opaque(FILE_HANDLE_BYTES)),
  [FILEID]: (reader) => reader.hex64(),
  [MAXFILESIZE]: (reader) => reader.u64(),
  [MAXREAD]: (reader) => reader.u64(),
  [MAXWRITE]: (reader) => reader.u64(),
  [MODE]: (reader) => reader.u32(),
  [SPACE_AVAIL]: (reader) => reader.u64(),
  [SPACE_TOTAL]: (reader) => reader.u64(),
  [SPACE_USED]: (reader) => reader.u64(),
  [TIME_MODIFY]: (reader) => reader.u64() * 1000 + Math.floor(reader.u32() / 1e6),
};

/** An attribute that was not asked for makes the rest unreadable: the answer is then malformed. */
function readValues(reader: XdrReader): Values {
  const words: number[] = [];
  for (let left = reader.length(BITMAP_WORDS); left > 0; left -= 1) words.push(reader.u32());
  const bytes = reader.opaque(ATTRIBUTE_BYTES);
  const inner = new XdrReader(bytes, 0, bytes.length);
  const values: Values = new Map();
  words.forEach((word, index) => {
    for (let bit = 0; bit < 32; bit += 1) {
      if (((word >>> bit) & 1) === 0) continue;
      const number = index * 32 + bit;
      const read = READERS[number];
      if (read === undefined) inner.fail();
      else values.set(number, read(inner));
    }
  });
  if (!inner.ok) reader.fail();
  return values;
}

function numberOf(values: Values, attribute: number): number {
  const value = values.get(attribute);
  return typeof value === 'number' ? value : 0;
}

function textOf(values: Values, attribute: number): string {
  const value = values.get(attribute);
  return typeof value === 'string' ? value : '';
}

function fileOf(values: Values): FileAttributes {
  const kind = numberOf(values, TYPE);
  return {
    type: kind === 1 ? 'file' : kind === 2 ? 'folder' : 'other',
    size: numberOf(values, SIZE),
    used: numberOf(values, SPACE_USED),
    mode: numberOf(values, MODE),
    fileSystem: textOf(values, FSID),
    fileId: textOf(values, FILEID),
    modifiedAt: numberOf(values, TIME_MODIFY),
  };
}

export function readFileAttributes(reader: XdrReader): FileAttributes {
  return fileOf(readValues(reader));
}

/** Of an entry of a folder; attributes are absent when the server could not give them. */
export function readEntryAttributes(reader: XdrReader): {
  readonly fileId: string;
  readonly handle: Buffer | undefined;
  readonly attributes: FileAttributes | undefined;
} {
  const values = readValues(reader);
  const handle = values.get(FILEHANDLE);
  const failed = !values.has(TYPE) || numberOf(values, RDATTR_ERROR) !== 0;
  return {
    fileId: textOf(values, FILEID),
    handle: Buffer.isBuffer(handle) ? handle : undefined,
    attributes: failed ? undefined : fileOf(values),
  };
}

export interface ShareAttributes extends TransferLimits, ShareSpace {
  readonly leaseSeconds: number;
}

export function readShareAttributes(reader: XdrReader): ShareAttributes {
  const values = readValues(reader);
  const readMost = numberOf(values, MAXREAD);
  const writeMost = numberOf(values, MAXWRITE);
  return {
    leaseSeconds: numberOf(values, LEASE_TIME),
    readMost,
    readBest: readMost,
    writeMost,
    writeBest: writeMost,
    fileMost: numberOf(values, MAXFILESIZE),
    total: numberOf(values, SPACE_TOTAL),
    free: numberOf(values, SPACE_AVAIL),
  };
}
