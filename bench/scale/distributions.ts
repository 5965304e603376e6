/**
 * Which blocks of a disk a machine has written. The map has one bit a block and memory one page for each
 * 128 MiB in which there is any, so where they lie decides what an overlay costs.
 *
 *     clustered   as a file system does that allocates in block groups (ext4: 128 MiB). Files are runs of
 *                 log-normal length, median 64 KiB, mean 200 KiB; a run starts a log-normal gap behind
 *                 the one before, until a quarter of the group is written; then another group is taken
 *                 at random. 2 GiB of 100 GiB: 64 of 800 groups.
 *     extents     extents of 256 KiB, each somewhere at random
 *     uniform     single blocks of 4 KiB, each somewhere at random: the worst there is
 *
 * Blocks are never zeroed or trimmed here: a disk that is trimmed a lot has some more map pages, at
 * most one for each 2 GiB.
 */

export type DistributionId = 'clustered' | 'extents' | 'uniform';

export interface Distribution {
  readonly id: DistributionId;
  readonly title: string;
  /** Sets at least `wanted` bits. */
  readonly fill: (blocks: Blocks, wanted: number, random: () => number) => void;
}

const GROUP_BLOCKS = 32_768;
const GROUP_SHARE = 0.25;
const RUN_MEDIAN_BLOCKS = 16;
const RUN_SIGMA = 1.5;
const EXTENT_BLOCKS = 64;

/** One bit a block, lowest bit of the first byte first, as in the map. */
export class Blocks {
  readonly bytes: Buffer;
  readonly length: number;
  written = 0;

  /** @param bytes of the map for `length` blocks */
  constructor(bytes: number, length: number) {
    this.bytes = Buffer.alloc(bytes);
    this.length = length;
  }

  add(from: number, count: number): void {
    const end = Math.min(this.length, from + count);
    for (let block = from; block < end; block++) {
      const [index, bit] = [block >>> 3, 1 << (block & 7)];
      const byte = this.bytes[index] ?? 0;
      if ((byte & bit) !== 0) continue;
      this.bytes[index] = byte | bit;
      this.written += 1;
    }
  }
}

/** Blocks of a run or a gap: at least one. */
function logNormal(random: () => number): number {
  const gauss = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Math.max(1, Math.round(RUN_MEDIAN_BLOCKS * Math.exp(RUN_SIGMA * gauss)));
}

function clustered(blocks: Blocks, wanted: number, random: () => number): void {
  const groups = Math.ceil(blocks.length / GROUP_BLOCKS);
  while (blocks.written < wanted) {
    const start = Math.floor(random() * groups) * GROUP_BLOCKS;
    const end = start + GROUP_BLOCKS;
    const full = Math.min(wanted, blocks.written + GROUP_BLOCKS * GROUP_SHARE);
    for (let at = start; at < end && blocks.written < full; ) {
      const run = Math.min(end - at, logNormal(random), full - blocks.written);
      blocks.add(at, run);
      at += run + logNormal(random);
    }
  }
}

function extents(blocks: Blocks, wanted: number, random: () => number): void {
  while (blocks.written < wanted) {
    blocks.add(Math.floor(random() * (blocks.length - EXTENT_BLOCKS)), EXTENT_BLOCKS);
  }
}

function uniform(blocks: Blocks, wanted: number, random: () => number): void {
  while (blocks.written < wanted) blocks.add(Math.floor(random() * blocks.length), 1);
}

export const DISTRIBUTIONS: readonly Distribution[] = [
  { id: 'clustered', title: 'clustered, as ext4 allocates', fill: clustered },
  { id: 'extents', title: 'scattered extents of 256 KiB', fill: extents },
  { id: 'uniform', title: 'single 4 KiB blocks, uniformly random', fill: uniform },
];

/** mulberry32: the same maps in every run. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
