/**
 * The header of a qcow2 image, checked field by field before anything is read or allocated by it.
 * Source: QEMU docs/interop/qcow2.rst, sections "Header" and "Header extensions".
 */
import { type ByteSource, readField } from './byte-source.ts';
import { invalidImage, unsupportedImage } from './image-fault.ts';
import {
  BACKING_NAME_BYTES_MAX,
  IMAGE_SIZE_MAX,
  QCOW2_CLUSTER_BITS_MAX,
  QCOW2_CLUSTER_BITS_MIN,
  QCOW2_HEADER_BYTES_MAX,
  QCOW2_L1_BYTES_MAX,
} from './limits.ts';

/** "QFI\xfb" */
export const QCOW_MAGIC = 0x514649fb;

/** Byte offsets of the header's fields. */
const FIELD = {
  version: 4,
  backingFileOffset: 8,
  backingFileSize: 16,
  clusterBits: 20,
  size: 24,
  cryptMethod: 32,
  l1Size: 36,
  l1TableOffset: 40,
  incompatibleFeatures: 72,
  headerLength: 100,
  compressionType: 104,
} as const;

/** Bits of `incompatible_features`. */
const INCOMPATIBLE = {
  dirty: 1n << 0n, // refcounts may be stale; a reader does not use them
  corrupt: 1n << 1n,
  externalDataFile: 1n << 2n,
  compressionType: 1n << 3n,
  extendedL2: 1n << 4n,
} as const;
const INCOMPATIBLE_KNOWN = Object.values(INCOMPATIBLE).reduce((all, bit) => all | bit, 0n);

const EXTENSION = {
  end: 0,
  backingFormat: 0xe2792aca,
  externalDataFile: 0x44415441,
} as const;

const V2_HEADER_BYTES = 72;
const V3_HEADER_BYTES_MIN = 104;
const EXTENSION_HEAD_BYTES = 8;
const SUBCLUSTER_CLUSTER_BITS_MIN = 14;

export type Compression = 'zlib' | 'zstd';

export interface Qcow2Header {
  readonly version: 2 | 3;
  readonly clusterBits: number;
  /** Virtual size in bytes. */
  readonly size: number;
  readonly l1Entries: number;
  readonly l1Offset: number;
  readonly extendedL2: boolean;
  readonly compression: Compression;
  readonly backingFile: string | undefined;
  readonly backingFormat: string | undefined;
  readonly dataFile: string | undefined;
}

/** Bytes of virtual disk that one level-2 table maps. */
export function bytesPerL2(clusterBits: number, extendedL2: boolean): number {
  return 2 ** (clusterBits - (extendedL2 ? 4 : 3) + clusterBits);
}

export async function readQcow2Header(source: ByteSource): Promise<Qcow2Header> {
  const fixed = Buffer.alloc(V2_HEADER_BYTES);
  await readField(source, fixed, 0, 'header');
  const magic = fixed.readUInt32BE(0);
  if (magic !== QCOW_MAGIC) {
    throw invalidImage(source.name, 'magic', magic, `${QCOW_MAGIC} ("QFI\\xfb")`);
  }
  const version = fixed.readUInt32BE(FIELD.version);
  if (version !== 2 && version !== 3) {
    throw unsupportedImage(source.name, 'version', version, 'qcow2 has versions 2 and 3');
  }
  const clusterBits = fixed.readUInt32BE(FIELD.clusterBits);
  if (clusterBits < QCOW2_CLUSTER_BITS_MIN || clusterBits > QCOW2_CLUSTER_BITS_MAX) {
    const expected = `${QCOW2_CLUSTER_BITS_MIN} to ${QCOW2_CLUSTER_BITS_MAX}`;
    throw invalidImage(source.name, 'cluster_bits', clusterBits, expected);
  }
  const crypt = fixed.readUInt32BE(FIELD.cryptMethod);
  if (crypt !== 0) {
    throw unsupportedImage(source.name, 'crypt_method', crypt, 'encrypted images are not read');
  }
  const size = virtualSize(source, fixed.readBigUInt64BE(FIELD.size));
  const features = await readFeatures(source, version, clusterBits);
  const names = await readNames(source, fixed, clusterBits, features);
  const l1 = l1Table(source, fixed, size, clusterBits, features.extendedL2);
  return {
    version,
    clusterBits,
    size,
    ...l1,
    extendedL2: features.extendedL2,
    compression: features.compression,
    ...names,
  };
}

function virtualSize(source: ByteSource, size: bigint): number {
  if (size > BigInt(IMAGE_SIZE_MAX)) {
    throw unsupportedImage(
      source.name,
      'size',
      size,
      `the largest disk is ${IMAGE_SIZE_MAX} bytes (IMAGE_SIZE_MAX)`,
    );
  }
  return Number(size);
}

interface Features {
  readonly headerLength: number;
  readonly compression: Compression;
  readonly extendedL2: boolean;
  readonly externalDataFile: boolean;
}

async function readFeatures(
  source: ByteSource,
  version: 2 | 3,
  clusterBits: number,
): Promise<Features> {
  if (version === 2) {
    return {
      headerLength: V2_HEADER_BYTES,
      compression: 'zlib',
      extendedL2: false,
      externalDataFile: false,
    };
  }
  const head = Buffer.alloc(V3_HEADER_BYTES_MIN);
  await readField(source, head, 0, 'header');
  const headerLength = head.readUInt32BE(FIELD.headerLength);
  const longest = Math.min(QCOW2_HEADER_BYTES_MAX, 2 ** clusterBits);
  if (headerLength < V3_HEADER_BYTES_MIN || headerLength % 8 !== 0 || headerLength > longest) {
    const expected = `a multiple of 8, ${V3_HEADER_BYTES_MIN} to ${longest}`;
    throw invalidImage(source.name, 'header_length', headerLength, expected);
  }
  const bits = head.readBigUInt64BE(FIELD.incompatibleFeatures);
  const unknown = bits & ~INCOMPATIBLE_KNOWN;
  if (unknown !== 0n) {
    const detail = `bits 0x${unknown.toString(16)} are features that we do not know`;
    throw unsupportedImage(source.name, 'incompatible_features', bits, detail);
  }
  if ((bits & INCOMPATIBLE.corrupt) !== 0n) {
    const expected = 'no corrupt bit (bit 1); repair it with: qemu-img check -r all';
    throw invalidImage(source.name, 'incompatible_features', bits, expected);
  }
  const extendedL2 = (bits & INCOMPATIBLE.extendedL2) !== 0n;
  if (extendedL2 && clusterBits < SUBCLUSTER_CLUSTER_BITS_MIN) {
    const expected = `${SUBCLUSTER_CLUSTER_BITS_MIN} or more with extended L2 entries`;
    throw invalidImage(source.name, 'cluster_bits', clusterBits, expected);
  }
  const typeGiven = (bits & INCOMPATIBLE.compressionType) !== 0n;
  return {
    headerLength,
    compression: await readCompression(source, headerLength, typeGiven),
    extendedL2,
    externalDataFile: (bits & INCOMPATIBLE.externalDataFile) !== 0n,
  };
}

/** The field is there when the header is long enough; it is not zlib exactly when its bit is set. */
async function readCompression(
  source: ByteSource,
  headerLength: number,
  typeGiven: boolean,
): Promise<Compression> {
  const field = Buffer.alloc(1);
  if (headerLength > FIELD.compressionType) {
    await readField(source, field, FIELD.compressionType, 'compression_type');
  }
  const type = field.readUInt8(0);
  if ((type !== 0) !== typeGiven) {
    const expected = typeGiven
      ? 'not 0, since its feature bit is set'
      : '0 without its feature bit';
    throw invalidImage(source.name, 'compression_type', type, expected);
  }
  if (type === 0) return 'zlib';
  if (type === 1) return 'zstd';
  throw unsupportedImage(source.name, 'compression_type', type, 'we know 0 (zlib) and 1 (zstd)');
}

type Names = Pick<Qcow2Header, 'backingFile' | 'backingFormat' | 'dataFile'>;

/** Extensions and the backing file name all lie in the first cluster. */
async function readNames(
  source: ByteSource,
  fixed: Buffer,
  clusterBits: number,
  features: Features,
): Promise<Names> {
  const cluster = Buffer.alloc(Math.min(2 ** clusterBits, source.size));
  await readField(source, cluster, 0, 'first cluster');
  const at = fixed.readBigUInt64BE(FIELD.backingFileOffset);
  const length = fixed.readUInt32BE(FIELD.backingFileSize);
  let backingFile: string | undefined;
  let extensionsEnd = cluster.length;
  if (at !== 0n) {
    if (length === 0 || length > BACKING_NAME_BYTES_MAX) {
      const expected = `1 to ${BACKING_NAME_BYTES_MAX}`;
      throw invalidImage(source.name, 'backing_file_size', length, expected);
    }
    if (at < features.headerLength || at + BigInt(length) > cluster.length) {
      const expected = `after the header and inside of the first cluster, with ${length} bytes`;
      throw invalidImage(source.name, 'backing_file_offset', at, expected);
    }
    extensionsEnd = Number(at);
    backingFile = cluster.toString('utf8', extensionsEnd, extensionsEnd + length);
  }
  const extensions = readExtensions(source, cluster, features.headerLength, extensionsEnd);
  const dataFile = extensions.get(EXTENSION.externalDataFile);
  if (features.externalDataFile && dataFile === undefined) {
    const expected = 'a name, since the external data file bit is set';
    throw invalidImage(source.name, 'external data file name', 'missing', expected);
  }
  return {
    backingFile,
    backingFormat: extensions.get(EXTENSION.backingFormat),
    dataFile: features.externalDataFile ? dataFile : undefined,
  };
}

function readExtensions(
  source: ByteSource,
  cluster: Buffer,
  start: number,
  end: number,
): Map<number, string> {
  const found = new Map<number, string>();
  let at = start;
  while (at + EXTENSION_HEAD_BYTES <= end) {
    const type = cluster.readUInt32BE(at);
    if (type === EXTENSION.end) break;
    const length = cluster.readUInt32BE(at + 4);
    at += EXTENSION_HEAD_BYTES;
    if (length > end - at) {
      const field = `length of header extension 0x${type.toString(16)}`;
      throw invalidImage(source.name, field, length, `at most ${end - at}`);
    }
    found.set(type, cluster.toString('utf8', at, at + length));
    at += Math.ceil(length / 8) * 8;
  }
  return found;
}

function l1Table(
  source: ByteSource,
  fixed: Buffer,
  size: number,
  clusterBits: number,
  extendedL2: boolean,
): { l1Entries: number; l1Offset: number } {
  const given = fixed.readUInt32BE(FIELD.l1Size);
  const needed = Math.ceil(size / bytesPerL2(clusterBits, extendedL2));
  if (given < needed) {
    throw invalidImage(source.name, 'l1_size', given, `${needed} or more for ${size} bytes`);
  }
  if (given * 8 > QCOW2_L1_BYTES_MAX) {
    throw invalidImage(source.name, 'l1_size', given, `at most ${QCOW2_L1_BYTES_MAX / 8}`);
  }
  const offset = fixed.readBigUInt64BE(FIELD.l1TableOffset);
  const aligned = offset % BigInt(2 ** clusterBits) === 0n;
  if (!aligned || offset + BigInt(needed * 8) > BigInt(source.size)) {
    const expected = `a multiple of the cluster size, ${needed * 8} bytes before the end (${source.size})`;
    throw invalidImage(source.name, 'l1_table_offset', offset, expected);
  }
  return { l1Entries: needed, l1Offset: Number(offset) };
}
