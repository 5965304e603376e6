/**
 * A segment of the flush journal.
 *
 *     0       header: magic, version, epoch, the boot of the host in which it was begun
 *     4096    batches, each at a page boundary and filled up with zeroes to the next
 *
 * A batch is one or more records. A record holds what one flush of one overlay has to make durable:
 *
 *     0   4 magic | 4 crc32 of everything behind it | 4 length of all | 4 number of ranges
 *     16  8 epoch | 8 sequence
 *     32  8 incarnation | 4 length of the key | 4 place in its batch
 *     48  key, filled up to 8 bytes
 *     …   ranges: 4 first block | 4 end block
 *     …   the blocks' bytes, in order of the ranges; a disk's last block may be short; up to 8 bytes
 *
 * Little-endian; epoch and sequence as doubles. The epoch is drawn by chance when a segment is begun, and its header is on
 * disk before anything else of it: what an earlier use of the segment left behind has another one, and ends the reading.
 *
 * So does a record that is not whole, and there are two kinds of them. Batches are written one after the other, each when
 * the one before is on disk. In the last one any page may be missing after a crash, whichever others of it are there; none
 * of it was acknowledged. In any other everything was, and what is not whole is damaged. Whether a batch is the last one is
 * seen from whether a whole record of a later one is there, for which each says where its batch begins:
 *
 *     bits 0–15   pages from the batch's first to the one in which the record begins
 *     bit 30      more records of the batch follow
 *     bit 31      it says so: one that was written by an older service says nothing
 */
import { crc32 } from 'node:zlib';
import {
  JOURNAL_BATCH_BYTES,
  JOURNAL_KEY_BYTES,
  JOURNAL_PAGE_BYTES,
  JOURNAL_RECORD_RANGES,
} from './limits.ts';

const SEGMENT_MAGIC = Buffer.from('RCASTJRN', 'latin1');
const VERSION = 1;
const BOOT_BYTES = 64;
const HEADER_BYTES = 512;

const RECORD_MAGIC = 0x524a4352; // "RCJR"
const FIXED_BYTES = 48;
const CHECKED_FROM = 8;

const PAGES_MASK = 0xffff;
const MORE_FOLLOW = 2 ** 30;
const SAYS_SO = 2 ** 31;

export interface SegmentHeader {
  readonly epoch: number;
  readonly bootId: string;
}

/** Blocks [from, to). */
export interface BlockSpan {
  readonly from: number;
  readonly to: number;
}

export interface JournalRecord {
  /** Names the overlay. */
  readonly key: string;
  /** Names its making: another overlay may get the same key later. */
  readonly incarnation: bigint;
  /** Counts the overlay's journalled flushes. */
  readonly sequence: number;
  readonly ranges: readonly BlockSpan[];
  readonly data: Buffer;
}

/** Where a record is in its batch. */
export interface BatchPlace {
  /** Where the batch begins in the segment, in bytes. */
  readonly batchAt: number;
  readonly moreFollow: boolean;
}

const aligned = (bytes: number, unit: number): number => Math.ceil(bytes / unit) * unit;

export const pageAligned = (bytes: number): number => aligned(bytes, JOURNAL_PAGE_BYTES);

export function encodeSegmentHeader({ epoch, bootId }: SegmentHeader): Buffer {
  const page = Buffer.alloc(JOURNAL_PAGE_BYTES);
  const name = Buffer.from(bootId, 'utf8');
  if (name.length < 1 || name.length > BOOT_BYTES) {
    throw new RangeError(`a boot id of ${name.length} bytes: 1 to ${BOOT_BYTES}`);
  }
  SEGMENT_MAGIC.copy(page, 0);
  page.writeUInt32LE(VERSION, 8);
  page.writeUInt32LE(name.length, 12);
  page.writeDoubleLE(epoch, 16);
  name.copy(page, 24);
  page.writeUInt32LE(crc32(page.subarray(0, HEADER_BYTES - 4)), HEADER_BYTES - 4);
  return page;
}

/** Undefined for a segment that holds nothing: never begun, emptied, or damaged in its header. */
export function decodeSegmentHeader(page: Buffer): SegmentHeader | undefined {
  if (page.length < HEADER_BYTES || !page.subarray(0, 8).equals(SEGMENT_MAGIC)) return undefined;
  const sum = page.readUInt32LE(HEADER_BYTES - 4);
  const length = page.readUInt32LE(12);
  const valid = crc32(page.subarray(0, HEADER_BYTES - 4)) === sum;
  if (!valid || page.readUInt32LE(8) !== VERSION || length > BOOT_BYTES) return undefined;
  return { epoch: page.readDoubleLE(16), bootId: page.toString('utf8', 24, 24 + length) };
}

/** Bytes of a record in the journal. */
export function recordBytes(record: Pick<JournalRecord, 'key' | 'ranges' | 'data'>): number {
  const key = aligned(Buffer.byteLength(record.key), 8);
  return aligned(FIXED_BYTES + key + record.ranges.length * 8 + record.data.length, 8);
}

/** Whether whoever reads the journal would take it for a record, and it fits into a batch. */
export function isWritable(record: JournalRecord): boolean {
  const keyLength = Buffer.byteLength(record.key);
  return (
    keyLength >= 1 &&
    keyLength <= JOURNAL_KEY_BYTES &&
    record.ranges.length <= JOURNAL_RECORD_RANGES &&
    recordBytes(record) <= JOURNAL_BATCH_BYTES
  );
}

/**
 * Writes a record of a batch that begins where `target` does.
 * @returns its end
 */
export function encodeRecord(
  target: Buffer,
  at: number,
  epoch: number,
  record: JournalRecord,
  moreFollow: boolean,
): number {
  const length = recordBytes(record);
  const end = at + length;
  const keyLength = Buffer.byteLength(record.key);
  target.writeUInt32LE(RECORD_MAGIC, at);
  target.writeUInt32LE(length, at + 8);
  target.writeUInt32LE(record.ranges.length, at + 12);
  target.writeDoubleLE(epoch, at + 16);
  target.writeDoubleLE(record.sequence, at + 24);
  target.writeBigUInt64LE(record.incarnation, at + 32);
  target.writeUInt32LE(keyLength, at + 40);
  const pages = Math.floor(at / JOURNAL_PAGE_BYTES);
  target.writeUInt32LE(SAYS_SO + (moreFollow ? MORE_FOLLOW : 0) + pages, at + 44);
  let position = at + FIXED_BYTES;
  const rangesAt = position + aligned(keyLength, 8);
  target.fill(0, position, rangesAt);
  target.write(record.key, position, 'utf8');
  position = rangesAt;
  for (const { from, to } of record.ranges) {
    target.writeUInt32LE(from, position);
    target.writeUInt32LE(to, position + 4);
    position += 8;
  }
  position += record.data.copy(target, position);
  target.fill(0, position, end);
  target.writeUInt32LE(crc32(target.subarray(at + CHECKED_FROM, end)), at + 4);
  return end;
}

export interface DecodedRecord extends JournalRecord {
  /** Bytes of it in the journal. */
  readonly length: number;
}

/**
 * The record at `at`; undefined when there is none, or none that is whole.
 * @param source must hold all of the record, or the end of the segment
 */
export function decodeRecord(source: Buffer, at: number, epoch: number): DecodedRecord | undefined {
  const head = decodeHead(source, at, epoch);
  if (head === undefined) return undefined;
  const { length, dataAt, count } = head;
  const sum = source.readUInt32LE(at + 4);
  if (crc32(source.subarray(at + CHECKED_FROM, at + length)) !== sum) return undefined;
  const ranges: BlockSpan[] = [];
  for (let position = at + dataAt - count * 8; position < at + dataAt; position += 8) {
    const range = { from: source.readUInt32LE(position), to: source.readUInt32LE(position + 4) };
    ranges.push(range);
  }
  return {
    ...claimOf(source, at),
    ranges,
    data: source.subarray(at + dataAt, at + length),
    length,
  };
}

/** Whose a record is. */
export type RecordClaim = Pick<JournalRecord, 'key' | 'incarnation' | 'sequence'>;

/** Of a record that is damaged: whose it says it is, if what it says can be true. Its sum is not looked at. */
export function decodeClaim(
  source: Buffer,
  at: number,
  epoch: number,
): (RecordClaim & { readonly length: number }) | undefined {
  const head = decodeHead(source, at, epoch);
  return head === undefined ? undefined : { ...claimOf(source, at), length: head.length };
}

function claimOf(source: Buffer, at: number): RecordClaim {
  const keyLength = source.readUInt32LE(at + 40);
  return {
    key: source.toString('utf8', at + FIXED_BYTES, at + FIXED_BYTES + keyLength),
    incarnation: source.readBigUInt64LE(at + 32),
    sequence: source.readDoubleLE(at + 24),
  };
}

/**
 * Where the whole record at `at` is in its batch; undefined: an older service wrote it.
 * @param position of the record in the segment
 */
export function decodePlace(source: Buffer, at: number, position: number): BatchPlace | undefined {
  const place = source.readUInt32LE(at + 44);
  if (place < SAYS_SO) return undefined;
  const page = Math.floor(position / JOURNAL_PAGE_BYTES) - (place & PAGES_MASK);
  return { batchAt: page * JOURNAL_PAGE_BYTES, moreFollow: (place & MORE_FOLLOW) !== 0 };
}

/** Of the record at the beginning, if there is one. */
export function epochAt(source: Buffer): number {
  return source.length < FIXED_BYTES ? 0 : source.readDoubleLE(16);
}

interface RecordHead {
  /** Of the whole record. */
  readonly length: number;
  /** Where its data begins, from the record's beginning. */
  readonly dataAt: number;
  /** Of its ranges. */
  readonly count: number;
}

function decodeHead(source: Buffer, at: number, epoch: number): RecordHead | undefined {
  if (source.length - at < FIXED_BYTES || source.readUInt32LE(at) !== RECORD_MAGIC)
    return undefined;
  const length = source.readUInt32LE(at + 8);
  const count = source.readUInt32LE(at + 12);
  const keyLength = source.readUInt32LE(at + 40);
  const dataAt = FIXED_BYTES + aligned(keyLength, 8) + count * 8;
  const sane =
    keyLength >= 1 &&
    keyLength <= JOURNAL_KEY_BYTES &&
    count <= JOURNAL_RECORD_RANGES &&
    length >= dataAt &&
    length <= source.length - at;
  if (!sane || source.readDoubleLE(at + 16) !== epoch) return undefined;
  return { length, dataAt, count };
}
