/**
 * Reading and writing metadata: in pieces that the device takes, and never more at once than a piece; always whole
 * blocks of METADATA_BLOCK_BYTES, because a device need not take less.
 */
import { isPromise, type MaybePromise } from '../../base/index.ts';
import type { BlockDevice } from '../../block/index.ts';
import { SUPERBLOCK_PLACES } from './layout.ts';
import { METADATA_BLOCK_BYTES, METADATA_PIECE_BYTES } from './limits.ts';
import { decodeSuperblock, type Superblock, type SuperblockReading } from './superblock.ts';

/** Reads from the device itself, past any cache of this host that another host's writes do not reach. */
export type ReadFresh = (target: Buffer, offset: number) => MaybePromise<void>;

/** @param readFresh undefined: the device has no cache that hides what others write */
export function readerOf(device: BlockDevice, readFresh: ReadFresh | undefined): ReadFresh {
  return readFresh ?? ((target, offset) => device.read(target, offset));
}

/** @param offset a multiple of METADATA_BLOCK_BYTES */
export async function readRange(
  device: BlockDevice,
  offset: number,
  length: number,
): Promise<Buffer> {
  const bytes = Buffer.alloc(wholeBlocks(length));
  const most = Math.min(METADATA_PIECE_BYTES, device.geometry.maximumIo);
  for (let at = 0; at < bytes.length; at += most) {
    const reading = device.read(bytes.subarray(at, Math.min(bytes.length, at + most)), offset + at);
    if (isPromise(reading)) await reading;
  }
  return bytes.subarray(0, length);
}

function wholeBlocks(length: number): number {
  return Math.ceil(length / METADATA_BLOCK_BYTES) * METADATA_BLOCK_BYTES;
}

/**
 * What is left of the last block becomes zeroes.
 * @param offset a multiple of METADATA_BLOCK_BYTES
 */
export async function writeRange(
  device: BlockDevice,
  given: Buffer,
  offset: number,
): Promise<void> {
  const short = wholeBlocks(given.length) - given.length;
  const bytes = short === 0 ? given : Buffer.concat([given, Buffer.alloc(short)]);
  const most = Math.min(METADATA_PIECE_BYTES, device.geometry.maximumIo);
  for (let at = 0; at < bytes.length; at += most) {
    const piece = bytes.subarray(at, Math.min(bytes.length, at + most));
    await device.write(piece, offset + at, { fua: false });
  }
}

export interface SuperblockCopies {
  readonly copies: readonly SuperblockReading[];
  /** The valid one with the highest sequence. */
  readonly newest: Superblock | undefined;
}

/** @param size of the device in bytes; a copy beyond it is foreign */
export async function readSuperblocks(read: ReadFresh, size: number): Promise<SuperblockCopies> {
  const copies = await Promise.all(
    SUPERBLOCK_PLACES.map(async (place): Promise<SuperblockReading> => {
      if (place + METADATA_BLOCK_BYTES > size) return { kind: 'foreign' };
      const block = Buffer.alloc(METADATA_BLOCK_BYTES);
      await read(block, place);
      return decodeSuperblock(block);
    }),
  );
  let newest: Superblock | undefined;
  for (const copy of copies) {
    if (copy.kind !== 'superblock') continue;
    if (newest === undefined || copy.superblock.sequence > newest.sequence) {
      newest = copy.superblock;
    }
  }
  return { copies, newest };
}
