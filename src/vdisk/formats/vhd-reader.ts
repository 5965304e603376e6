/**
 * Reads a VHD image: fixed (the disk, then a footer), dynamic (a table of blocks, each with a bitmap
 * of the sectors that were written) and differencing (the same, above a parent).
 */
import { LRUCache } from 'lru-cache';
import { chain, type MaybePromise } from '../../base/index.ts';
import { type ByteSource, readField } from './byte-source.ts';
import { invalidImage } from './image-fault.ts';
import type { ImageReader, Run } from './image-reader.ts';
import { VHD_BITMAP_CACHE_BYTES } from './limits.ts';
import { type Piece, type PieceMap, readPieces, runOfPieces } from './piece-map.ts';
import {
  VHD_FOOTER_BYTES,
  VHD_SECTOR_BYTES,
  type VhdFooter,
  type VhdHeader,
  vhdBitmapBytes,
} from './vhd-footer.ts';

/** "0xFFFFFFFF": an unused entry of the block allocation table. */
const UNUSED_BLOCK = 0xffff_ffff;

export class FixedVhdReader implements ImageReader {
  readonly format = 'vhd';
  readonly size: number;
  readonly #source: ByteSource;

  constructor(source: ByteSource, footer: VhdFooter) {
    const room = source.size - VHD_FOOTER_BYTES;
    if (footer.size > room) {
      const expected = `at most ${room}, what the file holds before its footer`;
      throw invalidImage(source.name, 'current size', footer.size, expected);
    }
    this.#source = source;
    this.size = footer.size;
  }

  async run(_offset: number, length: number): Promise<Run> {
    return { length, kind: 'data' };
  }

  read(target: Buffer, offset: number): Promise<void> {
    return readField(this.#source, target, offset, 'disk contents');
  }

  close(): Promise<void> {
    return this.#source.close();
  }
}

export class SparseVhdReader implements ImageReader, PieceMap {
  readonly format = 'vhd';
  readonly size: number;
  readonly #source: ByteSource;
  readonly #parent: ImageReader | undefined;
  readonly #table: Buffer;
  readonly #blockBytes: number;
  readonly #bitmapBytes: number;
  readonly #bitmaps: LRUCache<number, Buffer>;

  private constructor(
    source: ByteSource,
    footer: VhdFooter,
    header: VhdHeader,
    table: Buffer,
    parent: ImageReader | undefined,
  ) {
    this.#source = source;
    this.#parent = parent;
    this.#table = table;
    this.size = footer.size;
    this.#blockBytes = header.blockBytes;
    this.#bitmapBytes = vhdBitmapBytes(header.blockBytes);
    this.#bitmaps = new LRUCache({
      maxSize: VHD_BITMAP_CACHE_BYTES,
      sizeCalculation: (bitmap) => bitmap.length,
    });
  }

  /** Owns what it is given once it settles well. */
  static async open(
    source: ByteSource,
    footer: VhdFooter,
    header: VhdHeader,
    parent: ImageReader | undefined,
  ): Promise<SparseVhdReader> {
    const table = Buffer.alloc(header.tableEntries * 4);
    await readField(source, table, header.tableOffset, 'block allocation table');
    return new SparseVhdReader(source, footer, header, table, parent);
  }

  run(offset: number, length: number): Promise<Run> {
    return runOfPieces(this, this.#parent, offset, length);
  }

  read(target: Buffer, offset: number): Promise<void> {
    return readPieces(this, this.#parent, target, offset);
  }

  async close(): Promise<void> {
    this.#bitmaps.clear();
    await this.#source.close();
    await this.#parent?.close();
  }

  locate(offset: number, length: number): MaybePromise<Piece> {
    const block = Math.floor(offset / this.#blockBytes);
    const left = Math.min(length, (block + 1) * this.#blockBytes - offset);
    const sector = this.#table.readUInt32BE(block * 4);
    if (sector === UNUSED_BLOCK) return { kind: 'parent', length: left };
    const at = sector * VHD_SECTOR_BYTES;
    return chain(this.#bitmap(at, block), (bitmap) => {
      const inBlock = offset % this.#blockBytes;
      const run = sectorRun(bitmap, inBlock, left);
      // A sector never written reads from the parent; without a parent, as zeroes.
      if (!run.written) return { kind: 'parent', length: run.length };
      return { kind: 'stored', length: run.length, at: at + this.#bitmapBytes + inBlock };
    });
  }

  #bitmap(at: number, block: number): MaybePromise<Buffer> {
    return this.#bitmaps.get(at) ?? this.#loadBitmap(at, block);
  }

  async #loadBitmap(at: number, block: number): Promise<Buffer> {
    const bitmap = Buffer.alloc(this.#bitmapBytes);
    await readField(this.#source, bitmap, at, `sector bitmap of block ${block}`);
    this.#bitmaps.set(at, bitmap);
    return bitmap;
  }

  readStored(target: Buffer, at: number): Promise<void> {
    return readField(this.#source, target, at, 'block');
  }

  readPacked(): Promise<void> {
    throw new Error('a VHD has no packed pieces');
  }
}

/** How far the sectors from `inBlock` on are all written, or all not. */
function sectorRun(
  bitmap: Buffer,
  inBlock: number,
  length: number,
): { written: boolean; length: number } {
  const first = Math.floor(inBlock / VHD_SECTOR_BYTES);
  const end = Math.ceil((inBlock + length) / VHD_SECTOR_BYTES);
  const written = isWritten(bitmap, first);
  let sector = first + 1;
  while (sector < end && isWritten(bitmap, sector) === written) sector += 1;
  return { written, length: Math.min(length, sector * VHD_SECTOR_BYTES - inBlock) };
}

/** The most significant bit of a byte is its first sector. */
function isWritten(bitmap: Buffer, sector: number): boolean {
  return ((bitmap.readUInt8(sector >> 3) >> (7 - (sector & 7))) & 1) === 1;
}
