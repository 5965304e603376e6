/**
 * The map of all differences of a chain in one. A block is the new layer's where any difference has it
 * for the disk; a unit that any of them has zeroed is zeroed, and what was written above that is owned.
 * What remains is the base's.
 */
import type { ChainDifference } from '../chain/index.ts';
import { bitmapBytes, markChunk } from '../manifest/index.ts';
import { BLOCK_BYTES, UNIT_BYTES } from '../overlay/index.ts';
import { forEachUnit } from './difference-survey.ts';
import type { ChainMaps, LayeredDisk } from './layer-chain.ts';

/** Sources from this one on are differences. */
export const FIRST_DIFFERENCE = 2;

export async function mergeMaps(disk: LayeredDisk, maps: ChainMaps): Promise<ChainDifference> {
  const { size, sources } = disk;
  const owned = new Uint8Array(Math.ceil(Math.ceil(size / BLOCK_BYTES) / 8));
  await forEachUnit(0, Math.ceil(size / UNIT_BYTES), (unit) => {
    const end = Math.min(size, (unit + 1) * UNIT_BYTES);
    for (let at = unit * UNIT_BYTES; at < end; ) {
      const next = sources.runEnd(at, end);
      if (sources.sourceAt(at) >= FIRST_DIFFERENCE) markBlocks(owned, at, next);
      at = next;
    }
  });
  const zeroed = new Uint8Array(bitmapBytes(size));
  for (const difference of maps.differences) {
    for (const [index, byte] of difference.zeroed.entries()) {
      // Beyond the end of a shorter layer its map has nothing set (layer-map.ts).
      if (byte !== 0) zeroed[index] = (zeroed[index] ?? 0) | byte;
    }
  }
  return { size, owned, zeroed };
}

function markBlocks(owned: Uint8Array, start: number, end: number): void {
  for (let at = start; at < end; at += BLOCK_BYTES) markChunk(owned, at / BLOCK_BYTES);
}
