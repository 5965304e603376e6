/**
 * Reads both maps of an overlay into its state, before anybody else has it: with plain reads and
 * writes of memory, and without touching a page of the state for which there is nothing to say.
 */
import { isPromise, type MaybePromise } from '../../base/index.ts';
import { type BlockDevice, PLAIN, ZEROES } from '../../block/index.ts';
import { MAP_LOAD_BYTES, MAP_LOADS_KEPT, MAP_PAGE_BYTES } from './limits.ts';
import type { OverlayState } from './overlay-state.ts';

const EMPTY_PAGE = ZEROES.subarray(0, MAP_PAGE_BYTES);

/** A piece of either map, as it was read. */
interface Piece {
  readonly live: ArrayBuffer;
  readonly durable: ArrayBuffer;
}

/**
 * What the next one who loads reads into. Memory that nobody touched yet costs more than reading a map into it, and a
 * start opens a thousand.
 */
const spare: Piece[] = [];

const isEmpty = (bytes: Buffer): boolean => bytes.equals(ZEROES.subarray(0, bytes.length));

export class MapLoader {
  readonly #state: OverlayState;
  readonly #map: BlockDevice;
  readonly #sameBoot: boolean;
  #ownedBlocks = 0;

  /** @param sameBoot the live map is the truth; otherwise the durable one is */
  constructor(state: OverlayState, map: BlockDevice, sameBoot: boolean) {
    this.#state = state;
    this.#map = map;
    this.#sameBoot = sameBoot;
  }

  /** Blocks owned in what was loaded, those included that a map may say are owned beyond the disk's end. */
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
    const piece = spare.pop() ?? {
      live: new ArrayBuffer(MAP_LOAD_BYTES),
      durable: new ArrayBuffer(MAP_LOAD_BYTES),
    };
    for (let start = from; start < end; start += MAP_LOAD_BYTES) {
      await this.#loadPiece(start, Math.min(MAP_LOAD_BYTES, end - start), piece);
    }
    // One that a failed read was to fill may still be filled by it, and is not kept.
    if (spare.length < MAP_LOADS_KEPT) spare.push(piece);
  }

  async #loadPiece(start: number, length: number, piece: Piece): Promise<void> {
    const { liveOffset, durableOffset } = this.#state.geometry;
    const live = Buffer.from(piece.live, 0, length);
    const durable = Buffer.from(piece.durable, 0, length);
    await this.#map.read(live, liveOffset + start);
    await this.#map.read(durable, durableOffset + start);
    if (isEmpty(live) && isEmpty(durable)) return;
    for (let at = 0; at < length; at += MAP_PAGE_BYTES) {
      const taken = this.#take(start + at, piece, at);
      if (isPromise(taken)) await taken;
    }
  }

  /** Takes the page of the map at byte `first`, which is at byte `at` of what was read. */
  #take(first: number, piece: Piece, at: number): MaybePromise<void> {
    const { reserved, dirty, touched, geometry } = this.#state;
    const page = first / MAP_PAGE_BYTES;
    const live = Buffer.from(piece.live, at, MAP_PAGE_BYTES);
    const durable = Buffer.from(piece.durable, at, MAP_PAGE_BYTES);
    const differ = !live.equals(durable);
    const hasTrusted = !(this.#sameBoot ? live : durable).equals(EMPTY_PAGE);
    const hasDurable = this.#sameBoot && differ ? !durable.equals(EMPTY_PAGE) : hasTrusted;
    if (hasTrusted) {
      const trusted = this.#sameBoot ? piece.live : piece.durable;
      const words = new Int32Array(trusted, at, MAP_PAGE_BYTES / Int32Array.BYTES_PER_ELEMENT);
      this.#ownedBlocks += this.#state.loadMapPage(page, words);
    }
    if (hasDurable) reserved.set(page, page + 1);
    if (hasTrusted || hasDurable) {
      const group = Math.floor(page / geometry.groupPages);
      touched.set(group, group + 1);
    }
    if (!differ) return undefined;
    if (!this.#sameBoot) return this.#map.write(durable, geometry.liveOffset + first, PLAIN);
    // Acknowledged but not flushed when the process died: the next flush takes it along.
    dirty.set(page, page + 1);
    return undefined;
  }
}
