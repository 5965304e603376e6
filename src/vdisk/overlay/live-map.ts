/**
 * Changes of the bits. The live map in the map volume is changed first, through to the page cache,
 * then the bits in shared memory: what a reader has seen, and what was acknowledged, is in the map
 * that a restarted process finds. Before the first change of a page, the summary says that there is
 * something to be found (touched-summary.ts). Every method is called under the state mutex.
 */
import {
  chain,
  fillBits,
  isPromise,
  type MaybePromise,
  type PagedBitmap,
} from '../../base/index.ts';
import { type BlockDevice, PLAIN, ZEROES } from '../../block/index.ts';
import { BLOCKS_PER_MAP_PAGE, MAP_PAGE_BYTES } from './limits.ts';
import type { OverlayState } from './overlay-state.ts';
import { TouchedSummary } from './touched-summary.ts';

/** Blocks [from, to). */
export interface BlockRange {
  from: number;
  to: number;
}

export class LiveMap {
  readonly #state: OverlayState;
  readonly #map: BlockDevice;
  readonly #summary: TouchedSummary;
  readonly #scratch = Buffer.alloc(MAP_PAGE_BYTES);
  /** Where the zeroed bits begin in the map. */
  readonly #zeroedStart: number;

  constructor(state: OverlayState, map: BlockDevice) {
    this.#state = state;
    this.#map = map;
    this.#summary = new TouchedSummary(state, map);
    this.#zeroedStart = state.geometry.ownedPages * MAP_PAGE_BYTES;
  }

  /** The blocks are owned from now on. At most as many as one map page describes. */
  markOwned(from: number, to: number): MaybePromise<void> {
    const { owned } = this.#state;
    const fresh = to - from - owned.count(from, to);
    if (fresh === 0) return undefined;
    return chain(this.#persist(0, [{ from, to }], true), () => {
      owned.set(from, to);
      this.#state.ownedBlocks += fresh;
    });
  }

  /** Whether noting ownership of these blocks needs no space that the map does not have yet. */
  isPrepared(from: number, to: number): boolean {
    const first = Math.floor(from / BLOCKS_PER_MAP_PAGE);
    const last = Math.floor((to - 1) / BLOCKS_PER_MAP_PAGE);
    const { reserved } = this.#state;
    return first === last ? reserved.test(first) : reserved.nextClear(first, last + 1) > last;
  }

  /** The same for many ranges, with one write for each page of the map. */
  markAllOwned(ranges: readonly BlockRange[]): MaybePromise<void> {
    const byPage = new Map<number, BlockRange[]>();
    for (const range of ranges) {
      // A range across two pages goes with those of its first.
      const page = Math.floor(range.from / BLOCKS_PER_MAP_PAGE);
      const ofPage = byPage.get(page);
      if (ofPage === undefined) byPage.set(page, [range]);
      else ofPage.push(range);
    }
    // One after the other: they share the scratch page, and a range across two pages is in both.
    let marked: MaybePromise<void> | undefined;
    for (const ofPage of byPage.values()) marked = chain(marked, () => this.#markTogether(ofPage));
    return marked;
  }

  #markTogether(ranges: readonly BlockRange[]): MaybePromise<void> {
    return chain(this.#persist(0, ranges, true), () => {
      const { owned } = this.#state;
      for (const { from, to } of ranges) {
        this.#state.ownedBlocks += to - from - owned.count(from, to);
        owned.set(from, to);
      }
    });
  }

  /** No block in the range is owned from now on. @returns where blocks were: few and coarse ranges. */
  async clearOwned(from: number, to: number): Promise<BlockRange[]> {
    const { owned } = this.#state;
    const freed: BlockRange[] = [];
    for (let at = owned.nextSet(from, to); at < to; ) {
      const pageEnd = (Math.floor(at / BLOCKS_PER_MAP_PAGE) + 1) * BLOCKS_PER_MAP_PAGE;
      const end = lastSetEnd(owned, at, Math.min(to, pageEnd));
      await this.#persist(0, [{ from: at, to: end }], false);
      this.#state.ownedBlocks -= owned.count(at, end);
      owned.clear(at, end);
      const last = freed.at(-1);
      if (last !== undefined && last.to === at) last.to = end;
      else freed.push({ from: at, to: end });
      at = owned.nextSet(end, to);
    }
    return freed;
  }

  /** Blocks of these units that are not owned read as zeroes from now on, and ever after. */
  async markZeroed(from: number, to: number): Promise<void> {
    const { zeroed } = this.#state;
    for (let at = zeroed.nextClear(from, to); at < to; ) {
      const pageEnd = (Math.floor(at / BLOCKS_PER_MAP_PAGE) + 1) * BLOCKS_PER_MAP_PAGE;
      const end = Math.min(to, pageEnd);
      await this.#persist(this.#zeroedStart, [{ from: at, to: end }], true);
      zeroed.set(at, end);
      at = zeroed.nextClear(end, to);
    }
  }

  /**
   * Writes the bytes that hold bits of the bitmap at `start` to the live map, as they will be, and
   * notes their pages as changed since the last flush.
   * @param ranges of bits, not far apart: what lies between is written too
   */
  #persist(start: number, ranges: readonly BlockRange[], value: boolean): MaybePromise<void> {
    let from = Number.POSITIVE_INFINITY;
    let to = 0;
    for (const range of ranges) {
      from = Math.min(from, range.from);
      to = Math.max(to, range.to);
    }
    const { dirty, geometry } = this.#state;
    const unit = this.#map.geometry.minimumIo;
    const first = start + (from >>> 3);
    const end = start + ((to + 7) >>> 3);
    const alignedFirst = first - (first % unit);
    const alignedEnd = Math.min(geometry.mapBytes, Math.ceil(end / unit) * unit);
    const length = alignedEnd - alignedFirst;
    const bytes =
      length <= this.#scratch.length ? this.#scratch.subarray(0, length) : Buffer.alloc(length);
    this.#state.copyMap(bytes, alignedFirst);
    const shift = (start - alignedFirst) * 8;
    for (const range of ranges) fillBits(bytes, range.from + shift, range.to + shift, value);
    const firstPage = Math.floor(first / MAP_PAGE_BYTES);
    const endPage = Math.floor((end - 1) / MAP_PAGE_BYTES) + 1;
    return chain(this.#reserve(firstPage, endPage), () => {
      dirty.set(firstPage, endPage);
      return this.#writeOrRevert(bytes, alignedFirst);
    });
  }

  /**
   * Writes bytes of the live map. A write that fails may have been made in part; memory will not have
   * its bits, so the map must not have them either: a restart would find them long after the blocks
   * were given another meaning. Where the old bytes cannot be written the file system took none of
   * the new ones or the disk is failing.
   */
  #writeOrRevert(bytes: Buffer, at: number): MaybePromise<void> {
    const offset = this.#state.geometry.liveOffset + at;
    const revert = (): MaybePromise<void> => {
      const before = Buffer.alloc(bytes.length);
      this.#state.copyMap(before, at);
      return this.#map.write(before, offset, PLAIN);
    };
    try {
      const written = this.#map.write(bytes, offset, PLAIN);
      return isPromise(written) ? written.catch((error) => afterwards(revert, error)) : undefined;
    } catch (error) {
      return afterwards(revert, error);
    }
  }

  /**
   * Gives pages of the durable map space of their own before anything depends on them: the volume is
   * thin, and it is the write that must find out that it is full, not the flush after it. A page that
   * is not reserved has held zeroes ever since the map was formatted, so that is what is written.
   * A page that is reserved has been through here, or was found by recovery: the summary has it.
   */
  #reserve(from: number, to: number): MaybePromise<void> {
    const { reserved, geometry } = this.#state;
    const page = reserved.nextClear(from, to);
    if (page === to) return undefined;
    const bytes = ZEROES.subarray(0, MAP_PAGE_BYTES);
    const offset = geometry.durableOffset + page * MAP_PAGE_BYTES;
    const announced = this.#summary.announce(page);
    const written = chain(announced, () => this.#map.write(bytes, offset, PLAIN));
    return chain(written, () => {
      reserved.set(page, page + 1);
      return this.#reserve(page + 1, to);
    });
  }
}

/** Tries to undo what failed, then throws why it failed. */
async function afterwards(undo: () => MaybePromise<void>, error: unknown): Promise<never> {
  try {
    await undo();
  } catch {
    // What made the change fail is what there is to tell.
  }
  throw error;
}

/** The end of the last run of set bits in [from, to), of which `from` is set. */
function lastSetEnd(bitmap: PagedBitmap, from: number, to: number): number {
  let last = from;
  for (let end = to; last + 1 < end; ) {
    const middle = Math.floor((last + 1 + end) / 2);
    const found = bitmap.nextSet(middle, end);
    if (found < end) last = found;
    else end = middle;
  }
  return last + 1;
}
