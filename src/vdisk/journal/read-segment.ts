/** Reads what a crash left in a segment of the flush journal. */
import type { BlockDevice } from '../../block/index.ts';
import {
  decodeClaim,
  decodePlace,
  decodeRecord,
  decodeSegmentHeader,
  epochAt,
  type JournalRecord,
  pageAligned,
  type RecordClaim,
  type SegmentHeader,
} from './journal-format.ts';
import {
  JOURNAL_BATCH_BYTES,
  JOURNAL_DAMAGE_BYTES,
  JOURNAL_PAGE_BYTES,
  JOURNAL_PIECE_BYTES,
} from './limits.ts';

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

/** What was on stable storage, and is not whole any more. */
export interface JournalDamage {
  /** Bytes of the segment: [from, to). */
  readonly from: number;
  readonly to: number;
  /** Whose flushed writes were there, as far as it can be read; there may have been others. */
  readonly claims: readonly RecordClaim[];
}

/**
 * Every whole record, in the order of writing. A record's data is valid until the next is asked for.
 * @param damaged called for what is not whole though a later batch is: no crash does that. The reading goes on with
 *   that batch. Not called for a batch that was being written when the host died.
 */
export async function* readRecords(
  segment: BlockDevice,
  { epoch }: SegmentHeader,
  damaged: (damage: JournalDamage) => void = () => undefined,
): AsyncGenerator<FoundRecord> {
  const { size } = segment.geometry;
  const window = new Window(segment);
  for (let pageAt = JOURNAL_PAGE_BYTES; pageAt < size; ) {
    const bytes = await window.at(pageAt);
    const batch = readBatch(bytes, epoch, pageAt);
    for (const found of batch.records) yield found;
    const next = pageAt + pageAligned(batch.end);
    if (batch.isWhole) {
      pageAt = next;
      continue;
    }
    const later = await findLaterBatch(segment, epoch, next);
    if (later === undefined) return;
    // Found again: the window has moved on.
    const gap = await window.at(pageAt);
    const end = Math.min(gap.length, later - pageAt);
    const { claims, records } = salvage(gap.subarray(0, end), epoch, batch.end, pageAt);
    for (const found of records) yield found;
    damaged({ from: pageAt + batch.end, to: later, claims });
    pageAt = later;
  }
}

/**
 * Of a segment without a header that could be read: what its records say. The header is on disk before the first of
 * them is written, so that no crash takes it away. Undefined: there are none, and it was never begun.
 */
export async function readWithoutHeader(segment: BlockDevice): Promise<JournalDamage | undefined> {
  const window = new Window(segment);
  const claims: RecordClaim[] = [];
  let to = 0;
  const { size } = segment.geometry;
  for (let pageAt = JOURNAL_PAGE_BYTES; pageAt < Math.min(size, to + JOURNAL_DAMAGE_BYTES); ) {
    const bytes = await window.at(pageAt);
    const { records, end } = readBatch(bytes, epochAt(bytes), pageAt);
    const isOurs = records.length > 0 && decodePlace(bytes, 0, pageAt)?.batchAt === pageAt;
    if (isOurs) {
      for (const { key, incarnation, sequence } of records) {
        claims.push({ key, incarnation, sequence });
      }
      to = pageAt + end;
    }
    pageAt += isOurs ? pageAligned(end) : JOURNAL_PAGE_BYTES;
  }
  return to === 0 ? undefined : { from: 0, to, claims };
}

interface Batch {
  readonly records: readonly FoundRecord[];
  /** Where the last of them ends, from the beginning of the batch. */
  readonly end: number;
  /** As far as it can be told without looking at what is behind it. */
  readonly isWhole: boolean;
}

/** @param bytes from the beginning of the batch at `pageAt` on */
function readBatch(bytes: Buffer, epoch: number, pageAt: number): Batch {
  const records: FoundRecord[] = [];
  let end = 0;
  let moreFollow = false;
  for (;;) {
    const record = decodeRecord(bytes, end, epoch);
    if (record === undefined) break;
    const place = decodePlace(bytes, end, pageAt + end);
    end += record.length;
    records.push({ ...record, dataAt: pageAt + end - record.data.length });
    moreFollow = place?.moreFollow === true;
    // An older service does not say where its batches end: where there is no space left, one may have.
    if (place === undefined ? end % JOURNAL_PAGE_BYTES === 0 : !moreFollow) break;
  }
  return { records, end, isWhole: records.length > 0 && !moreFollow };
}

/** Where the first batch at `from` or behind it begins that is there, with its first record at least. */
async function findLaterBatch(
  segment: BlockDevice,
  epoch: number,
  from: number,
): Promise<number | undefined> {
  const window = new Window(segment);
  const end = Math.min(segment.geometry.size, from + JOURNAL_DAMAGE_BYTES);
  for (let pageAt = from; pageAt < end; pageAt += JOURNAL_PAGE_BYTES) {
    const bytes = await window.at(pageAt);
    if (decodeRecord(bytes, 0, epoch) === undefined) continue;
    // Another record of a torn batch may begin at a page; one that says nothing may be that.
    if (decodePlace(bytes, 0, pageAt)?.batchAt === pageAt) return pageAt;
  }
  return undefined;
}

/** What can still be read of batches that are damaged: whole records, and whose the others are. */
function salvage(
  bytes: Buffer,
  epoch: number,
  from: number,
  pageAt: number,
): { readonly claims: readonly RecordClaim[]; readonly records: readonly FoundRecord[] } {
  const claims: RecordClaim[] = [];
  const records: FoundRecord[] = [];
  for (let at = from; at < bytes.length; ) {
    const claim = decodeClaim(bytes, at, epoch);
    if (claim === undefined) {
      // To where a batch, or a record that begins with a page, may go on.
      at = pageAligned(at + 1);
      continue;
    }
    const { length, ...whose } = claim;
    const record = decodeRecord(bytes, at, epoch);
    at += length;
    if (record === undefined) claims.push(whose);
    else records.push({ ...record, dataAt: pageAt + at - record.data.length });
  }
  return { claims, records };
}

/** A part of a segment that is long enough for a batch, wherever that begins in it. */
class Window {
  readonly #segment: BlockDevice;
  readonly #buffer: Buffer;
  #at = 0;
  #bytes: Buffer;

  constructor(segment: BlockDevice) {
    this.#segment = segment;
    const { size } = segment.geometry;
    this.#buffer = Buffer.alloc(Math.min(size, JOURNAL_PIECE_BYTES + JOURNAL_BATCH_BYTES));
    this.#bytes = this.#buffer.subarray(0, 0);
  }

  /** From there on; as a whole the batch that begins there, for none is longer. Valid until the next call. */
  async at(position: number): Promise<Buffer> {
    const { size } = this.#segment.geometry;
    const needed = position + Math.min(JOURNAL_BATCH_BYTES, size - position);
    if (position < this.#at || needed > this.#at + this.#bytes.length) {
      this.#at = position;
      this.#bytes = this.#buffer.subarray(0, Math.min(this.#buffer.length, size - position));
      await this.#segment.read(this.#bytes, position);
    }
    return this.#bytes.subarray(position - this.#at);
  }
}
