/**
 * The journal mark of an overlay's map: which making of the overlay this is, and up to which journalled
 * flush its own volumes hold everything. Records of the flush journal up to it, and those of another
 * making, mean nothing any more.
 *
 * Two copies take turns in the header's page, so that one torn by the death of the host leaves the
 * other. An overlay made before there was a journal has none; it gets one when it is opened.
 *
 *     0   magic | 8 sequence (a double) | 8 incarnation | … | 4 crc32 of everything before it
 */
import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { type BlockDevice, PLAIN } from '../../block/index.ts';

const MAGIC = Buffer.from('RCASTMRK', 'latin1');
const MARK_BYTES = 512;
const OFFSETS = [1024, 1024 + MARK_BYTES] as const;

export interface JournalMark {
  readonly incarnation: bigint;
  /** Compared with mark sequences that went before: the larger one counts. */
  readonly sequence: number;
}

export function newIncarnation(): bigint {
  return randomBytes(8).readBigUInt64LE();
}

function encode({ incarnation, sequence }: JournalMark): Buffer {
  const bytes = Buffer.alloc(MARK_BYTES);
  MAGIC.copy(bytes, 0);
  bytes.writeDoubleLE(sequence, 8);
  bytes.writeBigUInt64LE(incarnation, 16);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, MARK_BYTES - 4)), MARK_BYTES - 4);
  return bytes;
}

function decode(bytes: Buffer): JournalMark | undefined {
  const intact = crc32(bytes.subarray(0, MARK_BYTES - 4)) === bytes.readUInt32LE(MARK_BYTES - 4);
  if (!intact || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  return { incarnation: bytes.readBigUInt64LE(16), sequence: bytes.readDoubleLE(8) };
}

/** The newest mark, and in which of the copies it is; undefined when there is none. */
export async function readJournalMark(
  map: BlockDevice,
): Promise<(JournalMark & { readonly copy: number }) | undefined> {
  const bytes = Buffer.alloc(MARK_BYTES);
  let newest: (JournalMark & { readonly copy: number }) | undefined;
  for (const [copy, offset] of OFFSETS.entries()) {
    await map.read(bytes, offset);
    const mark = decode(bytes);
    if (mark !== undefined && (newest === undefined || mark.sequence > newest.sequence)) {
      newest = { ...mark, copy };
    }
  }
  return newest;
}

/**
 * The same, and it is on disk. A process that was killed between writing and syncing it leaves a mark that
 * is read and may be gone after the death of the host: the records that it makes meaningless would come back,
 * over what was flushed since.
 */
export async function readDurableMark(
  map: BlockDevice,
): Promise<(JournalMark & { readonly copy: number }) | undefined> {
  const mark = await readJournalMark(map);
  if (mark === undefined) return undefined;
  // Written once more, for a kernel that gave up writing it and takes it for clean. The same bytes
  // cannot be torn.
  await writeJournalMark(map, mark, mark.copy);
  await map.flush();
  return mark;
}

/**
 * Not durable until the map is flushed.
 * @param copy not the one that holds the newest mark
 */
export async function writeJournalMark(
  map: BlockDevice,
  mark: JournalMark,
  copy: number,
): Promise<void> {
  await map.write(encode(mark), OFFSETS[copy & 1] ?? OFFSETS[0], PLAIN);
}
