/**
 * Copies blocks of one VDI into another one (reference 3.1).
 *
 * With a base, blocks that differ from it are written, and nothing else. Without one, what the source holds is
 * written, and the rest of the target stays as it is: so a difference (what was copied with a base into a new VDI)
 * can be laid over a copy of its base. Few devices tell holes from zeroes, so what a VDI holds is what is not zeroes;
 * of a difference it is known besides which of its blocks are zeroes where the base had something (differences.ts).
 */
import { setImmediate } from 'node:timers/promises';
import { forEachOf } from '../../base/index.ts';
import { type BlockDevice, PLAIN, type ReadableBlockDevice, ZEROES } from '../../block/index.ts';
import type { Call } from '../call.ts';
import { extentsIn } from '../images/extents-in.ts';
import type { ZeroedBlocks } from './differences.ts';
import {
  COMPARED_BYTES,
  COPY_FLUSH_BYTES,
  COPY_PIECE_BYTES,
  COPY_PIECES_AT_ONCE,
  COPY_STRETCH_BYTES,
  SECTOR_BYTES,
} from './limits.ts';

export interface BlockCopy {
  readonly from: ReadableBlockDevice;
  /** undefined: all that the source holds is written. May be `to` itself: it is made equal. */
  readonly base: ReadableBlockDevice | undefined;
  /** At least as large as `from`. */
  readonly to: BlockDevice;
  /** Of a source that is a difference: blocks of COMPARED_BYTES that it holds though they are zeroes. */
  readonly zeroed?: ZeroedBlocks | undefined;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * On stable storage when it settles.
 * @returns with a base: blocks of zeroes that differ from it, in order
 * @throws BlockError; the signal's reason
 */
export async function copyBlocks(
  copy: BlockCopy,
  { signal, progress }: Pick<Call, 'signal' | 'progress'>,
): Promise<readonly number[]> {
  const { from, to } = copy;
  const { size } = from.geometry;
  const zeroed: number[] = [];
  let unflushed = 0;
  signal.throwIfAborted();
  for (let at = 0; at < size; ) {
    const end = Math.min(size, at + COPY_STRETCH_BYTES);
    const pieces = piecesOf(await mayHold(copy, at, end), copy);
    await forEachOf(pieces, COPY_PIECES_AT_ONCE, async (piece) => {
      signal.throwIfAborted();
      unflushed += await copyPiece(copy, piece, zeroed);
    });
    if (unflushed >= COPY_FLUSH_BYTES) {
      await to.flush();
      unflushed = 0;
    }
    at = end;
    progress(at / size);
    await setImmediate(); // devices in RAM would keep the thread
    signal.throwIfAborted();
  }
  await to.flush();
  return zeroed.sort((one, other) => one - other);
}

/** Ranges of whole blocks outside of which there is nothing to copy. */
async function mayHold(
  { from, base, zeroed }: BlockCopy,
  start: number,
  end: number,
): Promise<Range[]> {
  const ranges = await dataIn(from, start, end);
  if (base !== undefined) ranges.push(...(await dataIn(base, start, end)));
  for (const block of zeroed?.within(start / COMPARED_BYTES, Math.ceil(end / COMPARED_BYTES)) ??
    []) {
    ranges.push({ start: block * COMPARED_BYTES, end: (block + 1) * COMPARED_BYTES });
  }
  const blocks = ranges
    .map((range) => ({
      start: Math.floor(range.start / COMPARED_BYTES) * COMPARED_BYTES,
      end: Math.min(end, Math.ceil(range.end / COMPARED_BYTES) * COMPARED_BYTES),
    }))
    .sort((one, other) => one.start - other.start);
  const united: Range[] = [];
  for (const range of blocks) {
    const last = united.at(-1);
    if (last === undefined || last.end < range.start) united.push(range);
    else united[united.length - 1] = { start: last.start, end: Math.max(last.end, range.end) };
  }
  return united;
}

/** What is neither hole nor zeroes, as far as the device knows; beyond its end there is nothing. */
async function dataIn(
  device: ReadableBlockDevice,
  start: number,
  wanted: number,
): Promise<Range[]> {
  const end = Math.min(wanted, device.geometry.size);
  if (start >= end) return [];
  if (!device.capabilities.extents) return [{ start, end }];
  const ranges: Range[] = [];
  for await (const extents of extentsIn(device, start, end)) {
    for (const { offset, length, kind } of extents) {
      if (kind === 'data') ranges.push({ start: offset, end: offset + length });
    }
  }
  return ranges;
}

/** Whole blocks, no more of them than every device takes at once. */
function* piecesOf(ranges: readonly Range[], { from, base, to }: BlockCopy): Iterable<Range> {
  const devices = [from, to, ...(base === undefined ? [] : [base])];
  const most = Math.min(COPY_PIECE_BYTES, ...devices.map(({ geometry }) => geometry.maximumIo));
  const step = Math.max(COMPARED_BYTES, Math.floor(most / COMPARED_BYTES) * COMPARED_BYTES);
  for (const { start, end } of ranges) {
    for (let at = start; at < end; at += step) yield { start: at, end: Math.min(end, at + step) };
  }
}

/** @returns bytes written */
async function copyPiece(
  copy: BlockCopy,
  { start, end }: Range,
  zeroed: number[],
): Promise<number> {
  const { from, base, to } = copy;
  const now = await readRange(from, start, end);
  const before = base === undefined ? undefined : await readRange(base, start, end);
  let written = 0;
  let run: Range | undefined;
  const write = async (): Promise<void> => {
    if (run === undefined) return;
    await writeRange(to, now.subarray(run.start - start, run.end - start), run.start);
    written += run.end - run.start;
    run = undefined;
  };
  for (const part of partsOf(copy, now, before, { start, end }, zeroed)) {
    if (run?.end === part.start) run = { start: run.start, end: part.end };
    else {
      await write();
      run = part;
    }
  }
  await write();
  return written;
}

/** What of a piece is to be written, in order. */
function* partsOf(
  { base, to, zeroed: held }: BlockCopy,
  now: Buffer,
  before: Buffer | undefined,
  { start, end }: Range,
  zeroed: number[],
): Iterable<Range> {
  // Of a source that is no difference only what is not zeroes: somebody may have written single sectors of it.
  const isWhole = before !== undefined || held !== undefined;
  const unit = isWhole ? COMPARED_BYTES : Math.max(SECTOR_BYTES, to.geometry.minimumIo);
  for (let at = start; at < end; at += unit) {
    const part = { start: at, end: Math.min(end, at + unit) };
    const bytes = now.subarray(part.start - start, part.end - start);
    const isZero = bytes.equals(ZEROES.subarray(0, bytes.length));
    if (before === undefined) {
      if (!isZero || held?.has(at / COMPARED_BYTES) === true) yield part;
      continue;
    }
    const isBehind = base !== undefined && part.end > base.geometry.size;
    const isSame = bytes.equals(before.subarray(part.start - start, part.end - start));
    if (isSame && !(isBehind && !isZero)) continue;
    if (isZero) zeroed.push(at / COMPARED_BYTES);
    yield part;
  }
}

/** Beyond the end of the device there are zeroes. */
async function readRange(device: ReadableBlockDevice, start: number, end: number): Promise<Buffer> {
  const bytes = Buffer.alloc(end - start);
  const there = Math.min(end, device.geometry.size) - start;
  if (there > 0) await device.read(bytes.subarray(0, there), start);
  return bytes;
}

/** The end may be that of a source whose size is no multiple of the target's unit. */
async function writeRange(to: BlockDevice, bytes: Buffer, offset: number): Promise<void> {
  const { minimumIo: unit } = to.geometry;
  const rest = bytes.length % unit;
  if (rest === 0) {
    await to.write(bytes, offset, PLAIN);
    return;
  }
  const padded = Buffer.alloc(bytes.length - rest + unit);
  await to.read(padded.subarray(padded.length - unit), offset + padded.length - unit);
  bytes.copy(padded);
  await to.write(padded, offset, PLAIN);
}
