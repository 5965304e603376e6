/**
 * An index that grows by one layer at a time: what a snapshot adds to the chain below it is one layer, and
 * nothing of the thousands further down needs to be read again. Costs one look at the new layer's map and a
 * copy of the entries; the result is what buildChainIndex makes of all layers at once.
 */
import { setImmediate } from 'node:timers/promises';
import { CACHE_BLOCK_BYTES } from '../../block/index.ts';
import { BlockError } from '../../errors/index.ts';
import { hasChunk, markChunk } from '../manifest/index.ts';
import { BLOCKS_PER_UNIT, MAXIMUM_OVERLAY_BYTES, UNIT_BYTES } from '../overlay/index.ts';
import { blocksOf } from './cache-keys.ts';
import { ChainIndex } from './chain-index.ts';
import {
  BaseMap,
  type ChainBase,
  type ChainDifference,
  DifferenceMap,
  WHOLE_UNIT,
} from './layer-maps.ts';
import { INDEX_STEPS_PER_TURN, MAXIMUM_GROWN_LAYERS } from './limits.ts';
import { Mixtures } from './mixtures.ts';

/** Of a unit's entry, while the number of layers may still grow: the rest of it is a mixture's number. */
const MIXED = 0x8000_0000;

export class ChainIndexDraft {
  readonly #layerSizes: number[];
  readonly #entries: Uint32Array;
  readonly #keys: Uint16Array;
  readonly #cacheBlockBytes: number;
  readonly #size: number;
  #mixtures = new Mixtures();
  readonly #sources = new Uint16Array(BLOCKS_PER_UNIT);

  private constructor(size: number, cacheBlockBytes: number) {
    if (!Number.isSafeInteger(size) || size < 1 || size > MAXIMUM_OVERLAY_BYTES) {
      throw refusal(size, `a chain of ${size} bytes: at most ${MAXIMUM_OVERLAY_BYTES}`);
    }
    this.#size = size;
    this.#cacheBlockBytes = cacheBlockBytes;
    this.#layerSizes = [];
    this.#entries = new Uint32Array(Math.ceil(size / UNIT_BYTES));
    this.#keys = new Uint16Array(Math.ceil(size / cacheBlockBytes));
  }

  /**
   * @param size of the disk in bytes, at least the base's
   * @throws BlockError EINVAL for sizes that do not fit, a bitmap that is too short
   */
  static ofBase(
    base: ChainBase,
    size: number,
    cacheBlockBytes = CACHE_BLOCK_BYTES,
  ): ChainIndexDraft {
    const draft = new ChainIndexDraft(size, cacheBlockBytes);
    if (!(base.size >= 1 && base.size <= size)) {
      throw refusal(size, `a base of ${base.size} bytes in a chain of ${size}`);
    }
    draft.#layerSizes.push(base.size);
    const map = new BaseMap(base);
    for (let unit = 0; unit < draft.#entries.length; unit++) {
      draft.#assign(unit, WHOLE_UNIT, map.heldIn(unit), 1);
    }
    return draft;
  }

  /**
   * Goes on from an index that is there, which stays as it is.
   * @param size of the disk in bytes, where it has grown
   */
  static ofIndex(buffer: SharedArrayBuffer, size?: number): ChainIndexDraft {
    const index = new ChainIndex(buffer);
    const draft = new ChainIndexDraft(size ?? index.size, index.cacheBlockBytes);
    if (draft.#size < index.size) throw refusal(draft.#size, `a chain of ${index.size} bytes`);
    draft.#layerSizes.push(...index.layerSizes);
    if (index.isBaseAlone) {
      const map = new BaseMap({ size: index.size, presentChunks: index.present });
      for (let unit = 0; unit < draft.#entries.length; unit++) {
        draft.#assign(unit, WHOLE_UNIT, map.heldIn(unit), 1);
      }
      return draft;
    }
    const layers = index.layerSizes.length;
    for (const [unit, entry] of index.units.entries()) {
      if (entry <= layers) {
        draft.#entries[unit] = entry;
      } else {
        const start = (entry - layers - 1) * BLOCKS_PER_UNIT;
        draft.#sources.set(index.mixed.subarray(start, start + BLOCKS_PER_UNIT));
        draft.#entries[unit] = MIXED + draft.#mixtures.numberOf(draft.#sources);
      }
    }
    draft.#keys.set(index.keys);
    return draft;
  }

  /**
   * The index of the chain in which two neighbours were merged into one, which holds what either held.
   * @param at number of the lower one of them, the base being 0
   * @throws BlockError EINVAL when there are no two such layers
   */
  static ofMerge(buffer: SharedArrayBuffer, at: number): ChainIndexDraft {
    const draft = ChainIndexDraft.ofIndex(buffer);
    if (!(at >= 0 && at + 1 < draft.#layerSizes.length)) {
      throw refusal(draft.#size, `no layers ${at} and ${at + 1} to merge`);
    }
    draft.#layerSizes.splice(at, 1);
    // As a source the lower one is at + 1, and 0 is none of them.
    const sourceNow = (source: number): number => (source > at + 1 ? source - 1 : source);
    const old = draft.#mixtures;
    draft.#mixtures = new Mixtures();
    for (const [unit, entry] of draft.#entries.entries()) {
      if (entry < MIXED) {
        draft.#entries[unit] = sourceNow(entry);
        continue;
      }
      const start = (entry - MIXED) * BLOCKS_PER_UNIT;
      for (let block = 0; block < BLOCKS_PER_UNIT; block++) {
        draft.#sources[block] = sourceNow(old.sources[start + block] ?? 0);
      }
      draft.#entries[unit] = draft.#entryOf(draft.#sources);
    }
    for (const [block, key] of draft.#keys.entries()) {
      if (key >> 1 > at) draft.#keys[block] = key - 2;
      // The base shares nothing with what lies below it.
      if (draft.#keys[block] === 1) draft.#keys[block] = 0;
    }
    return draft;
  }

  /**
   * The next layer, on top of the others.
   * @throws BlockError EINVAL when it is one too many, or shorter than the one below, or larger than the disk
   */
  async add(difference: ChainDifference): Promise<void> {
    this.#admit(difference.size);
    const number = this.#layerSizes.length; // of the difference; as a source it is one more
    this.#layerSizes.push(difference.size);
    const map = new DifferenceMap(difference);
    const touched = new Uint16Array(this.#entries.length);
    map.mark(touched, 1);
    let steps = 0;
    for (let unit = touched.indexOf(1); unit >= 0; unit = touched.indexOf(1, unit + 1)) {
      this.#assign(unit, map.decidedIn(unit), map.ownedIn(unit), number + 1);
      if (++steps % INDEX_STEPS_PER_TURN === 0) await setImmediate();
    }
    this.#markKeys(map, touched, number);
  }

  /** The index to hand to openChain. The draft may go on growing. */
  finish(): SharedArrayBuffer {
    this.#dropUnused();
    const layers = this.#layerSizes.length;
    const mixedUnits = this.#mixtures.count;
    const buffer = ChainIndex.allocate({
      size: this.#size,
      layerSizes: this.#layerSizes,
      cacheBlockBytes: this.#cacheBlockBytes,
      unitEntryBytes: layers + mixedUnits < 2 ** 16 ? 2 : 4,
      mixedUnits,
    });
    const index = new ChainIndex(buffer);
    for (const [unit, entry] of this.#entries.entries()) {
      index.units[unit] = entry >= MIXED ? layers + 1 + (entry - MIXED) : entry;
      if (entry !== 0) markChunk(index.present, unit);
    }
    index.mixed.set(this.#mixtures.sources);
    index.keys.set(this.#keys);
    return buffer;
  }

  #admit(size: number): void {
    const below = this.#layerSizes.at(-1) ?? 1;
    if (!Number.isSafeInteger(size) || size < below || size > this.#size) {
      throw refusal(
        size,
        `a layer of ${size} bytes on one of ${below}, of a disk of ${this.#size}`,
      );
    }
    if (this.#layerSizes.length < MAXIMUM_GROWN_LAYERS) return;
    throw refusal(size, `a chain of more than ${MAXIMUM_GROWN_LAYERS} layers`);
  }

  /** @param decided blocks that are no longer what they were; `held`: those of them that `source` has */
  #assign(unit: number, decided: number, held: number, source: number): void {
    const sources = this.#sources;
    const entry = this.#entries[unit] ?? 0;
    if (decided === WHOLE_UNIT && (held === 0 || held === WHOLE_UNIT)) {
      this.#entries[unit] = held === 0 ? 0 : source;
      return;
    }
    if (entry >= MIXED) {
      const start = (entry - MIXED) * BLOCKS_PER_UNIT;
      sources.set(this.#mixtures.sources.subarray(start, start + BLOCKS_PER_UNIT));
    } else {
      sources.fill(entry);
    }
    for (let block = 0; block < BLOCKS_PER_UNIT; block++) {
      if ((decided & (1 << block)) === 0) continue;
      sources[block] = (held & (1 << block)) === 0 ? 0 : source;
    }
    this.#entries[unit] = this.#entryOf(sources);
  }

  #entryOf(sources: Uint16Array): number {
    const first = sources[0] ?? 0;
    const isMixed = sources.some((one) => one !== first);
    return isMixed ? MIXED + this.#mixtures.numberOf(sources) : first;
  }

  /** Cache blocks in which the layer decides something are cached under it from now on (cache-keys.ts). */
  #markKeys(map: DifferenceMap, touched: Uint16Array, number: number): void {
    const unitsPerBlock = Math.max(1, this.#cacheBlockBytes / UNIT_BYTES);
    const blocksPerUnit = Math.max(1, UNIT_BYTES / this.#cacheBlockBytes);
    let done = -1;
    for (let unit = touched.indexOf(1); unit >= 0; unit = touched.indexOf(1, unit + 1)) {
      const from = Math.floor((unit / unitsPerBlock) * blocksPerUnit);
      for (let block = from; block < from + blocksPerUnit; block++) {
        if (block === done || block >= this.#keys.length) continue;
        done = block;
        const key = this.#keyOf(map, block, number);
        if (key !== undefined) this.#keys[block] = key;
      }
    }
  }

  #keyOf(map: DifferenceMap, block: number, number: number): number | undefined {
    const start = block * this.#cacheBlockBytes;
    const end = Math.min(this.#size, start + this.#cacheBlockBytes);
    const first = Math.floor(start / UNIT_BYTES);
    const last = Math.floor((end - 1) / UNIT_BYTES);
    const blocks = first === last ? blocksOf(start, end, first) : WHOLE_UNIT;
    let decides = false;
    let passesOn = false;
    for (let unit = first; unit <= last; unit++) {
      decides ||= (map.decidedIn(unit) & blocks) !== 0;
      passesOn ||= (map.passedOnIn(unit) & blocks) !== 0;
    }
    return decides ? 2 * number + (passesOn ? 1 : 0) : undefined;
  }

  /** Mixtures that later layers have replaced. */
  #dropUnused(): void {
    const used = new Uint8Array(Math.ceil(this.#mixtures.count / 8));
    let count = 0;
    for (const entry of this.#entries) {
      if (entry < MIXED || hasChunk(used, entry - MIXED)) continue;
      markChunk(used, entry - MIXED);
      count += 1;
    }
    if (count === this.#mixtures.count) return;
    const kept = new Mixtures();
    const { sources } = this.#mixtures;
    for (const [unit, entry] of this.#entries.entries()) {
      if (entry < MIXED) continue;
      const start = (entry - MIXED) * BLOCKS_PER_UNIT;
      const mixture = sources.subarray(start, start + BLOCKS_PER_UNIT);
      this.#entries[unit] = MIXED + kept.numberOf(mixture);
    }
    this.#mixtures = kept;
  }
}

function refusal(size: number, detail: string): BlockError {
  return new BlockError('EINVAL', 'open', 0, size, detail);
}
