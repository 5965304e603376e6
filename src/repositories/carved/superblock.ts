/**
 * The superblock (docs/CARVED.md): what the device is, whose it is, and where its metadata lies. Little-endian.
 * Written to two places one after the other, with a flush after each; the valid one with the higher sequence counts.
 */
import { crc32 } from 'node:zlib';
import { MAXIMUM_DEVICE_BYTES } from '../../block/index.ts';
import { VOLUME_ID_LENGTH } from '../limits.ts';
import { extentsOn, isExtentSize, type Layout, regionBytes } from './layout.ts';
import {
  CARVED_EXTENTS,
  CARVED_EXTENTS_FEWEST,
  JOURNAL_BLOCKS_MOST,
  METADATA_BLOCK_BYTES,
  OWNER_BYTES,
} from './limits.ts';

export const SUPERBLOCK_MAGIC: Buffer = Buffer.from('RCCARVED', 'latin1');
export const FORMAT_VERSION = 1;

export interface Superblock extends Layout {
  /** Grows with every version of this block. */
  readonly sequence: number;
  /** 32 hexadecimal digits, made at creation: blocks of an earlier carving are not taken for ours. */
  readonly formatId: string;
  readonly repositoryId: string;
  /** The server that may write. */
  readonly owner: string;
  /** Fencing epoch: grows each time the device is attached. */
  readonly epoch: number;
  /** 32 hexadecimal digits, made at each attach. */
  readonly attachToken: string;
  /** false: its owner has closed it. */
  readonly attached: boolean;
  /** Its owner has taken it from another server, and has not waited yet until that one has noticed. Only of one that is attached. */
  readonly takingOver: boolean;
  /** Bytes, as far as extents are counted. */
  readonly deviceSize: number;
  /** Checkpoints of generations below it are of an earlier life. */
  readonly minimumGeneration: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly attachedAt: number;
}

export type SuperblockReading =
  | { readonly kind: 'superblock'; readonly superblock: Superblock }
  /** Nothing of ours. */
  | { readonly kind: 'foreign' }
  /** Ours, but of a format that this program does not know. */
  | { readonly kind: 'version'; readonly version: number }
  | { readonly kind: 'damaged'; readonly reason: string };

const CHECKSUM = 12;
const STATE = 64;
/** What lies at STATE. A program that does not know the last one takes it for the one before. */
const CLOSED = 0;
const ATTACHED = 1;
const TAKING_OVER = 2;
const REPOSITORY = 144;
const OWNER = 352;

export function encodeSuperblock(superblock: Superblock): Buffer {
  const block = Buffer.alloc(METADATA_BLOCK_BYTES);
  SUPERBLOCK_MAGIC.copy(block, 0);
  block.writeUInt32LE(FORMAT_VERSION, 8);
  writeNumber(block, superblock.sequence, 16);
  block.write(superblock.formatId, 24, 16, 'hex');
  writeNumber(block, superblock.epoch, 40);
  block.write(superblock.attachToken, 48, 16, 'hex');
  block.writeUInt32LE(stateOf(superblock), STATE);
  block.writeUInt32LE(superblock.extentSize, 68);
  writeNumber(block, superblock.deviceSize, 72);
  writeNumber(block, superblock.dataStart, 80);
  block.writeUInt32LE(superblock.extentCount, 88);
  block.writeUInt32LE(superblock.region.journalBlocks, 92);
  writeNumber(block, superblock.region.start, 96);
  writeNumber(block, superblock.region.checkpointBytes, 104);
  writeNumber(block, superblock.minimumGeneration, 112);
  writeNumber(block, superblock.createdAt, 120);
  writeNumber(block, superblock.attachedAt, 128);
  writeText(block, superblock.repositoryId, REPOSITORY);
  writeText(block, superblock.owner, OWNER);
  block.writeUInt32LE(crc32(block), CHECKSUM);
  return block;
}

function stateOf({ attached, takingOver }: Superblock): number {
  if (!attached) return CLOSED;
  return takingOver ? TAKING_OVER : ATTACHED;
}

/** @param block METADATA_BLOCK_BYTES bytes; any content */
export function decodeSuperblock(block: Buffer): SuperblockReading {
  if (block.length < METADATA_BLOCK_BYTES || !block.subarray(0, 8).equals(SUPERBLOCK_MAGIC)) {
    return { kind: 'foreign' };
  }
  const bytes = Buffer.from(block.subarray(0, METADATA_BLOCK_BYTES));
  const checksum = bytes.readUInt32LE(CHECKSUM);
  bytes.writeUInt32LE(0, CHECKSUM);
  if (crc32(bytes) !== checksum) return { kind: 'damaged', reason: 'wrong checksum' };
  const version = bytes.readUInt32LE(8);
  if (version !== FORMAT_VERSION) return { kind: 'version', version };
  const superblock = readFields(bytes);
  if (superblock === undefined) return { kind: 'damaged', reason: 'a field is out of range' };
  return { kind: 'superblock', superblock };
}

function readFields(bytes: Buffer): Superblock | undefined {
  const numbers = [16, 40, 72, 80, 96, 104, 112, 120, 128].map((at) => readNumber(bytes, at));
  if (numbers.some((number) => number < 0)) return undefined;
  const [sequence, epoch, deviceSize, dataStart, start, checkpointBytes, ...times] = numbers as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const repositoryId = readText(bytes, REPOSITORY, VOLUME_ID_LENGTH);
  const owner = readText(bytes, OWNER, OWNER_BYTES);
  if (repositoryId === undefined || owner === undefined) return undefined;
  const superblock: Superblock = {
    sequence,
    formatId: bytes.toString('hex', 24, 40),
    repositoryId,
    owner,
    epoch,
    attachToken: bytes.toString('hex', 48, 64),
    attached: bytes.readUInt32LE(STATE) !== CLOSED,
    takingOver: bytes.readUInt32LE(STATE) === TAKING_OVER,
    extentSize: bytes.readUInt32LE(68),
    deviceSize,
    dataStart,
    extentCount: bytes.readUInt32LE(88),
    region: { start, checkpointBytes, journalBlocks: bytes.readUInt32LE(92) },
    minimumGeneration: times[0],
    createdAt: times[1],
    attachedAt: times[2],
  };
  return isSane(superblock) ? superblock : undefined;
}

/** What nothing that is read later needs to be checked against again. */
function isSane(superblock: Superblock): boolean {
  const { extentSize, extentCount, dataStart, deviceSize, region } = superblock;
  const { start, checkpointBytes, journalBlocks } = region;
  return (
    isExtentSize(extentSize) &&
    deviceSize <= MAXIMUM_DEVICE_BYTES &&
    extentCount >= CARVED_EXTENTS_FEWEST &&
    extentCount <= CARVED_EXTENTS &&
    extentCount <= extentsOn(deviceSize, dataStart, extentSize) &&
    dataStart % extentSize === 0 &&
    start % METADATA_BLOCK_BYTES === 0 &&
    start >= METADATA_BLOCK_BYTES &&
    checkpointBytes % METADATA_BLOCK_BYTES === 0 &&
    checkpointBytes >= 2 * METADATA_BLOCK_BYTES &&
    checkpointBytes <= 2 ** 30 &&
    journalBlocks >= 1 &&
    journalBlocks <= JOURNAL_BLOCKS_MOST &&
    start + regionBytes(region) <= deviceSize &&
    // Before the extents, or among them.
    (start >= dataStart
      ? (start - dataStart) % extentSize === 0
      : start + regionBytes(region) <= dataStart)
  );
}

export function writeNumber(bytes: Buffer, value: number, at: number): void {
  bytes.writeBigUInt64LE(BigInt(value), at);
}

/** -1 for a number that is not exact in a double. */
export function readNumber(bytes: Buffer, at: number): number {
  const value = bytes.readBigUInt64LE(at);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : -1;
}

function writeText(bytes: Buffer, text: string, at: number): void {
  bytes.writeUInt16LE(Buffer.byteLength(text), at);
  bytes.write(text, at + 2, 'utf8');
}

function readText(bytes: Buffer, at: number, most: number): string | undefined {
  const length = bytes.readUInt16LE(at);
  return length > most ? undefined : bytes.toString('utf8', at + 2, at + 2 + length);
}
