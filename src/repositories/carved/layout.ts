/**
 * Where things lie on a carved device (docs/CARVED.md). The two superblocks have fixed places, so that they are found
 * whatever else is broken, and a megabyte between them, so that what overwrites the start of a disk spares one.
 */
import {
  CARVED_EXTENTS,
  CARVED_EXTENTS_FEWEST,
  EXTENT_BYTES_DEFAULT,
  EXTENT_BYTES_LARGEST,
  EXTENT_BYTES_SMALLEST,
  JOURNAL_BLOCKS_FEWEST,
  JOURNAL_BLOCKS_MOST,
  METADATA_BLOCK_BYTES,
  VOLUME_TABLE_BYTES_LEAST,
  VOLUME_TABLE_BYTES_MOST,
} from './limits.ts';

/** Byte offsets of the two superblocks. */
export const SUPERBLOCK_PLACES = [0, 1024 * 1024] as const;

/** Where the first metadata region lies, in bytes. */
const FIRST_REGION = 1024 * 1024 + 64 * 1024;

/** Bytes of a run in a checkpoint: each extent may be a run of its own. */
export const RUN_BYTES = 12;

/** The metadata region: two checkpoints, and two journals in two copies each. */
export interface Region {
  /** Bytes from the start of the device. */
  readonly start: number;
  /** Bytes of one checkpoint, its head included. */
  readonly checkpointBytes: number;
  /** Blocks of one copy of one journal. */
  readonly journalBlocks: number;
}

export interface Layout {
  readonly extentSize: number;
  readonly extentCount: number;
  /** Byte offset of extent 0. */
  readonly dataStart: number;
  readonly region: Region;
}

export function regionBytes(region: Region): number {
  return 2 * region.checkpointBytes + 4 * region.journalBlocks * METADATA_BLOCK_BYTES;
}

/** @param generation of the checkpoint: even and odd ones alternate */
export function checkpointPlace(region: Region, generation: number): number {
  return region.start + (generation % 2) * region.checkpointBytes;
}

/** @param copy 0 or 1 */
export function journalPlace(region: Region, generation: number, copy: number): number {
  const journal = (generation % 2) + 2 * copy;
  const before = journal * region.journalBlocks * METADATA_BLOCK_BYTES;
  return region.start + 2 * region.checkpointBytes + before;
}

/** The region that so many extents need, at `start`. @param tableBytes that the volumes take already */
export function regionFor(start: number, extentCount: number, tableBytes = 0): Region {
  const usual = clamp(extentCount * 64, VOLUME_TABLE_BYTES_LEAST, VOLUME_TABLE_BYTES_MOST);
  const table = Math.max(usual, tableBytes);
  const bytes = METADATA_BLOCK_BYTES + table + extentCount * RUN_BYTES;
  const journalBlocks = clamp(
    Math.ceil(extentCount / 16),
    JOURNAL_BLOCKS_FEWEST,
    JOURNAL_BLOCKS_MOST,
  );
  return { start, checkpointBytes: roundUp(bytes, METADATA_BLOCK_BYTES), journalBlocks };
}

/** Whether the region has room for the map of so many extents. @param tableBytes that the volumes take already */
export function regionHolds(region: Region, extentCount: number, tableBytes: number): boolean {
  const needed = regionFor(region.start, extentCount, tableBytes);
  return needed.checkpointBytes <= region.checkpointBytes;
}

/** Extents that lie wholly on a device of `deviceSize` bytes. */
export function extentsOn(deviceSize: number, dataStart: number, extentSize: number): number {
  return Math.min(CARVED_EXTENTS, Math.max(0, Math.floor((deviceSize - dataStart) / extentSize)));
}

export function defaultExtentSize(deviceSize: number): number {
  let size = EXTENT_BYTES_DEFAULT;
  while (size < EXTENT_BYTES_LARGEST && (2 * deviceSize) / size > CARVED_EXTENTS) size *= 2;
  return size;
}

export function isExtentSize(size: number): boolean {
  return (
    Number.isInteger(size) &&
    size >= EXTENT_BYTES_SMALLEST &&
    size <= EXTENT_BYTES_LARGEST &&
    Number.isInteger(Math.log2(size))
  );
}

/** The layout of a new device; undefined when it is too small. */
export function planLayout(deviceSize: number, extentSize: number): Layout | undefined {
  const most = extentsOn(deviceSize, FIRST_REGION, extentSize);
  const region = regionFor(FIRST_REGION, most);
  const dataStart = roundUp(FIRST_REGION + regionBytes(region), extentSize);
  const extentCount = extentsOn(deviceSize, dataStart, extentSize);
  if (extentCount < CARVED_EXTENTS_FEWEST) return undefined;
  return { extentSize, extentCount, dataStart, region };
}

/** Extents that the region covers: [first, end). It covers none while it lies before the first extent. */
export function extentsOfRegion(layout: Layout): { readonly first: number; readonly end: number } {
  const { region, dataStart, extentSize } = layout;
  if (region.start < dataStart) return { first: 0, end: 0 };
  const first = (region.start - dataStart) / extentSize;
  return { first, end: first + Math.ceil(regionBytes(region) / extentSize) };
}

export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
