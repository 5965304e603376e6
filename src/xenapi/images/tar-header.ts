/** Headers of a tar archive, as far as a disk in one needs them. Pure. Source: POSIX.1-2017, pax, "ustar Interchange Format". */
import { type Violation, violation } from '../../base/index.ts';

export const TAR_SECTOR_BYTES = 512;

const FIELD = {
  name: 0,
  mode: 100,
  uid: 108,
  gid: 116,
  size: 124,
  mtime: 136,
  checksum: 148,
} as const;
const TYPE_AT = 156;
const MAGIC_AT = 257;
const PREFIX_AT = 345;
const NAME_BYTES = 100;
const PREFIX_BYTES = 155;
const SIZE_BYTES = 12;
const CHECKSUM_BYTES = 8;

export interface TarEntry {
  readonly kind: 'file' | 'folder';
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

export type TarHeader =
  | TarEntry
  /** A sector of zeroes: the archive is at its end. */
  | { readonly kind: 'end' }
  | Violation<'checksum' | 'size' | 'type'>;

/** A regular file. @param name up to 100 characters of ASCII @param size up to 8 GiB */
export function tarHeader(name: string, size: number): Buffer {
  const header = Buffer.alloc(TAR_SECTOR_BYTES);
  header.write(name, FIELD.name, NAME_BYTES, 'latin1');
  header.write('0000400\0', FIELD.mode, 'latin1');
  header.write('0000000\0', FIELD.uid, 'latin1');
  header.write('0000000\0', FIELD.gid, 'latin1');
  header.write(`${size.toString(8).padStart(SIZE_BYTES - 1, '0')}\0`, FIELD.size, 'latin1');
  header.write('00000000000\0', FIELD.mtime, 'latin1');
  header.write('0', TYPE_AT, 'latin1');
  header.write('ustar\x0000', MAGIC_AT, 'latin1');
  header.write(`${checksumOf(header).toString(8).padStart(6, '0')}\0 `, FIELD.checksum, 'latin1');
  return header;
}

/** Bytes of zeroes behind a file of so many bytes. */
export function tarPadding(size: number): number {
  return (TAR_SECTOR_BYTES - (size % TAR_SECTOR_BYTES)) % TAR_SECTOR_BYTES;
}

/** @param header TAR_SECTOR_BYTES */
export function parseTarHeader(header: Buffer): TarHeader {
  if (header.every((byte) => byte === 0)) return { kind: 'end' };
  if (octal(header, FIELD.checksum, CHECKSUM_BYTES) !== checksumOf(header)) {
    return violation('checksum');
  }
  const size = octal(header, FIELD.size, SIZE_BYTES);
  if (size === undefined) return violation('size');
  const type = header.toString('latin1', TYPE_AT, TYPE_AT + 1);
  const isFile = type === '0' || type === '\0' || type === '7';
  if (!isFile && type !== '5') return violation('type');
  const own = text(header, FIELD.name, NAME_BYTES);
  const hasPrefix = header.toString('latin1', MAGIC_AT, MAGIC_AT + 6) === 'ustar\0';
  const prefix = hasPrefix ? text(header, PREFIX_AT, PREFIX_BYTES) : '';
  const name = prefix === '' ? own : `${prefix}/${own}`;
  return { kind: isFile ? 'file' : 'folder', name, size };
}

/** "Sum of all bytes", with spaces for the checksum itself. */
function checksumOf(header: Buffer): number {
  let sum = 0;
  for (const [at, byte] of header.entries()) {
    const isOwn = at >= FIELD.checksum && at < FIELD.checksum + CHECKSUM_BYTES;
    sum += isOwn ? 0x20 : byte;
  }
  return sum;
}

function octal(header: Buffer, at: number, length: number): number | undefined {
  const digits = header
    .toString('latin1', at, at + length)
    .replace(/[\0 ]+$/, '')
    .trimStart();
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : undefined;
}

function text(header: Buffer, at: number, length: number): string {
  const all = header.toString('latin1', at, at + length);
  const end = all.indexOf('\0');
  return end < 0 ? all : all.slice(0, end);
}
