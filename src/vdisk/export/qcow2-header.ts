/** The header of a qcow2 image that we write, and the entries of its tables. Pure. Source: QEMU docs/interop/qcow2.rst. */
import { QCOW2_CLUSTER_BITS } from './qcow2-cluster.ts';

export type Qcow2Compression = 'none' | 'zstd';

const MAGIC = 0x514649fb; // "QFI\xfb"
const VERSION = 3;
const REFCOUNT_ORDER = 4;
/** With the compression type, padded to 8. */
const HEADER_BYTES = 112;
/** Bit 3 of `incompatible_features`: the compression type is not zlib. */
const COMPRESSION_TYPE_BIT = 1n << 3n;
const COMPRESSION_ZSTD = 1;

/** Upper half of a 64-bit entry, bit 63: the refcount is exactly one. */
const COPIED_HIGH = 0x8000_0000;

export interface Qcow2HeaderFields {
  /** Of the disk, in bytes. */
  readonly size: number;
  readonly compression: Qcow2Compression;
  readonly l1: { readonly offset: number; readonly entries: number };
  readonly refcountTable: { readonly offset: number; readonly clusters: number };
}

/** "Header": zeroes fill the rest of the first cluster. */
export function qcow2Header(fields: Qcow2HeaderFields): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  const zstd = fields.compression === 'zstd';
  header.writeUInt32BE(MAGIC, 0);
  header.writeUInt32BE(VERSION, 4);
  header.writeUInt32BE(QCOW2_CLUSTER_BITS, 20);
  header.writeBigUInt64BE(BigInt(fields.size), 24);
  header.writeUInt32BE(fields.l1.entries, 36);
  header.writeBigUInt64BE(BigInt(fields.l1.offset), 40);
  header.writeBigUInt64BE(BigInt(fields.refcountTable.offset), 48);
  header.writeUInt32BE(fields.refcountTable.clusters, 56);
  header.writeBigUInt64BE(zstd ? COMPRESSION_TYPE_BIT : 0n, 72); // incompatible_features
  header.writeUInt32BE(REFCOUNT_ORDER, 96);
  header.writeUInt32BE(HEADER_BYTES, 100);
  header.writeUInt8(zstd ? COMPRESSION_ZSTD : 0, 104);
  // No extensions: the type 0 that ends them follows.
  return header;
}

/** An entry of a level-1 or level-2 table: a cluster that is referenced once. */
export function writeQcow2Entry(table: Buffer, place: number, offset: number): void {
  table.writeUInt32BE((COPIED_HIGH | Math.floor(offset / 2 ** 32)) >>> 0, place);
  table.writeUInt32BE(offset % 2 ** 32, place + 4);
}
