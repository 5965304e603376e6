/**
 * A VHD as it comes. The table says where in the file which block is, and the blocks are taken in the order of the
 * file, whatever order of the disk that is.
 *
 * - fixed: the disk, and a footer behind it.
 * - dynamic: what the image has no block or no written sector for is zeroes.
 * - differencing: what it has no block or no written sector for is left as it is: it is applied to a disk that holds
 *   what the parent held.
 *
 * Source: Microsoft "Virtual Hard Disk Image Format Specification", version 1.0 (October 2006).
 */
import {
  isVhdFooter,
  parseVhdFooter,
  parseVhdHeader,
  VHD_FOOTER_BYTES,
  VHD_HEADER_BYTES,
  VHD_SECTOR_BYTES,
  type VhdFooter,
  vhdBitmapBytes,
} from '../../vdisk/index.ts';
import { invalidImage, unsupportedImage } from './image-fault.ts';
import type { ImportJob } from './image-target.ts';
import { IMPORT_WINDOW_BYTES, VHD_TAIL_BYTES_MAX } from './limits.ts';
import { sectorRuns } from './sector-runs.ts';
import { type FileBlock, VhdTable } from './vhd-table.ts';

const NAME = 'the image that was sent';

/** @throws Fault IMAGE_INVALID, IMAGE_UNSUPPORTED; BlockError */
export async function importVhd(job: ImportJob): Promise<void> {
  const first = await job.feed.exactly(VHD_FOOTER_BYTES, 'its first sector');
  const footer = isVhdFooter(first) ? parseVhdFooter(NAME, first) : undefined;
  if (footer === undefined || footer.kind === 'fixed') await importFixed(job, first);
  else await importSparse(job, footer);
}

/** The last sector that came may be the footer, so it is held back. */
async function importFixed({ feed, writer, pace }: ImportJob, first: Buffer): Promise<void> {
  let held = first;
  let at = 0;
  for (;;) {
    const window = Buffer.allocUnsafeSlow(VHD_FOOTER_BYTES + IMPORT_WINDOW_BYTES);
    held.copy(window);
    const got = await feed.fill(window.subarray(VHD_FOOTER_BYTES));
    if (got === 0) break;
    held = Buffer.from(window.subarray(got, got + VHD_FOOTER_BYTES));
    await writer.writeInside(window.subarray(0, got), at);
    at += got;
    pace.reach(at, writer.size);
    await pace.spend(got);
  }
  if (!isVhdFooter(held)) {
    throw invalidImage('footer', 'not there', 'one in front, or in its last 512 bytes');
  }
  const { kind, size } = parseVhdFooter(NAME, held);
  if (kind !== 'fixed') throw invalidImage('disk type', kind, 'fixed: it begins without a footer');
  if (size > at) throw invalidImage('current size', size, `at most ${at}, what was sent`);
}

async function importSparse(job: ImportJob, footer: VhdFooter): Promise<void> {
  const { feed, length = Number.POSITIVE_INFINITY, writer, pace } = job;
  const toHeader = Number(footer.dataOffset) - feed.position;
  if (!(toHeader >= 0 && toHeader <= VHD_TAIL_BYTES_MAX)) {
    throw invalidImage('data offset', Number(footer.dataOffset), 'soon behind the first footer');
  }
  await feed.skip(toHeader, 'what is before the header');
  const head = await feed.exactly(VHD_HEADER_BYTES, 'the dynamic header');
  const header = parseVhdHeader(NAME, head, footer.size, length);
  if (header.tableOffset < feed.position) {
    throw unsupportedImage(
      'table offset',
      header.tableOffset,
      'only one behind the header is read',
    );
  }
  await feed.skip(header.tableOffset - feed.position, 'what is before the table');
  const bytes = await feed.exactly(header.tableEntries * 4, 'the block allocation table');
  const table = new VhdTable(bytes, header.blockBytes);
  pace.check();
  if (footer.kind === 'dynamic') {
    for (const run of table.absentRuns(Math.min(footer.size, writer.size))) {
      await writer.clear(run.offset, run.length);
      await pace.spend(header.blockBytes);
    }
  }
  let done = 0;
  for (const block of table.inFileOrder()) {
    if (block.at < feed.position) {
      throw invalidImage(`offset of block ${block.index}`, block.at, `${feed.position} or more`);
    }
    await feed.skip(block.at - feed.position, 'what is between two blocks');
    await importBlock(job, footer, block, header.blockBytes);
    done += 1;
    pace.reach(done, table.present);
  }
  await findFooter(job, footer);
  pace.reach(1, 1);
}

async function importBlock(
  { feed, writer, pace }: ImportJob,
  footer: VhdFooter,
  { index }: FileBlock,
  blockBytes: number,
): Promise<void> {
  const what = `block ${index}`;
  const bitmap = await feed.exactly(vhdBitmapBytes(blockBytes), `the sector bitmap of ${what}`);
  const offset = index * blockBytes;
  for (let at = 0; at < blockBytes; at += IMPORT_WINDOW_BYTES) {
    const window = Buffer.allocUnsafeSlow(Math.min(IMPORT_WINDOW_BYTES, blockBytes - at));
    await feed.fillExactly(window, what);
    // Sectors behind the end of the disk are there in the file, and mean nothing.
    const end = Math.min(window.length, footer.size - offset - at);
    for (const run of sectorRuns(bitmap, at / VHD_SECTOR_BYTES, window.length)) {
      const stop = Math.min(run.end, end);
      if (run.start >= stop) break;
      const place = offset + at + run.start;
      if (run.isWritten) await writer.writeInside(window.subarray(run.start, stop), place);
      else if (footer.kind === 'dynamic') await writer.clear(place, stop - run.start);
    }
    await pace.spend(window.length);
  }
}

/** The end is there when the footer is: a table of changed blocks, or nothing, may lie before it. */
async function findFooter({ feed }: ImportJob, footer: VhdFooter): Promise<void> {
  const past = feed.position % VHD_SECTOR_BYTES;
  if (past > 0) await feed.skip(VHD_SECTOR_BYTES - past, 'the table');
  const sector = Buffer.alloc(VHD_FOOTER_BYTES);
  for (let passed = 0; passed <= VHD_TAIL_BYTES_MAX; passed += sector.length) {
    await feed.fillExactly(sector, 'what is before the last footer');
    if (!isVhdFooter(sector)) continue;
    const last = parseVhdFooter(NAME, sector);
    if (last.kind === footer.kind && last.size === footer.size) return;
    throw invalidImage('last footer', `${last.kind}, ${last.size} bytes`, 'the same as in front');
  }
  const detail = `more than ${VHD_TAIL_BYTES_MAX} bytes (VHD_TAIL_BYTES_MAX) before its last footer`;
  throw unsupportedImage('length', feed.position, detail);
}
