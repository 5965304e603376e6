/** What the map of a difference says, counted. In pieces, for a disk of 4 TiB has 64 million units. */
import { setImmediate } from 'node:timers/promises';
import type { DifferenceMap } from '../chain/index.ts';
import { bitmapBytes, markChunk } from '../manifest/index.ts';
import { BLOCK_BYTES, UNIT_BYTES } from '../overlay/index.ts';
import { UNITS_PER_TURN } from './limits.ts';

export interface DifferenceSurvey {
  /** Chunks of which the difference decides a block. */
  readonly touched: Uint8Array;
  readonly touchedChunks: number;
  /** Bytes of blocks that it owns. */
  readonly ownedBytes: number;
  /** Bytes of blocks that it says are zeroes. */
  readonly zeroedBytes: number;
}

/** @param size of the disk in bytes */
export async function surveyDifference(
  map: DifferenceMap,
  size: number,
): Promise<DifferenceSurvey> {
  const touched = new Uint8Array(bitmapBytes(size));
  let touchedChunks = 0;
  let ownedBlocks = 0;
  let decidedBlocks = 0;
  await forEachUnit(0, Math.ceil(size / UNIT_BYTES), (unit) => {
    const decided = map.decidedIn(unit);
    if (decided === 0) return;
    markChunk(touched, unit);
    touchedChunks += 1;
    decidedBlocks += ones(decided);
    ownedBlocks += ones(map.ownedIn(unit));
  });
  return {
    touched,
    touchedChunks,
    ownedBytes: ownedBlocks * BLOCK_BYTES,
    zeroedBytes: (decidedBlocks - ownedBlocks) * BLOCK_BYTES,
  };
}

/** Bytes of [start, end) that the difference decides. */
export async function decidedBytes(
  map: DifferenceMap,
  start: number,
  end: number,
): Promise<number> {
  let bytes = 0;
  await forEachUnit(Math.floor(start / UNIT_BYTES), Math.ceil(end / UNIT_BYTES), (unit) => {
    const decided = map.decidedIn(unit);
    if (decided === 0) return;
    const unitStart = unit * UNIT_BYTES;
    if (unitStart >= start && unitStart + UNIT_BYTES <= end) {
      bytes += ones(decided) * BLOCK_BYTES;
      return;
    }
    for (let left = decided; left !== 0; left &= left - 1) {
      const from = unitStart + (31 - Math.clz32(left & -left)) * BLOCK_BYTES;
      bytes += Math.max(0, Math.min(end, from + BLOCK_BYTES) - Math.max(start, from));
    }
  });
  return bytes;
}

/** Calls `each` for the units [from, to), with turns for others. */
export async function forEachUnit(
  from: number,
  to: number,
  each: (unit: number) => void,
): Promise<void> {
  for (let unit = from; unit < to; unit++) {
    each(unit);
    if (unit % UNITS_PER_TURN === UNITS_PER_TURN - 1) await setImmediate();
  }
}

function ones(bits: number): number {
  let count = 0;
  for (let left = bits; left !== 0; left &= left - 1) count += 1;
  return count;
}
