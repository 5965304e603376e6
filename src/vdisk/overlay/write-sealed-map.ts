import { setImmediate } from 'node:timers/promises';
import type { BlockDevice } from '../../block/index.ts';
import { PLAIN } from '../../block/index.ts';
import { formatOverlay } from './format-overlay.ts';
import { MAP_LOAD_BYTES, MAP_PAGE_BYTES, MAP_PIECES_PER_TURN } from './limits.ts';
import { mapGeometry } from './map-layout.ts';
import type { OverlayBits } from './read-overlay-map.ts';

/** No host boots under this name: what counts of the map is its durable half, wherever it is read. */
const NO_BOOT = 'sealed';

/**
 * Makes a map volume the map of a layer that nobody writes to; on stable storage when it settles.
 * @param options.size of the disk, in bytes
 * @throws BlockError EINVAL when the volume is too small; RangeError for a size out of range
 */
export async function writeSealedMap(
  map: BlockDevice,
  { size, owned, zeroed }: OverlayBits & { readonly size: number },
): Promise<void> {
  const { durableOffset, ownedPages, blocks, units } = mapGeometry(size);
  await formatOverlay(map, { size, bootId: NO_BOOT });
  await writeBits(map, owned.subarray(0, Math.ceil(blocks / 8)), durableOffset);
  const zeroedOffset = durableOffset + ownedPages * MAP_PAGE_BYTES;
  await writeBits(map, zeroed.subarray(0, Math.ceil(units / 8)), zeroedOffset);
  await map.flush();
}

/** Whole pages that are zeroes need no writing: a fresh map has them. */
async function writeBits(map: BlockDevice, bits: Uint8Array, offset: number): Promise<void> {
  for (let at = 0, piece = 1; at < bits.length; at += MAP_LOAD_BYTES, piece++) {
    const end = Math.min(bits.length, at + MAP_LOAD_BYTES);
    if (!isZero(bits, at, end)) {
      const bytes = Buffer.alloc(Math.ceil((end - at) / MAP_PAGE_BYTES) * MAP_PAGE_BYTES);
      bytes.set(bits.subarray(at, end));
      await map.write(bytes, offset + at, PLAIN);
    }
    if (piece % MAP_PIECES_PER_TURN === 0) await setImmediate();
  }
}

function isZero(bits: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bits[at] !== 0) return false;
  return true;
}
