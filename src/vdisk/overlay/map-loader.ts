/**
 * Reads both maps of an overlay into its state, before anybody else has it: with plain reads and
 * writes of memory, and without touching a page of the state for which there is nothing to say.
 */
import { isPromise, type MaybePromise } from '../../base/index.ts';
import { type BlockDevice, PLAIN, ZEROES } from '../../block/index.ts';
import { BLOCKS_PER_MAP_PAGE, MAP_LOAD_BYTES, MAP_PAGE_BYTES } from './limits.ts';
import type { OverlayState } from './overlay-state.ts';

const EMPTY_PAGE = ZEROES.subarray(0, MAP_PAGE_BYTES);

const isEmpty = (bytes: Buffer): boolean => bytes.equals(ZEROES.subarray(0, bytes.length));

export class MapLoader {
  readonly #state: OverlayState;
  readonly #map: BlockDevice;
  readonly #sameBoot: boolean;
  #ownedBlocks = 0;
  /** What was read, of either map; kept from one run of pages to the next. */
  #live = new Uint32Array(MAP_PAGE_BYTES / 4);
  #durable = new Uint32Array(MAP_PAGE_BYTES / 4);

  /** @param sameBoot the live map is the truth; otherwise the durable one is */
  constructor(state: OverlayState, map: BlockDevice, sameBoot: boolean) {
    this.#state = state;
    this.#map = map;
    this.#sameBoot = sameBoot;
  }

  /** Blocks owned in what was loaded. */
  get ownedBlocks(): number {
    return this.#ownedBlocks;
  }

  /** Loads what the summary of the state has. */
  async loadTouched(): Promise<void> {
    const { touched, geometry } = this.#state;
    const { groups, groupPages, mapBytes } = geometry;
    for (let from = touched.nextSet(0, groups); from < groups; ) {
      const to = touched.nextClear(from, groups);
      const groupBytes = groupPages * MAP_PAGE_BYTES;
      await this.#load(from * groupBytes, Math.min(mapBytes, to * groupBytes));
      from = touched.nextSet(to, groups);
    }
  }

  /** Loads everything, and notes in the summary of the state where there was something. */
  loadAll(): Promise<void> {
    return this.#load(0, this.#state.geometry.mapBytes);
  }

  /** Bytes [from, end) of the map, whole pages. */
  async #load(from: number, end: number): Promise<void> {
    const { liveOffset, durableOffset } = this.#state.geometry;
    const words = Math.min(end - from, MAP_LOAD_BYTES) / 4;
    if (this.#live.length < words) {
      this.#live = new Uint32Array(words);
      this.#durable = new Uint32Array(words);
    }
    const [live, durable] = [this.#live, this.#durable];
    for (let start = from; start < end; start += MAP_LOAD_BYTES) {
      const length = Math.min(MAP_LOAD_BYTES, end - start);
      const liveBytes = Buffer.from(live.buffer, 0, length);
      const durableBytes = Buffer.from(durable.buffer, 0, length);
      await this.#map.read(liveBytes, liveOffset + start);
      await this.#map.read(durableBytes, durableOffset + start);
      if (isEmpty(liveBytes) && isEmpty(durableBytes)) continue;
      for (let at = 0; at < length; at += MAP_PAGE_BYTES) {
        const livePage = liveBytes.subarray(at, at + MAP_PAGE_BYTES);
        const durablePage = durableBytes.subarray(at, at + MAP_PAGE_BYTES);
        const page = (start + at) / MAP_PAGE_BYTES;
        const taken = this.#take(page, livePage, durablePage);
        if (isPromise(taken)) await taken;
        const trusted = this.#sameBoot ? live : durable;
        this.#ownedBlocks += this.#countOwned(page, trusted, at / 4);
      }
    }
  }

  #take(page: number, livePage: Buffer, durablePage: Buffer): MaybePromise<void> {
    const { reserved, dirty, touched, geometry } = this.#state;
    const differ = !livePage.equals(durablePage);
    const trusted = this.#sameBoot ? livePage : durablePage;
    const hasTrusted = !trusted.equals(EMPTY_PAGE);
    const hasDurable = this.#sameBoot && differ ? !durablePage.equals(EMPTY_PAGE) : hasTrusted;
    if (hasTrusted) this.#state.loadMapPage(page, trusted);
    if (hasDurable) reserved.set(page, page + 1);
    if (hasTrusted || hasDurable) {
      const group = Math.floor(page / geometry.groupPages);
      touched.set(group, group + 1);
    }
    if (!differ) return undefined;
    if (!this.#sameBoot) {
      return this.#map.write(durablePage, geometry.liveOffset + page * MAP_PAGE_BYTES, PLAIN);
    }
    // Acknowledged but not flushed when the process died: the next flush takes it along.
    dirty.set(page, page + 1);
    return undefined;
  }

  /** Bits of one page of the map, whose words begin at `first`, that say that a block is owned. */
  #countOwned(page: number, words: Uint32Array, first: number): number {
    const left = this.#state.geometry.blocks - page * BLOCKS_PER_MAP_PAGE;
    // Beyond the disk's end there are no blocks, whatever the map says.
    const bits = Math.max(0, Math.min(BLOCKS_PER_MAP_PAGE, left));
    const end = first + (bits >>> 5);
    let total = 0;
    for (let word = first; word < end; word++) total += ones(words[word] ?? 0);
    const rest = bits & 31;
    return rest === 0 ? total : total + ones((words[end] ?? 0) & (2 ** rest - 1));
  }
}

function ones(word: number): number {
  let n = word - ((word >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return Math.imul((n + (n >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
