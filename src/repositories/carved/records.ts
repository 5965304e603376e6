/**
 * Records of the journal (docs/CARVED.md): what changed, in absolute terms. Little-endian; a record is its kind (1),
 * a zero, its length with this head (2), and its fields.
 */
import { MAXIMUM_DEVICE_BYTES } from '../../block/index.ts';
import { CARVED_EXTENTS, CARVED_NAME_BYTES } from './limits.ts';
import { readNumber, writeNumber } from './superblock.ts';

export interface VolumeEntry {
  /** Never used again on this device. */
  readonly volume: number;
  /** 32 hexadecimal digits: its name for good. */
  readonly id: string;
  readonly name: string;
  readonly tag: string;
  /** Bytes. */
  readonly size: number;
  readonly thin: boolean;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

/**
 * - `create`: the volume is being made; after a crash it is removed again, unless `ready` follows.
 * - `reserve`: extents up to `size` may be mapped; after a crash those beyond the volume's size are given back, unless
 *   `resize` follows.
 */
export type MetadataRecord =
  | ({ readonly kind: 'create' } & VolumeEntry)
  | { readonly kind: 'ready' | 'delete'; readonly volume: number }
  | { readonly kind: 'reserve' | 'resize'; readonly volume: number; readonly size: number }
  | {
      readonly kind: 'map';
      readonly volume: number;
      readonly logical: number;
      readonly physical: number;
      readonly count: number;
    }
  | {
      readonly kind: 'unmap';
      readonly volume: number;
      readonly logical: number;
      readonly count: number;
    };

const KINDS = ['create', 'ready', 'delete', 'reserve', 'resize', 'map', 'unmap'] as const;
const HEAD = 4;
const CREATE_HEAD = HEAD + 4 + 16 + 8 + 8 + 4 + 4;

const LENGTHS: Readonly<Record<Exclude<MetadataRecord['kind'], 'create'>, number>> = {
  ready: HEAD + 4,
  delete: HEAD + 4,
  reserve: HEAD + 12,
  resize: HEAD + 12,
  map: HEAD + 16,
  unmap: HEAD + 12,
};

/** Bytes of the record. */
export function recordLength(record: MetadataRecord): number {
  if (record.kind !== 'create') return LENGTHS[record.kind];
  return CREATE_HEAD + Buffer.byteLength(record.name) + Buffer.byteLength(record.tag);
}

/** @returns the offset behind it */
export function encodeRecord(record: MetadataRecord, bytes: Buffer, at: number): number {
  const length = recordLength(record);
  bytes.writeUInt8(KINDS.indexOf(record.kind) + 1, at);
  bytes.writeUInt8(0, at + 1);
  bytes.writeUInt16LE(length, at + 2);
  bytes.writeUInt32LE(record.volume, at + HEAD);
  switch (record.kind) {
    case 'create': {
      bytes.write(record.id, at + 8, 16, 'hex');
      writeNumber(bytes, record.size, at + 24);
      writeNumber(bytes, record.createdAt, at + 32);
      bytes.writeUInt32LE(record.thin ? 1 : 0, at + 40);
      const nameLength = bytes.write(record.name, at + CREATE_HEAD, 'utf8');
      bytes.writeUInt16LE(nameLength, at + 44);
      bytes.writeUInt16LE(bytes.write(record.tag, at + CREATE_HEAD + nameLength), at + 46);
      break;
    }
    case 'ready':
    case 'delete':
      break;
    case 'reserve':
    case 'resize':
      writeNumber(bytes, record.size, at + 8);
      break;
    case 'map':
      bytes.writeUInt32LE(record.logical, at + 8);
      bytes.writeUInt32LE(record.physical, at + 12);
      bytes.writeUInt32LE(record.count, at + 16);
      break;
    case 'unmap':
      bytes.writeUInt32LE(record.logical, at + 8);
      bytes.writeUInt32LE(record.count, at + 12);
  }
  return at + length;
}

/** @returns undefined where there is no record that could have been written */
export function decodeRecord(
  bytes: Buffer,
  at: number,
  end: number,
): { readonly record: MetadataRecord; readonly end: number } | undefined {
  if (end - at < HEAD + 4) return undefined;
  const kind = KINDS[bytes.readUInt8(at) - 1];
  const length = bytes.readUInt16LE(at + 2);
  if (kind === undefined || length > end - at) return undefined;
  const expected = kind === 'create' ? CREATE_HEAD : LENGTHS[kind];
  if (kind === 'create' ? length < expected : length !== expected) return undefined;
  const record = decodeFields(kind, bytes, at, length);
  return record === undefined ? undefined : { record, end: at + length };
}

function decodeFields(
  kind: (typeof KINDS)[number],
  bytes: Buffer,
  at: number,
  length: number,
): MetadataRecord | undefined {
  const volume = bytes.readUInt32LE(at + HEAD);
  switch (kind) {
    case 'create':
      return decodeCreate(bytes, at, length, volume);
    case 'ready':
    case 'delete':
      return { kind, volume };
    case 'reserve':
    case 'resize': {
      const size = readNumber(bytes, at + 8);
      return size < 0 || size > MAXIMUM_DEVICE_BYTES ? undefined : { kind, volume, size };
    }
    case 'map': {
      const logical = bytes.readUInt32LE(at + 8);
      const physical = bytes.readUInt32LE(at + 12);
      const count = bytes.readUInt32LE(at + 16);
      if (!isRun(logical, count) || !isRun(physical, count)) return undefined;
      return { kind, volume, logical, physical, count };
    }
    case 'unmap': {
      const logical = bytes.readUInt32LE(at + 8);
      const count = bytes.readUInt32LE(at + 12);
      return isRun(logical, count) ? { kind, volume, logical, count } : undefined;
    }
  }
}

function decodeCreate(
  bytes: Buffer,
  at: number,
  length: number,
  volume: number,
): MetadataRecord | undefined {
  const size = readNumber(bytes, at + 24);
  const createdAt = readNumber(bytes, at + 32);
  const nameLength = bytes.readUInt16LE(at + 44);
  const tagLength = bytes.readUInt16LE(at + 46);
  const longest = Math.max(nameLength, tagLength);
  if (longest > CARVED_NAME_BYTES || CREATE_HEAD + nameLength + tagLength !== length) {
    return undefined;
  }
  if (size < 0 || size > MAXIMUM_DEVICE_BYTES || createdAt < 0) return undefined;
  const name = at + CREATE_HEAD;
  return {
    kind: 'create',
    volume,
    id: bytes.toString('hex', at + 8, at + 24),
    name: bytes.toString('utf8', name, name + nameLength),
    tag: bytes.toString('utf8', name + nameLength, name + nameLength + tagLength),
    size,
    thin: bytes.readUInt32LE(at + 40) !== 0,
    createdAt,
  };
}

function isRun(first: number, count: number): boolean {
  return count >= 1 && first + count <= CARVED_EXTENTS;
}
