/**
 * The blocks of a VHD: which there are, and which of their sectors count. In a dynamic disk a block is
 * there when it is not all zeroes; in a differencing disk, when a sector is not what the parent has
 * there.
 */
import { CHUNK_BYTES } from '../manifest/index.ts';
import { readChunk, readWindow, wantedChunks } from './disk-windows.ts';
import type { ExportParent, ExportSource } from './export-request.ts';
import { EXPORT_WINDOW_BYTES } from './limits.ts';
import { VHD_BITMAP_BYTES, VHD_BLOCK_BYTES } from './vhd-layout.ts';
import { VHD_SECTOR_BYTES } from './vhd-structures.ts';
import { isZero } from './zero-runs.ts';

export interface VhdBlock {
  /** The most significant bit of the first byte is the first sector. */
  readonly bitmap: Buffer;
  readonly bytes: Buffer;
}

export interface VhdWindow {
  /** Where the block begins and ends on the disk. */
  readonly offset: number;
  readonly end: number;
  /** Undefined: none is needed. */
  readonly block: VhdBlock | undefined;
}

/** Every sector of the block is in the file, as QEMU and Windows write it. */
const ALL_SECTORS = Buffer.alloc(VHD_BITMAP_BYTES, 0xff);

/** Equal chunks are passed over at once, then equal pieces of 4 KiB. */
const PIECE_BYTES = 4096;

/** Chunks that may make a block: those with data, or those that either disk has and that may differ. */
export function candidateChunks(
  source: ExportSource,
  parent: ExportParent | undefined,
): Uint8Array {
  if (parent === undefined) return source.presentChunks;
  const { changedChunks } = parent;
  const below = parent.source.presentChunks;
  return source.presentChunks.map(
    (bits, byte) => (bits | (below[byte] ?? 0)) & (changedChunks?.[byte] ?? 0xff),
  );
}

/** Whether there is such a block. Reads no further than to the first chunk that says so. */
export async function hasBlock(
  source: ExportSource,
  parent: ExportParent | undefined,
  candidates: Uint8Array,
  offset: number,
): Promise<boolean> {
  const end = Math.min(offset + EXPORT_WINDOW_BYTES, source.size);
  const bytes = Buffer.allocUnsafe(CHUNK_BYTES);
  const below = Buffer.allocUnsafe(parent === undefined ? 0 : CHUNK_BYTES);
  for (const at of wantedChunks(candidates, offset, end)) {
    await readChunk(source, bytes, at);
    if (parent === undefined) {
      if (!isZero(bytes, 0, bytes.length)) return true;
    } else {
      await readChunk(parent.source, below, at);
      if (!bytes.equals(below)) return true;
    }
  }
  return false;
}

/** Reads one block of the disk, and of the parent. */
export async function readBlock(
  source: ExportSource,
  parent: ExportParent | undefined,
  candidates: Uint8Array,
  offset: number,
): Promise<VhdWindow> {
  const { end, bytes } = await readWindow(source, candidates, offset);
  if (parent === undefined) {
    const empty = [...wantedChunks(candidates, offset, end)].every((at) =>
      isZero(bytes, at - offset, at - offset + CHUNK_BYTES),
    );
    return { offset, end, block: empty ? undefined : { bitmap: ALL_SECTORS, bytes } };
  }
  const below = await readWindow(parent.source, candidates, offset);
  const bitmap = Buffer.alloc(VHD_BITMAP_BYTES);
  keepDifferences(bytes, below.bytes, bitmap);
  const same = isZero(bitmap, 0, bitmap.length);
  return { offset, end, block: same ? undefined : { bitmap, bytes } };
}

/**
 * Marks the sectors that differ and clears the others: nobody reads them, and the file should not
 * depend on what was compared.
 */
function keepDifferences(bytes: Buffer, below: Buffer, bitmap: Buffer): void {
  for (let chunk = 0; chunk < VHD_BLOCK_BYTES; chunk += CHUNK_BYTES) {
    if (clearEqual(bytes, below, chunk, CHUNK_BYTES)) continue;
    for (let piece = chunk; piece < chunk + CHUNK_BYTES; piece += PIECE_BYTES) {
      if (clearEqual(bytes, below, piece, PIECE_BYTES)) continue;
      for (let at = piece; at < piece + PIECE_BYTES; at += VHD_SECTOR_BYTES) {
        if (!clearEqual(bytes, below, at, VHD_SECTOR_BYTES)) mark(bitmap, at / VHD_SECTOR_BYTES);
      }
    }
  }
}

function clearEqual(bytes: Buffer, below: Buffer, start: number, length: number): boolean {
  const end = start + length;
  if (below.compare(bytes, start, end, start, end) !== 0) return false;
  bytes.fill(0, start, end);
  return true;
}

function mark(bitmap: Buffer, sector: number): void {
  const byte = sector >> 3;
  bitmap.writeUInt8(bitmap.readUInt8(byte) | (0x80 >> (sector & 7)), byte);
}
