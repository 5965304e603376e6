/**
 * A block of the journal (docs/CARVED.md): whole records, never written a second time in its generation. What was
 * acknowledged is therefore never torn by a later write.
 */
import { crc32 } from 'node:zlib';
import { METADATA_BLOCK_BYTES } from './limits.ts';
import { decodeRecord, encodeRecord, type MetadataRecord, recordLength } from './records.ts';
import { readNumber, writeNumber } from './superblock.ts';

/** A place in the journals: so many blocks of that generation. */
export interface JournalPosition {
  readonly generation: number;
  readonly blocks: number;
}

export interface JournalBlock {
  readonly generation: number;
  readonly index: number;
  /** How many blocks the generation before had. */
  readonly previousBlocks: number;
  /** Known to be on stable storage when this block was written. */
  readonly stable: JournalPosition;
  readonly records: readonly MetadataRecord[];
}

const MAGIC = 0x4a524352; // "RCRJ"
const HEAD = 64;
const PAYLOAD = METADATA_BLOCK_BYTES - HEAD;

/** Groups records into as few blocks as hold them. */
export function splitIntoBlocks(records: readonly MetadataRecord[]): MetadataRecord[][] {
  const blocks: MetadataRecord[][] = [];
  let room = 0;
  for (const record of records) {
    const length = recordLength(record);
    if (length > room) {
      blocks.push([]);
      room = PAYLOAD;
    }
    blocks.at(-1)?.push(record);
    room -= length;
  }
  return blocks;
}

export function encodeJournalBlock(block: JournalBlock, formatId: string): Buffer {
  const bytes = Buffer.alloc(METADATA_BLOCK_BYTES);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.write(formatId, 8, 16, 'hex');
  writeNumber(bytes, block.generation, 24);
  bytes.writeUInt32LE(block.index, 32);
  bytes.writeUInt32LE(block.previousBlocks, 36);
  writeNumber(bytes, block.stable.generation, 40);
  bytes.writeUInt32LE(block.stable.blocks, 48);
  let at = HEAD;
  for (const record of block.records) at = encodeRecord(record, bytes, at);
  bytes.writeUInt32LE(at - HEAD, 52);
  bytes.writeUInt32LE(crc32(bytes), 4);
  return bytes;
}

/**
 * @param bytes METADATA_BLOCK_BYTES bytes; any content
 * @returns undefined: no block of this format that was written whole
 */
export function decodeJournalBlock(bytes: Buffer, formatId: string): JournalBlock | undefined {
  if (bytes.length !== METADATA_BLOCK_BYTES || bytes.readUInt32LE(0) !== MAGIC) return undefined;
  if (bytes.toString('hex', 8, 24) !== formatId) return undefined;
  const checksum = bytes.readUInt32LE(4);
  const rest = crc32(bytes.subarray(8), crc32(Buffer.alloc(4), crc32(bytes.subarray(0, 4))));
  if (rest !== checksum) return undefined;
  const generation = readNumber(bytes, 24);
  const stableGeneration = readNumber(bytes, 40);
  const used = bytes.readUInt32LE(52);
  if (generation < 0 || stableGeneration < 0 || used > PAYLOAD) return undefined;
  const records: MetadataRecord[] = [];
  for (let at = HEAD; at < HEAD + used; ) {
    const found = decodeRecord(bytes, at, HEAD + used);
    if (found === undefined) return undefined;
    records.push(found.record);
    at = found.end;
  }
  return {
    generation,
    index: bytes.readUInt32LE(32),
    previousBlocks: bytes.readUInt32LE(36),
    stable: { generation: stableGeneration, blocks: bytes.readUInt32LE(48) },
    records,
  };
}
