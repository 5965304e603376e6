/**
 * A qcow2 image as it comes. What has a cluster is written, what reads as zeroes by its entry is cleared, and what has no
 * entry is left as it is: an image relative to a base looks like any other one, so that this is how both have to be taken
 * (and how XenServer takes them).
 *
 * Where all tables come before all data, the clusters are written as they pass. Where they do not (most images that
 * qemu-img made), and where clusters are compressed, the image is kept in a temporary file and read from there.
 */
import { Fault } from '../../errors/index.ts';
import { type Qcow2Header, Qcow2Reader, readQcow2Header } from '../../vdisk/index.ts';
import { endsEarly, unsupportedImage } from './image-fault.ts';
import { ImageSpool } from './image-spool.ts';
import type { ImportJob } from './image-target.ts';
import { IMPORT_WINDOW_BYTES, QCOW2_RUNS_MAX, ZERO_UNIT_BYTES } from './limits.ts';

export interface SpoolPlace {
  readonly folder: string;
  /** Bytes. */
  readonly bytesMax: number;
}

/** Clusters that follow each other on the disk and in the file, in bytes. */
interface FileRun {
  readonly at: number;
  readonly offset: number;
  length: number;
}

/** @throws Fault IMAGE_INVALID, IMAGE_UNSUPPORTED, NO_SPACE; BlockError */
export async function importQcow2(job: ImportJob, place: SpoolPlace): Promise<void> {
  const { feed, length, pace } = job;
  const spool = await ImageSpool.open({ feed, length, pace, ...place });
  try {
    const header = await readQcow2Header(spool);
    if (header.dataFile !== undefined) {
      throw unsupportedImage(
        'external data file',
        header.dataFile,
        'one stream has no second file',
      );
    }
    const reader = await Qcow2Reader.open(spool, header, undefined, undefined);
    const runs = await survey(job, reader, header);
    const passing = runs === undefined ? undefined : inFileOrder(runs, spool.kept);
    if (passing === undefined) await writeKept(job, reader, spool);
    else await writePassing(job, passing, spool.kept, reader.size);
    await feed.drain();
    if (length !== undefined && feed.position < length) throw endsEarly(feed.position, 'the image');
    pace.reach(1, 1);
  } finally {
    await spool.close();
  }
}

/** Goes through the tables. @returns undefined: there is something that cannot be written as it passes */
async function survey(
  { writer, pace }: ImportJob,
  reader: Qcow2Reader,
  header: Qcow2Header,
): Promise<FileRun[] | undefined> {
  const cluster = 2 ** header.clusterBits;
  const runs: FileRun[] = [];
  for (let offset = 0; offset < reader.size; ) {
    const piece = await reader.locate(offset, reader.size - offset);
    switch (piece.kind) {
      case 'parent':
        break;
      case 'zero':
        await writer.clear(offset, piece.length);
        break;
      case 'packed':
        return undefined;
      case 'stored': {
        const last = runs.at(-1);
        const isWhole = header.extendedL2 === false && offset % cluster === 0;
        if (!isWhole || runs.length >= QCOW2_RUNS_MAX) return undefined;
        if (last?.at !== undefined && follows(last, piece.at, offset)) last.length += piece.length;
        else runs.push({ at: piece.at, offset, length: piece.length });
        break;
      }
    }
    offset += piece.length;
    await pace.spend(64);
  }
  return runs;
}

function follows(last: FileRun, at: number, offset: number): boolean {
  return last.at + last.length === at && last.offset + last.length === offset;
}

/** Undefined: some of them have passed already, or lie over each other. */
function inFileOrder(runs: FileRun[], kept: number): readonly FileRun[] | undefined {
  const isSorted = runs.every((run, index) => index === 0 || (runs[index - 1]?.at ?? 0) < run.at);
  if (!isSorted) runs.sort((one, other) => one.at - other.at);
  let position = kept;
  for (const run of runs) {
    if (run.at < position) return undefined;
    position = run.at + run.length;
  }
  return runs;
}

async function writePassing(
  { feed, writer, pace }: ImportJob,
  runs: readonly FileRun[],
  start: number,
  size: number,
): Promise<void> {
  const total = runs.reduce((sum, run) => sum + run.length, 0);
  let position = start;
  let done = 0;
  for (const run of runs) {
    await feed.skip(run.at - position, 'what is between two clusters');
    for (let at = 0; at < run.length; ) {
      const window = Buffer.allocUnsafeSlow(Math.min(IMPORT_WINDOW_BYTES, run.length - at));
      const got = await feed.fill(window);
      // The last cluster of a file may be cut short: QEMU writes no more than was written to it.
      if (got < window.length) {
        if (run !== runs.at(-1)) throw endsEarly(feed.position, 'a cluster');
        if ((await feed.some(1)) !== undefined) throw new Fault('INTERNAL', 'the feed went on');
        window.fill(0, got);
      }
      await writer.writeInside(window.subarray(0, size - run.offset - at), run.offset + at);
      at += window.length;
      done += window.length;
      pace.reach(done, total);
      await pace.spend(window.length);
    }
    position = run.at + run.length;
  }
}

/** All of it is kept first: its tables may be anywhere. */
async function writeKept(job: ImportJob, reader: Qcow2Reader, spool: ImageSpool): Promise<void> {
  const { writer, pace, length } = job;
  await spool.keepUpTo(Number.MAX_SAFE_INTEGER);
  if (length !== undefined && spool.kept < length) throw endsEarly(spool.kept, 'the image');
  const { size } = reader;
  for (let offset = 0; offset < size; ) {
    const piece = await reader.locate(offset, size - offset);
    switch (piece.kind) {
      case 'parent':
        offset += piece.length;
        break;
      case 'zero':
        await writer.clear(offset, piece.length);
        offset += piece.length;
        break;
      case 'stored':
      case 'packed': {
        const end = await dataEnd(reader, offset + piece.length, offset);
        const window = Buffer.allocUnsafeSlow(end - offset);
        await reader.read(window, offset);
        await writer.writeInside(window, offset);
        offset = end;
        break;
      }
    }
    pace.reach(offset, size);
    await pace.spend(ZERO_UNIT_BYTES);
  }
}

/** Pieces with data that follow each other are written together, up to a window. */
async function dataEnd(reader: Qcow2Reader, from: number, start: number): Promise<number> {
  const most = Math.min(reader.size, start + IMPORT_WINDOW_BYTES);
  let end = Math.min(from, most);
  while (end < most) {
    const piece = await reader.locate(end, most - end);
    if (piece.kind !== 'stored' && piece.kind !== 'packed') break;
    end += piece.length;
  }
  return end;
}
