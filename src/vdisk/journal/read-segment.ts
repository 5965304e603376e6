/** Reads what a crash left in a segment of the flush journal. */
import type { BlockDevice } from '../../block/index.ts';
import {
  decodeRecord,
  decodeSegmentHeader,
  type JournalRecord,
  pageAligned,
  type SegmentHeader,
} from './journal-format.ts';
import { JOURNAL_BATCH_BYTES, JOURNAL_PAGE_BYTES, JOURNAL_PIECE_BYTES } from './limits.ts';

/** The header; undefined when the segment holds nothing. */
export async function readSegmentHeader(segment: BlockDevice): Promise<SegmentHeader | undefined> {
  const page = Buffer.alloc(Math.min(JOURNAL_PAGE_BYTES, segment.geometry.size));
  await segment.read(page, 0);
  return decodeSegmentHeader(page);
}

export interface FoundRecord extends JournalRecord {
  /** Where its data begins in the segment; it is as long as `data`. */
  readonly dataAt: number;
}

/** Every whole record, in the order of writing. A record's data is valid until the next is asked for. */
export async function* readRecords(
  segment: BlockDevice,
  { epoch }: SegmentHeader,
): AsyncGenerator<FoundRecord> {
  const { size } = segment.geometry;
  const window = Buffer.alloc(Math.min(size, JOURNAL_PIECE_BYTES + JOURNAL_BATCH_BYTES));
  let windowAt = 0;
  let bytes = window.subarray(0, 0);
  for (let pageAt = JOURNAL_PAGE_BYTES; pageAt < size; ) {
    // No batch is longer: what begins at this page is in the window as a whole.
    if (pageAt + Math.min(JOURNAL_BATCH_BYTES, size - pageAt) > windowAt + bytes.length) {
      windowAt = pageAt;
      bytes = window.subarray(0, Math.min(window.length, size - pageAt));
      await segment.read(bytes, pageAt);
    }
    const start = pageAt - windowAt;
    let at = start;
    let record = decodeRecord(bytes, at, epoch);
    while (record !== undefined) {
      at += record.length;
      yield { ...record, dataAt: windowAt + at - record.data.length };
      // A batch may have ended here, with no space before the next: look at that with a window of its own.
      if (at % JOURNAL_PAGE_BYTES === 0) break;
      record = decodeRecord(bytes, at, epoch);
    }
    if (at === start) return;
    pageAt += pageAligned(at - start);
  }
}
