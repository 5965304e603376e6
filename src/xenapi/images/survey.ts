/**
 * Which blocks an image has to hold, found before its first byte leaves, because it begins with the table of them.
 *
 * The device says what it has nothing for. Devices say "data" of what may be zeroes as well, so the rest is read up to
 * the first byte that counts, for a while (SURVEY_MS_MAX); blocks that were not looked at by then are taken.
 */
import { forEachOf } from '../../base/index.ts';
import { type ReadableBlockDevice, ZEROES } from '../../block/index.ts';
import { isZero } from '../../vdisk/index.ts';
import { BlockSet } from './block-set.ts';
import { type ByteRange, type ExportJob, readDisk } from './export-source.ts';
import { extentsIn } from './extents-in.ts';
import { EXPORT_WINDOW_BYTES, SURVEY_MS_MAX, SURVEY_WINDOWS_AT_ONCE } from './limits.ts';
import type { Pace } from './pace.ts';

/** Read first of a large block: most blocks hold something there. */
const LOOK_BYTES = 64 * 1024;

/**
 * @param blockBytes at least 64 KiB, at most a window
 * @throws BlockError, Fault CANCELLED
 */
export async function blocksToSend(job: ExportJob, blockBytes: number): Promise<BlockSet> {
  const { disk, base, pace } = job;
  const { size } = disk.device.geometry;
  const blocks = new BlockSet(size, blockBytes);
  await addData(disk.device, blocks, pace);
  if (base !== undefined) await addData(base.device, blocks, pace);
  const told =
    base?.differs === undefined ? undefined : await toldBlocks(job, base.differs, blocks);
  // Who says that everything may differ knows nothing, and then both are read.
  if (told === undefined || told.countIn(0, told.count) === told.count) {
    await removeEqual(job, blocks);
    return blocks;
  }
  for (let block = told.next(0); block < told.count; block = told.next(block + 1)) {
    if (!blocks.has(block)) told.delete(block); // zeroes on both
  }
  return told;
}

async function toldBlocks(
  { pace }: ExportJob,
  ranges: AsyncIterable<ByteRange>,
  like: BlockSet,
): Promise<BlockSet> {
  const told = like.none();
  for await (const { offset, length } of ranges) {
    pace.check();
    told.addRange(offset, length);
    await pace.spend(LOOK_BYTES);
  }
  return told;
}

/** Where a device may hold something else than zeroes. */
export async function addData(
  device: ReadableBlockDevice,
  blocks: BlockSet,
  pace: Pace,
): Promise<void> {
  const { size } = device.geometry;
  if (!device.capabilities.extents) {
    blocks.addRange(0, size);
    return;
  }
  for await (const extents of extentsIn(device, 0, size)) {
    pace.check();
    for (const { offset, length, kind } of extents) {
      if (kind === 'data') blocks.addRange(offset, length);
    }
    await pace.spend(EXPORT_WINDOW_BYTES);
  }
}

/** Takes the blocks out that are zeroes, or what the base has. */
async function removeEqual(job: ExportJob, blocks: BlockSet): Promise<void> {
  const { size } = job.disk.device.geometry;
  const deadline = job.now() + SURVEY_MS_MAX;
  const windows = windowsOf(blocks, size);
  let done = 0;
  await forEachOf(windows, SURVEY_WINDOWS_AT_ONCE, async (offset) => {
    if (job.now() >= deadline) return;
    await lookAtWindow(job, blocks, offset);
    done = Math.max(done, offset);
    // Half of the work: what is found is read once more when it is sent.
    job.pace.reach(done / 2, size);
    await job.pace.spend(LOOK_BYTES);
  });
}

/** Offsets of the windows that hold any of the blocks. */
export function* windowsOf(blocks: BlockSet, size: number): Generator<number> {
  const each = EXPORT_WINDOW_BYTES / blocks.blockBytes;
  for (let block = blocks.next(0); block < blocks.count; ) {
    const window = Math.floor(block / each);
    if (window * EXPORT_WINDOW_BYTES >= size) return;
    yield window * EXPORT_WINDOW_BYTES;
    block = blocks.next((window + 1) * each);
  }
}

async function lookAtWindow(job: ExportJob, blocks: BlockSet, offset: number): Promise<void> {
  const { blockBytes } = blocks;
  const first = offset / blockBytes;
  const end = Math.min(blocks.count, first + EXPORT_WINDOW_BYTES / blockBytes);
  if (blockBytes > LOOK_BYTES) {
    for (let block = blocks.next(first, end); block < end; block = blocks.next(block + 1, end)) {
      const at = block * blockBytes;
      const counts =
        (await differs(job, at, LOOK_BYTES)) ||
        (await differs(job, at + LOOK_BYTES, blockBytes - LOOK_BYTES));
      if (!counts) blocks.delete(block);
    }
    return;
  }
  for (let block = blocks.next(first, end); block < end; ) {
    let stop = block + 1;
    while (stop < end && blocks.has(stop)) stop += 1;
    await lookAtRun(job, blocks, block, stop);
    block = blocks.next(stop, end);
  }
}

/** Small blocks that follow each other, in one read. */
async function lookAtRun(
  job: ExportJob,
  blocks: BlockSet,
  first: number,
  stop: number,
): Promise<void> {
  const { blockBytes } = blocks;
  const pair = await readPair(job, first * blockBytes, (stop - first) * blockBytes);
  for (let block = first; block < stop; block += 1) {
    const start = (block - first) * blockBytes;
    if (!pairDiffers(pair, start, start + blockBytes)) blocks.delete(block);
  }
}

interface Pair {
  readonly bytes: Buffer;
  /** Undefined: zeroes. */
  readonly below: Buffer | undefined;
}

async function differs(job: ExportJob, offset: number, length: number): Promise<boolean> {
  const pair = await readPair(job, offset, length);
  for (let at = 0; at < length; at += ZEROES.length) {
    if (pairDiffers(pair, at, Math.min(at + ZEROES.length, length))) return true;
  }
  return false;
}

/** @param end at most ZEROES.length from `start` */
function pairDiffers({ bytes, below }: Pair, start: number, end: number): boolean {
  if (below === undefined) return !isZero(bytes, start, end);
  return below.compare(bytes, start, end, start, end) !== 0;
}

async function readPair({ disk, base }: ExportJob, offset: number, length: number): Promise<Pair> {
  const bytes = Buffer.allocUnsafe(length);
  await readDisk(disk.device, bytes, offset);
  if (base === undefined) return { bytes, below: undefined };
  const below = Buffer.allocUnsafe(length);
  await readDisk(base.device, below, offset);
  return { bytes, below };
}
