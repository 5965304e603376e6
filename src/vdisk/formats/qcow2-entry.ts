/**
 * The bit fields of qcow2's tables, pure. Source: QEMU docs/interop/qcow2.rst, sections "Cluster
 * mapping", "Standard Cluster Descriptor", "Compressed Clusters Descriptor", "Extended L2 Entries".
 */

/** Bits 9–55 of an L1 entry and of a standard cluster descriptor. */
const OFFSET_BITS = 0x00ff_ffff_ffff_fe00n;
/** Bit 62 of an L2 entry: a compressed cluster. */
const COMPRESSED_BIT = 1n << 62n;
/** Bit 63: the refcount is exactly one. With an external data file: the cluster is allocated. */
const COPIED_BIT = 1n << 63n;
/** Bit 0 of a standard descriptor, version 3 without extended entries: reads as zeroes. */
const ZERO_BIT = 1n;
/** Bits 0–61 of an L2 entry. */
const DESCRIPTOR_BITS = (1n << 62n) - 1n;

const SECTOR_BYTES = 512;

/** Offset of the level-2 table; 0 when there is none. */
export function l2TableOffset(l1Entry: bigint): number {
  return Number(l1Entry & OFFSET_BITS);
}

export function isCompressed(l2Entry: bigint): boolean {
  return (l2Entry & COMPRESSED_BIT) !== 0n;
}

export function readsAsZero(l2Entry: bigint): boolean {
  return (l2Entry & ZERO_BIT) !== 0n;
}

/** Offset of the cluster in the file that holds the data. */
export function clusterOffset(l2Entry: bigint): number {
  return Number(l2Entry & OFFSET_BITS);
}

/** An offset of 0 means "not allocated", except that a data file's first cluster is at 0. */
export function isAllocated(l2Entry: bigint, externalDataFile: boolean): boolean {
  if ((l2Entry & OFFSET_BITS) !== 0n) return true;
  return externalDataFile && (l2Entry & COPIED_BIT) !== 0n;
}

export interface CompressedCluster {
  readonly offset: number;
  /** Bytes up to the end of the last sector; the compressed stream may end before. */
  readonly length: number;
}

/** With x = 62 − (cluster_bits − 8): bits 0…x−1 offset, bits x…61 further sectors. */
export function compressedCluster(l2Entry: bigint, clusterBits: number): CompressedCluster {
  const offsetWidth = BigInt(62 - (clusterBits - 8));
  const descriptor = l2Entry & DESCRIPTOR_BITS;
  const offset = Number(descriptor & ((1n << offsetWidth) - 1n));
  const furtherSectors = Number(descriptor >> offsetWidth);
  const length = (furtherSectors + 1) * SECTOR_BYTES - (offset % SECTOR_BYTES);
  return { offset, length };
}

export const SUBCLUSTERS = 32;

export type SubclusterKind = 'stored' | 'zero' | 'unallocated' | 'invalid';

/** Second half of an extended entry: bits 0–31 allocated, bits 32–63 read as zeroes. */
export function subclusterKind(bitmap: bigint, index: number): SubclusterKind {
  const stored = ((bitmap >> BigInt(index)) & 1n) !== 0n;
  const zero = ((bitmap >> BigInt(index + SUBCLUSTERS)) & 1n) !== 0n;
  if (stored && zero) return 'invalid';
  if (stored) return 'stored';
  return zero ? 'zero' : 'unallocated';
}
