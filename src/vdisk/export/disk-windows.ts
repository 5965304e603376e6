/**
 * The disk in aligned windows: those that hold no wanted chunk are stepped over, the others are read,
 * one ahead of whoever works on them.
 */
import { CHUNK_BYTES, hasChunk } from '../manifest/index.ts';
import { readFault } from './export-fault.ts';
import type { ExportSource } from './export-request.ts';
import { EXPORT_SCAN_BYTES, EXPORT_WINDOW_BYTES } from './limits.ts';
import type { Pass } from './pass.ts';

const CHUNKS = EXPORT_WINDOW_BYTES / CHUNK_BYTES;
/** A window is a whole number of these of a bitmap of chunks. */
const WINDOW_MAP_BYTES = CHUNKS / 8;
const WINDOWS_PER_TURN = EXPORT_SCAN_BYTES / EXPORT_WINDOW_BYTES;

export interface DiskWindow {
  readonly offset: number;
  /** Where the window ends on the disk. */
  readonly end: number;
  /** A whole window: zeroes where nothing was wanted, and beyond the end of the disk. */
  readonly bytes: Buffer<ArrayBuffer>;
}

/**
 * Offsets of the windows that hold any of the chunks, in rising order.
 * @throws Fault CANCELLED
 */
export async function* windowsWith(
  chunks: Uint8Array,
  size: number,
  pass: Pass,
): AsyncGenerator<number, void> {
  const windows = Math.ceil(size / EXPORT_WINDOW_BYTES);
  for (let window = 0; window < windows; window += 1) {
    if (window % WINDOWS_PER_TURN === WINDOWS_PER_TURN - 1) await pass.turn();
    if (!windowHasAny(chunks, window, size)) continue;
    pass.check();
    yield window * EXPORT_WINDOW_BYTES;
  }
}

/** Bits behind the last chunk mean nothing. */
function windowHasAny(chunks: Uint8Array, window: number, size: number): boolean {
  const at = window * WINDOW_MAP_BYTES;
  let any = 0;
  for (let byte = at; byte < at + WINDOW_MAP_BYTES; byte += 1) any |= chunks[byte] ?? 0;
  if (any === 0) return false;
  const offset = window * EXPORT_WINDOW_BYTES;
  return !wantedChunks(chunks, offset, Math.min(offset + EXPORT_WINDOW_BYTES, size)).next().done;
}

/** Offsets of the chunks from `offset` to `end` that a bitmap names. */
export function* wantedChunks(
  chunks: Uint8Array,
  offset: number,
  end: number,
): Generator<number, void> {
  for (let at = offset; at < end; at += CHUNK_BYTES) {
    if (hasChunk(chunks, at / CHUNK_BYTES)) yield at;
  }
}

/** Loads one ahead; nothing runs any more when the loop is left, however it is left. */
export async function* readAhead<T>(
  offsets: AsyncGenerator<number, void>,
  load: (offset: number) => Promise<T>,
): AsyncGenerator<T, void> {
  const next = async (): Promise<{ readonly loaded: T } | undefined> => {
    const { value, done } = await offsets.next();
    return done || value === undefined ? undefined : { loaded: await load(value) };
  };
  let ahead = next();
  try {
    for (let window = await ahead; window !== undefined; window = await ahead) {
      ahead = next();
      ahead.catch(() => undefined); // awaited below; until then nobody else looks at it
      yield window.loaded;
    }
  } finally {
    await Promise.allSettled([ahead]);
    await offsets.return();
  }
}

/**
 * One window of a disk.
 * @param chunks what is wanted; of these the disk reads only what it has
 * @throws Fault UNAVAILABLE
 */
export async function readWindow(
  disk: ExportSource,
  chunks: Uint8Array,
  offset: number,
): Promise<DiskWindow> {
  const bytes = Buffer.alloc(EXPORT_WINDOW_BYTES);
  const end = Math.min(offset + EXPORT_WINDOW_BYTES, disk.size);
  const most = Math.min(disk.device.geometry.maximumIo, EXPORT_WINDOW_BYTES);
  let start = offset;
  while (start < end) {
    if (!isWanted(disk, chunks, start)) {
      start += CHUNK_BYTES;
      continue;
    }
    let stop = start + CHUNK_BYTES;
    while (stop < end && isWanted(disk, chunks, stop)) stop += CHUNK_BYTES;
    stop = Math.min(stop, end);
    for (let at = start; at < stop; at += most) {
      const target = bytes.subarray(at - offset, Math.min(at + most, stop) - offset);
      await readFrom(disk, target, at);
    }
    start = stop;
  }
  return { offset, end, bytes };
}

function isWanted(disk: ExportSource, chunks: Uint8Array, offset: number): boolean {
  const chunk = offset / CHUNK_BYTES;
  return hasChunk(chunks, chunk) && hasChunk(disk.presentChunks, chunk);
}

/** @throws Fault UNAVAILABLE */
async function readFrom(disk: ExportSource, target: Buffer, offset: number): Promise<void> {
  try {
    await disk.device.read(target, offset);
  } catch (error) {
    throw readFault(error, offset, target.length);
  }
}

/**
 * One chunk of a disk, zeroes where it has none and beyond its end.
 * @param target a whole chunk
 * @throws Fault UNAVAILABLE
 */
export async function readChunk(disk: ExportSource, target: Buffer, offset: number): Promise<void> {
  const has = offset < disk.size && hasChunk(disk.presentChunks, offset / CHUNK_BYTES);
  const inside = has ? Math.min(target.length, disk.size - offset) : 0;
  if (inside > 0) await readFrom(disk, target.subarray(0, inside), offset);
  target.fill(0, inside);
}
