/**
 * Copies blocks of one VDI into another one (reference 3.1).
 *
 * Without a base what the source holds is written, its zeroes too, and its holes leave what the target has: what was
 * copied with a base before, and holds only differences, can be laid over a copy of that base. With a base
 * what differs from it is written, always as data: zeroes where the base has something are a difference, not a hole.
 */
import { setImmediate } from 'node:timers/promises';
import { forEachOf } from '../../base/index.ts';
import {
  type BlockDevice,
  type Extent,
  PLAIN,
  type ReadableBlockDevice,
} from '../../block/index.ts';
import type { Call } from '../call.ts';
import {
  COMPARED_BYTES,
  COPY_FLUSH_BYTES,
  COPY_PIECE_BYTES,
  COPY_PIECES_AT_ONCE,
  EXTENTS_AT_ONCE,
} from './limits.ts';

export interface BlockCopy {
  readonly from: ReadableBlockDevice;
  /** undefined: all that the source holds is written. */
  readonly base: ReadableBlockDevice | undefined;
  /** At least as large as `from`. */
  readonly to: BlockDevice;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** On stable storage when it settles. @throws BlockError; the signal's reason */
export async function copyBlocks(
  copy: BlockCopy,
  { signal, progress }: Pick<Call, 'signal' | 'progress'>,
): Promise<void> {
  const { from, base, to } = copy;
  const { size } = from.geometry;
  let unflushed = 0;
  for (let at = 0; at < size; ) {
    signal.throwIfAborted();
    // A stretch at a time: extents of a whole disk would be too many to hold.
    const end = Math.min(size, at + STRETCH_BYTES);
    const held = await heldIn(from, at, end);
    const ranges = base === undefined ? held : united(held, await heldIn(base, at, end));
    await forEachOf(pieces(ranges, copy), COPY_PIECES_AT_ONCE, async (piece) => {
      signal.throwIfAborted();
      unflushed += await (base === undefined
        ? copyPiece(from, to, piece)
        : copyDifference(from, base, to, piece));
    });
    if (unflushed >= COPY_FLUSH_BYTES) {
      await to.flush();
      unflushed = 0;
    }
    at = end;
    progress(at / size);
    await setImmediate(); // devices in RAM would keep the thread
  }
  await to.flush();
}

/** What is looked at between two reports: a multiple of every unit. */
const STRETCH_BYTES = 64 * COPY_PIECE_BYTES;

/** Ranges that a device holds, data or zeroes; beyond its end it holds nothing. */
async function heldIn(
  device: ReadableBlockDevice,
  start: number,
  wantedEnd: number,
): Promise<Range[]> {
  const end = Math.min(wantedEnd, device.geometry.size);
  if (start >= end) return [];
  if (!device.capabilities.extents) return [{ start, end }];
  const held: Range[] = [];
  for (let at = start; at < end; ) {
    const extents: readonly Extent[] = await device.extents(at, end - at, EXTENTS_AT_ONCE);
    for (const { offset, length, kind } of extents) {
      at = offset + length;
      if (kind !== 'hole') addRange(held, { start: offset, end: at });
    }
    if (extents.length === 0) break; // not allowed to be
  }
  return held;
}

function addRange(ranges: Range[], range: Range): void {
  const last = ranges.at(-1);
  if (last === undefined || last.end < range.start) ranges.push(range);
  else ranges[ranges.length - 1] = { start: last.start, end: Math.max(last.end, range.end) };
}

function united(a: readonly Range[], b: readonly Range[]): Range[] {
  const ranges: Range[] = [];
  for (const range of [...a, ...b].sort((one, other) => one.start - other.start)) {
    addRange(ranges, range);
  }
  return ranges;
}

/** Cut at fixed places, so that no two touch one unit of the target. */
function* pieces(ranges: readonly Range[], { from, base, to }: BlockCopy): Iterable<Range> {
  const most = Math.min(
    ...[from, to, ...(base === undefined ? [] : [base])].map(({ geometry }) => geometry.maximumIo),
  );
  const step = Math.max(
    COMPARED_BYTES,
    Math.min(COPY_PIECE_BYTES, 2 ** Math.floor(Math.log2(most))),
  );
  const unit = base === undefined ? 1 : COMPARED_BYTES;
  let last = -1;
  for (const range of ranges) {
    const aligned = Math.floor(range.start / unit) * unit;
    for (let start = Math.max(aligned, last); start < range.end; ) {
      const end = Math.min(range.end, (Math.floor(start / step) + 1) * step);
      yield { start, end };
      start = end;
    }
    last = Math.ceil(range.end / unit) * unit;
  }
}

/** @returns bytes written */
async function copyPiece(
  from: ReadableBlockDevice,
  to: BlockDevice,
  { start, end }: Range,
): Promise<number> {
  const unit = to.geometry.minimumIo;
  const [first, last] = [floorTo(start, unit), ceilTo(end, unit)];
  const buffer = Buffer.allocUnsafe(last - first);
  // Units of the target that begin or end with a hole of the source keep that part of theirs.
  if (first < start) await to.read(buffer.subarray(0, unit), first);
  if (end < last) await to.read(buffer.subarray(buffer.length - unit), last - unit);
  await readInto(from, buffer, first, { start, end });
  await to.write(buffer, first, PLAIN);
  return buffer.length;
}

/** Of a device whose smallest request is larger than the target's, too. */
async function readInto(
  from: ReadableBlockDevice,
  buffer: Buffer,
  at: number,
  { start, end }: Range,
): Promise<void> {
  const unit = from.geometry.minimumIo;
  const [first, last] = [floorTo(start, unit), Math.min(from.geometry.size, ceilTo(end, unit))];
  if (first === start && last === end) {
    await from.read(buffer.subarray(start - at, end - at), start);
    return;
  }
  const whole = Buffer.allocUnsafe(last - first);
  await from.read(whole, first);
  whole.copy(buffer, start - at, start - first, end - first);
}

async function copyDifference(
  from: ReadableBlockDevice,
  base: ReadableBlockDevice,
  to: BlockDevice,
  { start, end: heldEnd }: Range,
): Promise<number> {
  const end = Math.min(from.geometry.size, ceilTo(heldEnd, COMPARED_BYTES));
  const [now, before] = [Buffer.alloc(end - start), Buffer.alloc(end - start)];
  const baseEnd = Math.min(end, base.geometry.size);
  await Promise.all([
    readInto(from, now, start, { start, end }),
    baseEnd > start ? readInto(base, before, start, { start, end: baseEnd }) : undefined,
  ]);
  let written = 0;
  for (let at = 0; at < now.length; ) {
    const next = Math.min(now.length, at + COMPARED_BYTES);
    const isOther =
      start + next > base.geometry.size ||
      !now.subarray(at, next).equals(before.subarray(at, next));
    if (!isOther) {
      at = next;
      continue;
    }
    // One write of neighbours.
    let stop = next;
    while (stop < now.length) {
      const further = Math.min(now.length, stop + COMPARED_BYTES);
      if (now.subarray(stop, further).equals(before.subarray(stop, further))) break;
      stop = further;
    }
    await writeWhole(to, now.subarray(at, stop), start + at);
    written += stop - at;
    at = stop;
  }
  return written;
}

/** Its end may be that of a source whose size is no multiple of the target's unit. */
async function writeWhole(to: BlockDevice, bytes: Buffer, offset: number): Promise<void> {
  const unit = to.geometry.minimumIo;
  const rest = bytes.length % unit;
  if (rest === 0) {
    await to.write(bytes, offset, PLAIN);
    return;
  }
  const padded = Buffer.allocUnsafe(ceilTo(bytes.length, unit));
  await to.read(padded.subarray(padded.length - unit), offset + padded.length - unit);
  bytes.copy(padded);
  await to.write(padded, offset, PLAIN);
}

const floorTo = (value: number, unit: number): number => Math.floor(value / unit) * unit;
const ceilTo = (value: number, unit: number): number => Math.ceil(value / unit) * unit;
