/**
 * What an overlay's map says, read without changing it: for an overlay that nobody has open. Which of
 * the two maps counts is decided as recovery decides it (recover-overlay.ts).
 */
import { setImmediate } from 'node:timers/promises';
import type { ReadableBlockDevice } from '../../block/index.ts';
import { MAP_LOAD_BYTES, MAP_PAGE_BYTES, MAP_PIECES_PER_TURN } from './limits.ts';
import {
  BOOT_RECORD_BYTES,
  BOOT_RECORD_OFFSET,
  checkHeader,
  decodeBootRecord,
  HEADER_BYTES,
  HEADER_OFFSET,
  mapGeometry,
} from './map-layout.ts';

/** Lowest bit of the first byte first; bits beyond the disk's end mean nothing. */
export interface OverlayBits {
  /** One bit for each 4 KiB block, set = the data volume has it. */
  readonly owned: Uint8Array;
  /** One bit for each 64 KiB unit, set = those of its blocks that are not owned read as zeroes. */
  readonly zeroed: Uint8Array;
}

/**
 * @param options.size of the disk, in bytes
 * @param options.bootId names this boot of the host
 * @throws BlockError EINVAL when it is not the map of such a disk, EIO when it is damaged; RangeError for a
 *   size that an overlay cannot have
 */
export async function readOverlayMap(options: {
  readonly map: ReadableBlockDevice;
  readonly size: number;
  readonly bootId: string;
}): Promise<OverlayBits> {
  const { map, size, bootId } = options;
  const { mapBytes, ownedPages, liveOffset, durableOffset, blocks, units } = mapGeometry(size);
  const header = Buffer.alloc(Math.min(HEADER_BYTES, map.geometry.size));
  await map.read(header, HEADER_OFFSET);
  checkHeader(header, size);
  const start = (await isLiveMapTrusted(map, bootId)) ? liveOffset : durableOffset;
  const bits = Buffer.alloc(mapBytes);
  for (let at = 0, piece = 1; at < mapBytes; at += MAP_LOAD_BYTES, piece++) {
    await map.read(bits.subarray(at, at + MAP_LOAD_BYTES), start + at);
    if (piece % MAP_PIECES_PER_TURN === 0) await setImmediate();
  }
  const zeroedStart = ownedPages * MAP_PAGE_BYTES;
  return {
    owned: bits.subarray(0, Math.ceil(blocks / 8)),
    zeroed: bits.subarray(zeroedStart, zeroedStart + Math.ceil(units / 8)),
  };
}

/** Whether the live map was written in this boot of the host, and no flush has failed since. */
export async function isLiveMapTrusted(map: ReadableBlockDevice, bootId: string): Promise<boolean> {
  const record = Buffer.alloc(BOOT_RECORD_BYTES);
  await map.read(record, BOOT_RECORD_OFFSET);
  return decodeBootRecord(record)?.bootId === bootId;
}
