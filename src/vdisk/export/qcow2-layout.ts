/**
 * A qcow2 image that is written from front to back: what is appended for each window of the disk, and
 * the head (header, level-1 table), which is known last. Pure. Source: QEMU docs/interop/qcow2.rst.
 *
 *   header · L1 table │ clusters … L2 table · clusters … refcount block … │ last blocks · refcount table
 *
 * A level-2 table follows the clusters that it maps (512 MiB of the disk), a refcount block is written
 * when the file has grown beyond the clusters it counts (2 GiB of the file): memory does not grow with the
 * disk, except for the L1 table (8 bytes for 512 MiB). Nothing is reserved, so nothing is leaked.
 *
 * A file gets its head last. A stream gets it first, from a pass in which the same layout was made and
 * thrown away.
 */
import { ZEROES } from '../../block/index.ts';
import { type DiskCluster, QCOW2_CLUSTER_BITS, QCOW2_CLUSTER_BYTES } from './qcow2-cluster.ts';
import { type Qcow2Compression, qcow2Header, writeQcow2Entry } from './qcow2-header.ts';
import { Qcow2Refcounts, REFCOUNT_REACH_BYTES } from './qcow2-refcounts.ts';

const ENTRY_BYTES = 8;
/** Clusters that one level-2 table maps. */
const L2_ENTRIES = QCOW2_CLUSTER_BYTES / ENTRY_BYTES;
const SECTOR_BYTES = 512;

/** Upper half of a 64-bit entry: two numbers are much faster than a BigInt. */
const COMPRESSED_HIGH = 0x4000_0000; // bit 62
/** Bits 54–61 of a compressed cluster's descriptor (x = 62 − (cluster_bits − 8)): further sectors. */
const SECTORS_SHIFT = 62 - (QCOW2_CLUSTER_BITS - 8) - 32;

export class Qcow2Layout {
  readonly headBytes: number;
  readonly #size: number;
  readonly #compression: Qcow2Compression;
  readonly #refcounts = new Qcow2Refcounts();
  /** Offsets of the level-2 tables; 0: none. */
  readonly #l1: number[];
  #l2: { readonly index: number; readonly table: Buffer } | undefined;
  #position: number;
  #refcountTable: { readonly offset: number; readonly bytes: number } | undefined;

  /** @param size of the disk in bytes, a multiple of 512 */
  constructor(size: number, compression: Qcow2Compression) {
    this.#size = size;
    this.#compression = compression;
    this.#l1 = new Array<number>(Math.ceil(size / (L2_ENTRIES * QCOW2_CLUSTER_BYTES))).fill(0);
    this.headBytes = QCOW2_CLUSTER_BYTES + wholeClusters(this.#l1.length * ENTRY_BYTES);
    this.#position = this.headBytes;
    this.#refcounts.count(0, this.headBytes);
  }

  /** Bytes of the file so far. */
  get length(): number {
    return this.#position;
  }

  /**
   * Clusters of one window, which must come after all that came before.
   * @returns what is appended to the file, in order; keeps none of it
   */
  append(clusters: readonly DiskCluster[]): Buffer[] {
    const pieces: Buffer[] = [];
    // Packed ones first: one gap per window before the clusters that must be aligned.
    for (const cluster of clusters) {
      if (cluster.kind === 'packed') this.#appendPacked(pieces, cluster);
    }
    for (const cluster of clusters) {
      if (cluster.kind !== 'packed') this.#appendWhole(pieces, cluster);
    }
    this.#appendFullRefcounts(pieces);
    return pieces;
  }

  /** What the file ends with. Call it once. */
  finish(): Buffer[] {
    const pieces: Buffer[] = [];
    this.#endL2(pieces);
    this.#align(pieces);
    // What is left of the blocks counts itself and the table, whose size depends on how many they are.
    const start = this.#position;
    let blocks = 1;
    let end: number;
    for (;;) {
      const table = Qcow2Refcounts.tableBytes(this.#refcounts.blocks + blocks);
      end = start + blocks * QCOW2_CLUSTER_BYTES + table;
      const needed = Math.ceil(end / REFCOUNT_REACH_BYTES) - this.#refcounts.blocks;
      if (needed <= blocks) break;
      blocks = needed;
    }
    this.#refcounts.count(start, end);
    for (let block = 0; block < blocks; block += 1) {
      this.#push(pieces, this.#refcounts.take(this.#position));
    }
    const table = this.#refcounts.table();
    this.#refcountTable = { offset: this.#position, bytes: table.length };
    this.#push(pieces, table);
    return pieces;
  }

  /** Header and level-1 table: the first `headBytes` of the file. Call it after `finish`. */
  head(): Buffer {
    if (this.#refcountTable === undefined) throw new Error('the layout is not finished');
    const { offset, bytes } = this.#refcountTable;
    const head = Buffer.alloc(this.headBytes);
    qcow2Header({
      size: this.#size,
      compression: this.#compression,
      l1: { offset: QCOW2_CLUSTER_BYTES, entries: this.#l1.length },
      refcountTable: { offset, clusters: bytes / QCOW2_CLUSTER_BYTES },
    }).copy(head);
    for (const [index, table] of this.#l1.entries()) {
      if (table !== 0) writeQcow2Entry(head, QCOW2_CLUSTER_BYTES + index * ENTRY_BYTES, table);
    }
    return head;
  }

  #appendPacked(pieces: Buffer[], { index, bytes }: DiskCluster): void {
    const entry = this.#entry(pieces, index);
    const at = this.#position;
    const first = Math.floor(at / SECTOR_BYTES);
    const last = Math.floor((at + bytes.length - 1) / SECTOR_BYTES);
    const high = COMPRESSED_HIGH | ((last - first) << SECTORS_SHIFT) | Math.floor(at / 2 ** 32);
    entry.table.writeUInt32BE(high, entry.place);
    entry.table.writeUInt32BE(at % 2 ** 32, entry.place + 4);
    // The descriptor names whole sectors: these are what is referenced.
    this.#refcounts.count(at, (last + 1) * SECTOR_BYTES);
    this.#push(pieces, bytes);
  }

  #appendWhole(pieces: Buffer[], { index, kind, bytes }: DiskCluster): void {
    const entry = this.#entry(pieces, index);
    this.#align(pieces);
    if (kind === 'plain') {
      writeQcow2Entry(entry.table, entry.place, this.#position);
      this.#refcounts.count(this.#position, this.#position + bytes.length);
    }
    this.#push(pieces, bytes);
  }

  /** Where the level-2 entry of a cluster of the disk goes. */
  #entry(pieces: Buffer[], cluster: number): { readonly table: Buffer; readonly place: number } {
    const index = Math.floor(cluster / L2_ENTRIES);
    if (this.#l2?.index !== index) {
      this.#endL2(pieces);
      this.#l2 = { index, table: Buffer.alloc(QCOW2_CLUSTER_BYTES) };
    }
    return { table: this.#l2.table, place: (cluster % L2_ENTRIES) * ENTRY_BYTES };
  }

  #endL2(pieces: Buffer[]): void {
    if (this.#l2 === undefined) return;
    const { index, table } = this.#l2;
    this.#l2 = undefined;
    this.#align(pieces);
    this.#l1[index] = this.#position;
    this.#refcounts.count(this.#position, this.#position + table.length);
    this.#push(pieces, table);
  }

  /** Blocks whose last cluster the file has left behind. Each is itself counted by a later one. */
  #appendFullRefcounts(pieces: Buffer[]): void {
    while (this.#position >= (this.#refcounts.blocks + 1) * REFCOUNT_REACH_BYTES) {
      this.#align(pieces);
      this.#refcounts.count(this.#position, this.#position + QCOW2_CLUSTER_BYTES);
      this.#push(pieces, this.#refcounts.take(this.#position));
    }
  }

  #align(pieces: Buffer[]): void {
    const gap = wholeClusters(this.#position) - this.#position;
    if (gap > 0) this.#push(pieces, ZEROES.subarray(0, gap));
  }

  #push(pieces: Buffer[], bytes: Buffer): void {
    pieces.push(bytes);
    this.#position += bytes.length;
  }
}

function wholeClusters(bytes: number): number {
  return Math.ceil(bytes / QCOW2_CLUSTER_BYTES) * QCOW2_CLUSTER_BYTES;
}
