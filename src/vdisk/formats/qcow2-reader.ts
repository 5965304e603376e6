/**
 * Reads a qcow2 image: offset → L1 entry → L2 entry → zeroes, a cluster, a compressed cluster, or the
 * backing file. The L1 table is held in memory, L2 tables in a bounded cache, and the cluster
 * unpacked last is kept because a read may take it in parts.
 */
import { LRUCache } from 'lru-cache';
import { chain, type MaybePromise } from '../../base/index.ts';
import { type ByteSource, readField } from './byte-source.ts';
import { decompressCluster } from './decompress.ts';
import { invalidImage } from './image-fault.ts';
import type { ImageReader, Run } from './image-reader.ts';
import { QCOW2_L2_CACHE_BYTES } from './limits.ts';
import { type Piece, type PieceMap, readPieces, runOfPieces } from './piece-map.ts';
import {
  clusterOffset,
  compressedCluster,
  isAllocated,
  isCompressed,
  l2TableOffset,
  readsAsZero,
  SUBCLUSTERS,
  subclusterKind,
} from './qcow2-entry.ts';
import { bytesPerL2, type Qcow2Header } from './qcow2-header.ts';

export class Qcow2Reader implements ImageReader, PieceMap {
  readonly format = 'qcow2';
  readonly size: number;
  readonly #header: Qcow2Header;
  readonly #source: ByteSource;
  readonly #data: ByteSource;
  readonly #backing: ImageReader | undefined;
  readonly #l1: Buffer;
  readonly #clusterBytes: number;
  readonly #l2Reach: number;
  readonly #l2Tables: LRUCache<number, Buffer>;
  #unpacked: { readonly token: bigint; readonly cluster: Buffer } | undefined;

  private constructor(
    source: ByteSource,
    header: Qcow2Header,
    l1: Buffer,
    data: ByteSource | undefined,
    backing: ImageReader | undefined,
  ) {
    this.#source = source;
    this.#header = header;
    this.#l1 = l1;
    this.#data = data ?? source;
    this.#backing = backing;
    this.size = header.size;
    this.#clusterBytes = 2 ** header.clusterBits;
    this.#l2Reach = bytesPerL2(header.clusterBits, header.extendedL2);
    this.#l2Tables = new LRUCache({
      maxSize: QCOW2_L2_CACHE_BYTES,
      sizeCalculation: (table) => table.length,
    });
  }

  /** Owns what it is given once it settles well. */
  static async open(
    source: ByteSource,
    header: Qcow2Header,
    data: ByteSource | undefined,
    backing: ImageReader | undefined,
  ): Promise<Qcow2Reader> {
    const l1 = Buffer.alloc(header.l1Entries * 8);
    await readField(source, l1, header.l1Offset, 'l1_table_offset');
    return new Qcow2Reader(source, header, l1, data, backing);
  }

  run(offset: number, length: number): Promise<Run> {
    return runOfPieces(this, this.#backing, offset, length);
  }

  read(target: Buffer, offset: number): Promise<void> {
    return readPieces(this, this.#backing, target, offset);
  }

  async close(): Promise<void> {
    this.#l2Tables.clear();
    this.#unpacked = undefined;
    await this.#source.close();
    await this.#data.close();
    await this.#backing?.close();
  }

  locate(offset: number, length: number): MaybePromise<Piece> {
    const index = Math.floor(offset / this.#l2Reach);
    const tableAt = l2TableOffset(this.#l1.readBigUInt64BE(index * 8));
    if (tableAt === 0) {
      return { kind: 'parent', length: Math.min(length, (index + 1) * this.#l2Reach - offset) };
    }
    return chain(this.#l2Table(tableAt, index), (table) => this.#entry(table, offset, length));
  }

  #l2Table(at: number, index: number): MaybePromise<Buffer> {
    const cached = this.#l2Tables.get(at);
    return cached ?? this.#loadL2Table(at, index);
  }

  async #loadL2Table(at: number, index: number): Promise<Buffer> {
    if (at % this.#clusterBytes !== 0) {
      const expected = `a multiple of the cluster size (${this.#clusterBytes})`;
      throw invalidImage(this.#source.name, `L1 entry ${index}`, at, expected);
    }
    const table = Buffer.alloc(this.#clusterBytes);
    await readField(this.#source, table, at, `L1 entry ${index}: level-2 table`);
    this.#l2Tables.set(at, table);
    return table;
  }

  #entry(table: Buffer, offset: number, length: number): Piece {
    const inTable = offset % this.#l2Reach;
    const index = Math.floor(inTable / this.#clusterBytes);
    const inCluster = inTable % this.#clusterBytes;
    const left = Math.min(length, this.#clusterBytes - inCluster);
    const { extendedL2 } = this.#header;
    const entry = table.readBigUInt64BE(index * (extendedL2 ? 16 : 8));
    if (isCompressed(entry)) return this.#compressedPiece(entry, offset, left);
    if (extendedL2) {
      const bitmap = table.readBigUInt64BE(index * 16 + 8);
      return this.#subclusterPiece(entry, bitmap, offset, left);
    }
    if (readsAsZero(entry)) {
      if (this.#header.version === 2) {
        throw this.#badEntry(entry, offset, 'no zero bit (bit 0) in version 2');
      }
      return { kind: 'zero', length: left };
    }
    if (!isAllocated(entry, this.#hasDataFile())) return { kind: 'parent', length: left };
    return { kind: 'stored', length: left, at: this.#hostOffset(entry, offset) + inCluster };
  }

  #compressedPiece(entry: bigint, offset: number, length: number): Piece {
    if (this.#hasDataFile()) {
      throw this.#badEntry(entry, offset, 'no compressed cluster in an image with a data file');
    }
    return { kind: 'packed', length, token: entry };
  }

  #subclusterPiece(entry: bigint, bitmap: bigint, offset: number, left: number): Piece {
    const subclusterBytes = this.#clusterBytes / SUBCLUSTERS;
    const inCluster = offset % this.#clusterBytes;
    const first = Math.floor(inCluster / subclusterBytes);
    const kind = subclusterKind(bitmap, first);
    let end = first + 1;
    while (end < SUBCLUSTERS && subclusterKind(bitmap, end) === kind) end += 1;
    const length = Math.min(left, end * subclusterBytes - inCluster);
    switch (kind) {
      case 'invalid':
        throw this.#badEntry(bitmap, offset, 'no subcluster both allocated and zero');
      case 'zero':
        return { kind: 'zero', length };
      case 'unallocated':
        return { kind: 'parent', length };
      case 'stored':
        if (!isAllocated(entry, this.#hasDataFile())) {
          throw this.#badEntry(entry, offset, 'a cluster offset, since subclusters are allocated');
        }
        return { kind: 'stored', length, at: this.#hostOffset(entry, offset) + inCluster };
    }
  }

  #hasDataFile(): boolean {
    return this.#data !== this.#source;
  }

  #hostOffset(entry: bigint, offset: number): number {
    const at = clusterOffset(entry);
    if (at % this.#clusterBytes !== 0) {
      const expected = `a cluster at a multiple of ${this.#clusterBytes}`;
      throw this.#badEntry(entry, offset, expected);
    }
    if (at >= this.#data.size) {
      const expected = `a cluster inside of ${this.#data.name}, which has ${this.#data.size} bytes`;
      throw this.#badEntry(entry, offset, expected);
    }
    return at;
  }

  #badEntry(entry: bigint, offset: number, expected: string): Error {
    const field = `L2 entry of disk offset ${offset}`;
    return invalidImage(this.#source.name, field, `0x${entry.toString(16)}`, expected);
  }

  /** The last cluster of a file may be cut short: QEMU writes no more than was written to it. */
  async readStored(target: Buffer, at: number): Promise<void> {
    const inside = Math.max(0, Math.min(target.length, this.#data.size - at));
    await readField(this.#data, target.subarray(0, inside), at, 'cluster');
    target.fill(0, inside);
  }

  async readPacked(target: Buffer, offset: number, token: bigint): Promise<void> {
    if (this.#unpacked?.token !== token) {
      this.#unpacked = { token, cluster: await this.#unpack(token, offset) };
    }
    const inCluster = offset % this.#clusterBytes;
    this.#unpacked.cluster.copy(target, 0, inCluster, inCluster + target.length);
  }

  async #unpack(entry: bigint, offset: number): Promise<Buffer> {
    const { clusterBits, compression } = this.#header;
    const { offset: at, length } = compressedCluster(entry, clusterBits);
    // The last sector may lie beyond the end of the file: the stream ends before it.
    const inside = Math.min(length, this.#source.size - at);
    if (inside <= 0) {
      const expected = `a cluster inside of the file, which has ${this.#source.size} bytes`;
      throw this.#badEntry(entry, offset, expected);
    }
    const packed = Buffer.alloc(inside);
    await readField(this.#source, packed, at, 'compressed cluster');
    try {
      return await decompressCluster(packed, this.#clusterBytes, compression);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw invalidImage(
        this.#source.name,
        `compressed cluster of disk offset ${offset}`,
        reason,
        `a ${compression} stream of ${this.#clusterBytes} bytes at ${at}`,
        { cause: error },
      );
    }
  }
}
