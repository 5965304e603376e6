/**
 * The layers of a chain over an image: each upper one owns extents of 4 to 64 KiB at random places and
 * together they cover COVERED of the disk, as after years of small updates. They hold the image's own
 * bytes, so that what is read can be checked against the image at any depth.
 */

export const BLOCK_BYTES = 4096;
const MAX_EXTENT_BLOCKS = 16;
/** Share of the disk that all upper layers together are asked to cover; where they overlap, less. */
const COVERED = 0.3;

export interface LayerExtent {
  /** Bytes. */
  readonly offset: number;
  readonly length: number;
}

/** The same numbers for the same seed, in [0, 1): xorshift32. */
function randomNumbers(seed: number): () => number {
  let state = (Math.imul(seed, 0x9e3779b1) | 1) >>> 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state = (state ^ (state << 5)) >>> 0;
    return state / 2 ** 32;
  };
}

/**
 * What upper layer `number` (1 …) of a chain of `depth` layers owns; the same each time. Whole blocks
 * within the disk; extents may touch or overlap.
 */
export function layerExtents(diskBytes: number, depth: number, number: number): LayerExtent[] {
  const random = randomNumbers(number);
  const blocks = Math.floor(diskBytes / BLOCK_BYTES);
  const extents: LayerExtent[] = [];
  for (let left = Math.ceil((blocks * COVERED) / (depth - 1)); left > 0; ) {
    const count = Math.min(left, 1 + Math.floor(random() * MAX_EXTENT_BLOCKS), blocks);
    const first = Math.floor(random() * (blocks - count + 1));
    extents.push({ offset: first * BLOCK_BYTES, length: count * BLOCK_BYTES });
    left -= count;
  }
  return extents;
}

/** One bit for each block, lowest bit first. */
export function ownedBits(diskBytes: number, extents: readonly LayerExtent[]): Uint8Array {
  const bits = new Uint8Array(Math.ceil(diskBytes / BLOCK_BYTES / 8));
  for (const { offset, length } of extents) {
    for (let at = offset; at < offset + length; at += BLOCK_BYTES) {
      const block = at / BLOCK_BYTES;
      const byte = Math.floor(block / 8);
      bits[byte] = (bits[byte] ?? 0) | (1 << (block % 8));
    }
  }
  return bits;
}
