/** Reads what a crash left in a segment of the flush journal. */
import type { BlockDevice } from '../../block/index.ts';
import {
  decodeRecord,
  decodeSegmentHeader,
  type JournalRecord,
  pageAligned,
  type SegmentHeader,
} from './journal-format.ts';
import { JOURNAL_BATCH_BYTES, JOURNAL_PAGE_BYTES } from './limits.ts';

/** The header; undefined when the segment holds nothing. */
export async function readSegmentHeader(segment: BlockDevice): Promise<SegmentHeader | undefined> {
  const page = Buffer.alloc(Math.min(JOURNAL_PAGE_BYTES, segment.geometry.size));
  await segment.read(page, 0);
  return decodeSegmentHeader(page);
}

/** Every whole record, in the order of writing. A record's data is valid until the next is asked for. */
export async function* readRecords(
  segment: BlockDevice,
  { epoch }: SegmentHeader,
): AsyncGenerator<JournalRecord> {
  const { size } = segment.geometry;
  // A batch is never longer, so a window that begins with one holds all of it.
  const window = Buffer.alloc(JOURNAL_BATCH_BYTES);
  let batchAt = JOURNAL_PAGE_BYTES;
  while (batchAt < size) {
    const bytes = window.subarray(0, Math.min(window.length, size - batchAt));
    await segment.read(bytes, batchAt);
    let at = 0;
    for (let record = decodeRecord(bytes, at, epoch); record !== undefined; ) {
      yield record;
      at += record.length;
      record = decodeRecord(bytes, at, epoch);
    }
    if (at === 0) return;
    batchAt += pageAligned(at);
  }
}
