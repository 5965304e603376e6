/**
 * The read cache: blocks of sealed layers, shared by every device of a thread.
 *
 * - Keyed by (layer, block number). A sealed layer never changes, so a block is never invalidated.
 * - One miss causes one read of the whole block, however many readers wait for it; each waiting
 *   reader gets its bytes in the moment in which the block arrives.
 * - Blocks are lent to sockets as they are. A slot counts its loans: its buffer goes back to the pool
 *   of spare buffers, to be filled with something else, only when it is evicted *and* nobody holds a
 *   loan of it. Recycling is worth the care: a fresh 128 KiB buffer costs about as much in page
 *   faults as the read that fills it.
 * - Blocks that are lent count against a limit; beyond it readers get copies. A lent block may be
 *   evicted, so the cache and its loans never hold more than capacity + limit.
 */
import { LRUCache } from 'lru-cache';
import { Gather, isPromise, type MaybePromise } from '../base/index.ts';
import type { Loan, ReadableBlockDevice } from './block-device.ts';
import { CACHE_BLOCK_BYTES, CACHE_LENT_BYTES, CACHE_SPARE_BYTES } from './limits.ts';

interface Slot {
  readonly buffer: Buffer;
  /** Loans not yet released. */
  pins: number;
  evicted: boolean;
}

/** Bytes of a block that a waiting reader wants. */
interface Copy {
  readonly target: Buffer;
  readonly targetStart: number;
  readonly from: number;
  readonly to: number;
}

interface Fill {
  readonly copies: Copy[];
  readonly done: Promise<void>;
}

export interface ReadCacheOptions {
  /** Bytes of blocks kept; at least one block. */
  readonly capacityBytes: number;
  /** Bytes per block, a power of two. */
  readonly blockBytes?: number;
  /** Bytes of blocks that may be lent at the same time. */
  readonly lentLimitBytes?: number;
}

export interface ReadCacheGauges {
  readonly capacityBytes: number;
  readonly cachedBytes: number;
  readonly hits: number;
  readonly misses: number;
  /** Misses that found the block already on its way. */
  readonly joins: number;
  /** Bytes answered from blocks that were there. */
  readonly hitBytes: number;
  /** Bytes read from layers to fill blocks. */
  readonly filledBytes: number;
  readonly failedFills: number;
  readonly loans: number;
  /** Loans refused because of the limit on lent bytes. */
  readonly refusedLoans: number;
  /** Bytes of blocks that are lent, each counted once. */
  readonly lentBytes: number;
  /** … of which are evicted: memory held beyond `cachedBytes`. */
  readonly evictedLentBytes: number;
  readonly spareBytes: number;
}

/** For a device whose blocks come from several layers: the layer that each is cached under. */
export interface BlockLayers {
  /** A number from `ReadCache.layer`. */
  layerAt(block: number): number;
}

/** Layers get small numbers; a key is (number × 2³² + block), exact in a double for 2²¹ layers. */
const LAYER_STRIDE = 2 ** 32;
const EXACT_LAYERS = 2 ** 21;

/** Of layers beyond those (every merge of a chain names all above it anew) it is a text: slower, and never another block's. */
type Key = number | string;

function keyOf(layers: number | BlockLayers, block: number): Key {
  const layer = typeof layers === 'number' ? layers : layers.layerAt(block);
  return layer < EXACT_LAYERS ? layer * LAYER_STRIDE + block : `${layer}:${block}`;
}

function layerOf(key: Key): number {
  return typeof key === 'number' ? Math.floor(key / LAYER_STRIDE) : Number.parseInt(key, 10);
}

export class ReadCache {
  readonly blockBytes: number;
  readonly #capacityBytes: number;
  readonly #lentLimit: number;
  readonly #slots: LRUCache<Key, Slot>;
  readonly #fills = new Map<Key, Fill>();
  readonly #layers = new Map<string, number>();
  readonly #spare: Buffer[] = [];
  readonly #spareLimit: number;
  #nextLayer = 0;
  #hits = 0;
  #misses = 0;
  #joins = 0;
  #hitBytes = 0;
  #filledBytes = 0;
  #failedFills = 0;
  #loans = 0;
  #refusedLoans = 0;
  #lentBytes = 0;
  #evictedLentBytes = 0;

  constructor(options: ReadCacheOptions) {
    this.blockBytes = options.blockBytes ?? CACHE_BLOCK_BYTES;
    this.#capacityBytes = options.capacityBytes;
    this.#lentLimit = options.lentLimitBytes ?? CACHE_LENT_BYTES;
    if (options.capacityBytes < this.blockBytes) {
      throw new RangeError(`a read cache of ${options.capacityBytes} bytes holds no block`);
    }
    this.#spareLimit = Math.ceil(CACHE_SPARE_BYTES / this.blockBytes);
    this.#slots = new LRUCache<Key, Slot>({
      maxSize: options.capacityBytes,
      sizeCalculation: (slot) => slot.buffer.length,
      dispose: (slot) => this.#evicted(slot),
    });
  }

  /** The number under which this cache knows a layer. The same name always means the same bytes. */
  layer(layerId: string): number {
    let layer = this.#layers.get(layerId);
    if (layer === undefined) {
      layer = this.#nextLayer++;
      this.#layers.set(layerId, layer);
    }
    return layer;
  }

  /** Drops the blocks of a layer that is being deleted. */
  forget(layerId: string): void {
    const layer = this.#layers.get(layerId);
    if (layer === undefined) return;
    this.#layers.delete(layerId);
    for (const key of [...this.#slots.keys()]) {
      if (layerOf(key) === layer) this.#slots.delete(key);
    }
  }

  /** The range as lent memory when every block of it is cached. */
  lend(layers: number | BlockLayers, offset: number, length: number): Loan | undefined {
    const unit = this.blockBytes;
    const first = Math.floor(offset / unit);
    const start = offset - first * unit;
    if (start + length > unit) return this.#lendMany(layers, offset, length);
    const slot = this.#slots.get(keyOf(layers, first));
    if (slot === undefined || !this.#mayLend(1)) return undefined;
    this.#hits += 1;
    this.#hitBytes += length;
    this.#pin(slot);
    return new SlotLoan(this, slot, undefined, [slot.buffer.subarray(start, start + length)]);
  }

  /**
   * Copies the range into `target`, reading blocks that are missing from `source`.
   * @param layers what the blocks are cached under: one layer, or a layer for each
   * @param source the layer's bytes; reads of whole blocks, the last one cut at its size
   */
  read(
    layers: number | BlockLayers,
    source: ReadableBlockDevice,
    target: Buffer,
    offset: number,
  ): MaybePromise<void> {
    let gather: Gather | undefined;
    const unit = this.blockBytes;
    for (let done = 0; done < target.length; ) {
      const block = Math.floor((offset + done) / unit);
      const from = offset + done - block * unit;
      const to = Math.min(unit, from + target.length - done);
      const key = keyOf(layers, block);
      const slot = this.#slots.get(key);
      if (slot !== undefined) {
        this.#hits += 1;
        this.#hitBytes += to - from;
        slot.buffer.copy(target, done, from, to);
      } else {
        this.#misses += 1;
        gather ??= new Gather();
        const copy = { target, targetStart: done, from, to };
        gather.run(() => this.#fill(key, source, block, copy));
      }
      done += to - from;
    }
    return gather?.settle();
  }

  /** Brings the blocks of the range in. */
  warm(
    layers: number | BlockLayers,
    source: ReadableBlockDevice,
    offset: number,
    length: number,
  ): MaybePromise<void> {
    const gather = new Gather();
    const last = Math.floor((offset + length - 1) / this.blockBytes);
    for (let block = Math.floor(offset / this.blockBytes); block <= last; block++) {
      const key = keyOf(layers, block);
      if (this.#slots.get(key) !== undefined) continue;
      gather.run(() => this.#fill(key, source, block, undefined));
    }
    return gather.settle();
  }

  gauges(): ReadCacheGauges {
    return {
      capacityBytes: this.#capacityBytes,
      cachedBytes: this.#slots.calculatedSize,
      hits: this.#hits,
      misses: this.#misses,
      joins: this.#joins,
      hitBytes: this.#hitBytes,
      filledBytes: this.#filledBytes,
      failedFills: this.#failedFills,
      loans: this.#loans,
      refusedLoans: this.#refusedLoans,
      lentBytes: this.#lentBytes,
      evictedLentBytes: this.#evictedLentBytes,
      spareBytes: this.#spare.length * this.blockBytes,
    };
  }

  /** For SlotLoan only. */
  unpin(slot: Slot): void {
    slot.pins -= 1;
    this.#loans -= 1;
    if (slot.pins > 0) return;
    this.#lentBytes -= slot.buffer.length;
    if (!slot.evicted) return;
    this.#evictedLentBytes -= slot.buffer.length;
    this.#recycle(slot.buffer);
  }

  #lendMany(layers: number | BlockLayers, offset: number, length: number): Loan | undefined {
    const unit = this.blockBytes;
    const chunks: Buffer[] = [];
    const slots: Slot[] = [];
    for (let done = 0; done < length; ) {
      const block = Math.floor((offset + done) / unit);
      const from = offset + done - block * unit;
      const to = Math.min(unit, from + length - done);
      const slot = this.#slots.get(keyOf(layers, block));
      if (slot === undefined) return undefined;
      slots.push(slot);
      chunks.push(slot.buffer.subarray(from, to));
      done += to - from;
    }
    if (!this.#mayLend(slots.length)) return undefined;
    this.#hits += slots.length;
    this.#hitBytes += length;
    for (const slot of slots) this.#pin(slot);
    return new SlotLoan(this, undefined, slots, chunks);
  }

  #mayLend(blocks: number): boolean {
    if (this.#lentBytes + blocks * this.blockBytes <= this.#lentLimit) return true;
    this.#refusedLoans += 1;
    return false;
  }

  #pin(slot: Slot): void {
    if (slot.pins === 0) this.#lentBytes += slot.buffer.length;
    slot.pins += 1;
    this.#loans += 1;
  }

  /** Reads one block, or joins the reader that already does. */
  #fill(
    key: Key,
    source: ReadableBlockDevice,
    block: number,
    copy: Copy | undefined,
  ): MaybePromise<void> {
    const running = this.#fills.get(key);
    if (running !== undefined) {
      this.#joins += 1;
      if (copy !== undefined) running.copies.push(copy);
      return running.done;
    }
    const buffer = this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.blockBytes);
    const length = Math.min(this.blockBytes, source.geometry.size - block * this.blockBytes);
    // A disk that has grown since shares the block, and reads zeroes where this one ended.
    if (length < this.blockBytes) buffer.fill(0, length);
    let result: MaybePromise<void>;
    try {
      result = source.read(buffer.subarray(0, length), block * this.blockBytes);
    } catch (error) {
      this.#fillFailed(buffer);
      throw error;
    }
    const copies = copy === undefined ? [] : [copy];
    if (!isPromise(result)) {
      this.#filled(key, buffer, length, copies);
      return undefined;
    }
    const done = result.then(
      () => {
        this.#fills.delete(key);
        this.#filled(key, buffer, length, copies);
      },
      (error: unknown) => {
        this.#fills.delete(key);
        this.#fillFailed(buffer);
        throw error;
      },
    );
    this.#fills.set(key, { copies, done });
    return done;
  }

  /** Serves the waiting readers before anything else can evict the block again. */
  #filled(key: Key, buffer: Buffer, length: number, copies: readonly Copy[]): void {
    for (const { target, targetStart, from, to } of copies) {
      buffer.copy(target, targetStart, from, to);
    }
    this.#filledBytes += length;
    this.#slots.set(key, { buffer, pins: 0, evicted: false });
  }

  #fillFailed(buffer: Buffer): void {
    this.#failedFills += 1;
    this.#recycle(buffer);
  }

  #evicted(slot: Slot): void {
    slot.evicted = true;
    if (slot.pins === 0) this.#recycle(slot.buffer);
    else this.#evictedLentBytes += slot.buffer.length;
  }

  #recycle(buffer: Buffer): void {
    if (this.#spare.length < this.#spareLimit) this.#spare.push(buffer);
  }
}

class SlotLoan implements Loan {
  readonly chunks: readonly Buffer[];
  readonly #cache: ReadCache;
  #slot: Slot | undefined;
  #slots: readonly Slot[] | undefined;

  constructor(
    cache: ReadCache,
    slot: Slot | undefined,
    slots: readonly Slot[] | undefined,
    chunks: readonly Buffer[],
  ) {
    this.#cache = cache;
    this.#slot = slot;
    this.#slots = slots;
    this.chunks = chunks;
  }

  /** A second call does nothing: releasing twice would hand a buffer in use to the next miss. */
  release(): void {
    const slot = this.#slot;
    const slots = this.#slots;
    this.#slot = undefined;
    this.#slots = undefined;
    if (slot !== undefined) this.#cache.unpin(slot);
    if (slots !== undefined) for (const each of slots) this.#cache.unpin(each);
  }
}
