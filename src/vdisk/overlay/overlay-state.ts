/**
 * The state of an open overlay: one SharedArrayBuffer, handed to every worker that serves it.
 *
 *     0      identity: magic, layout version, workers
 *     128    the state mutex: held to change bits, to write blocks that are not owned yet, and to
 *            change what is being reclaimed
 *     256    the flush mutex: held by the one flush that runs; taken before the state mutex
 *     384    flush counters, the failure that ended flushing, what recovery left to be synced
 *     512    full flag, reclaim counters
 *     640    size, quota, owned blocks (doubles; changed under the state mutex)
 *     768    the ranges being reclaimed (pairs of block numbers)
 *     832    counters of the dirty ring (dirty-ring.ts)
 *     960    the journal: sequence of the last journalled flush, of the last one that is not needed any
 *            more (doubles), incarnation; changed under the flush mutex
 *     1024   the dirty ring
 *     2048   statistics: 128 bytes for each worker, written by that worker only
 *     …      dirty: one bit for each page of the map changed since the last flush
 *     …      reserved: one bit for each page of the durable map known to have space of its own
 *     …      touched: the summary, as it is on disk (touched-summary.ts)
 *     …      owned: by pages of the map, each as small as its bits allow (base/paged-bitmap.ts)
 *     …      zeroed bits, laid out as in the map volume (map-layout.ts)
 *
 * Everything after the statistics is untouched zero memory until bits are set: an overlay that
 * nobody wrote to costs a few KiB, and each page of the map in use 1 or 4 KiB.
 */
import { PagedBitmap, SharedBitmap, SharedMutex } from '../../base/index.ts';
import { ERRNOS, type Errno } from '../../errors/index.ts';
import { DIRTY_COUNTER_WORDS, DIRTY_RING_WORDS, DirtyRing } from './dirty-ring.ts';
import { MAP_PAGE_BYTES, MAXIMUM_WORKERS, RECLAIMS_AT_ONCE, SUMMARY_BYTES } from './limits.ts';
import { type MapGeometry, mapGeometry } from './map-layout.ts';

const MAGIC = 0x52434f56; // "RCOV"
const LAYOUT_VERSION = 3;

const WORD = {
  magic: 0,
  version: 1,
  workers: 2,
  stateMutex: 32,
  flushMutex: 64,
  flushStarted: 96,
  flushCompleted: 97,
  flushFailure: 98,
  mapUnsynced: 99,
  full: 128,
  reclaims: 129,
  reclaimEpoch: 130,
  markCopy: 246,
} as const;

const DOUBLE = {
  size: 80,
  quota: 81,
  ownedBlocks: 82,
  journalled: 120,
  checkpointed: 121,
} as const;
const INCARNATION = 122;

const RECLAIM_BYTES = 768;
const DIRTY_COUNTERS_BYTES = 832;
const DIRTY_RING_BYTES = 1024;
const STATISTICS_BYTES = 2048;
const STATISTICS_SLOT_BYTES = 128;

/** Fields of a worker's statistics, as indices of doubles. */
export const STATISTIC = {
  bytesRead: 0,
  bytesWritten: 1,
  readRequests: 2,
  writeRequests: 3,
  flushes: 4,
  lastRequestAt: 5,
  reclaimFailures: 6,
} as const;

/** Why a write did not fit: the machine's quota is used up, or the repository is full. */
export type FullReason = 'quota' | 'repository';

const FULL_REASONS: readonly FullReason[] = ['quota', 'repository'];

export class OverlayState {
  readonly size: number;
  readonly workers: number;
  readonly geometry: MapGeometry;
  readonly words: Int32Array;
  readonly owned: PagedBitmap;
  readonly zeroed: SharedBitmap;
  readonly dirty: SharedBitmap;
  readonly reserved: SharedBitmap;
  /** Groups of map pages that may hold something. */
  readonly touched: SharedBitmap;
  /** The bytes of touched, as they are on disk. */
  readonly summaryBytes: Uint8Array;
  readonly stateMutex: SharedMutex;
  readonly flushMutex: SharedMutex;
  /** What was written since the last flush. */
  readonly ring: DirtyRing;
  readonly #zeroedBytes: Uint8Array;
  readonly #doubles: Float64Array;
  readonly #integers: BigUint64Array;
  readonly #reclaims: Int32Array;
  readonly #buffer: SharedArrayBuffer;

  /** @throws RangeError when the buffer is not the state of an overlay. */
  constructor(buffer: SharedArrayBuffer) {
    this.#buffer = buffer;
    this.words = new Int32Array(buffer, 0, STATISTICS_BYTES / 4);
    if (this.words[WORD.magic] !== MAGIC || this.words[WORD.version] !== LAYOUT_VERSION) {
      throw new RangeError('not the state of an overlay');
    }
    this.#doubles = new Float64Array(buffer, 0, STATISTICS_BYTES / 8);
    this.#integers = new BigUint64Array(buffer, 0, STATISTICS_BYTES / 8);
    this.ring = new DirtyRing(
      new Int32Array(buffer, DIRTY_COUNTERS_BYTES, DIRTY_COUNTER_WORDS),
      new Int32Array(buffer, DIRTY_RING_BYTES, DIRTY_RING_WORDS),
    );
    this.#reclaims = new Int32Array(buffer, RECLAIM_BYTES, RECLAIMS_AT_ONCE * 2);
    this.size = this.#doubles[DOUBLE.size] ?? 0;
    this.workers = this.words[WORD.workers] ?? 0;
    this.geometry = mapGeometry(this.size);
    const at = offsets(this.geometry, this.workers);
    const { units, ownedPages, zeroedPages, groups } = this.geometry;
    this.dirty = new SharedBitmap(buffer, at.dirty, ownedPages + zeroedPages);
    this.reserved = new SharedBitmap(buffer, at.reserved, ownedPages + zeroedPages);
    this.touched = new SharedBitmap(buffer, at.touched, groups);
    this.summaryBytes = new Uint8Array(buffer, at.touched, SUMMARY_BYTES);
    this.owned = new PagedBitmap(buffer, at.owned, ownedPages);
    this.zeroed = new SharedBitmap(buffer, at.zeroed, units);
    this.#zeroedBytes = new Uint8Array(buffer, at.zeroed, zeroedPages * MAP_PAGE_BYTES);
    this.stateMutex = new SharedMutex(this.words, WORD.stateMutex);
    this.flushMutex = new SharedMutex(this.words, WORD.flushMutex);
  }

  /** @param quotaBytes undefined: no quota */
  static allocate(
    size: number,
    workers: number,
    quotaBytes: number | undefined,
  ): SharedArrayBuffer {
    if (!Number.isInteger(workers) || workers < 1 || workers > MAXIMUM_WORKERS) {
      throw new RangeError(`an overlay for ${workers} workers: 1 to ${MAXIMUM_WORKERS}`);
    }
    const geometry = mapGeometry(size);
    const { end: bytes } = offsets(geometry, workers);
    // Growable, though it never grows: that memory is mapped on its own, from the start of a page, and
    // given back when it is let go. Any other comes from malloc, where a page of the map lies across
    // two of memory, and where what was used before is filled with zeroes, that is, touched.
    const buffer = new SharedArrayBuffer(bytes, { maxByteLength: bytes });
    const words = new Int32Array(buffer, 0, STATISTICS_BYTES / 4);
    words[WORD.magic] = MAGIC;
    words[WORD.version] = LAYOUT_VERSION;
    words[WORD.workers] = workers;
    const doubles = new Float64Array(buffer, 0, STATISTICS_BYTES / 8);
    doubles[DOUBLE.size] = size;
    doubles[DOUBLE.quota] = quotaBytes ?? Number.POSITIVE_INFINITY;
    return buffer;
  }

  /** @param worker 0 … workers − 1 */
  statistics(worker: number): Float64Array {
    if (!Number.isInteger(worker) || worker < 0 || worker >= this.workers) {
      throw new RangeError(`worker ${worker} of an overlay for ${this.workers}`);
    }
    const start = STATISTICS_BYTES + worker * STATISTICS_SLOT_BYTES;
    return new Float64Array(this.#buffer, start, STATISTICS_SLOT_BYTES / 8);
  }

  /**
   * Bytes of owned and zeroed as they are on disk, from byte `first` of the map on. Under the state mutex.
   * @param target becomes them
   */
  copyMap(target: Uint8Array, first: number): void {
    const zeroedAt = this.geometry.ownedPages * MAP_PAGE_BYTES;
    const owned = Math.max(0, Math.min(target.length, zeroedAt - first));
    const { length } = target;
    if (owned > 0)
      this.owned.copyBytes(owned === length ? target : target.subarray(0, owned), first);
    if (owned === length) return;
    const from = first + owned - zeroedAt;
    target.set(this.#zeroedBytes.subarray(from, from + length - owned), owned);
  }

  /**
   * The page of the map, empty so far, is this. Before any worker has the state.
   * @returns how many blocks it says are owned
   */
  loadMapPage(page: number, words: Int32Array): number {
    const { ownedPages } = this.geometry;
    if (page < ownedPages) return this.owned.loadPage(page, words);
    const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
    this.#zeroedBytes.set(bytes, (page - ownedPages) * MAP_PAGE_BYTES);
    return 0;
  }

  get quotaBytes(): number {
    return this.#doubles[DOUBLE.quota] ?? 0;
  }

  set quotaBytes(bytes: number) {
    this.#doubles[DOUBLE.quota] = bytes;
  }

  get ownedBlocks(): number {
    return this.#doubles[DOUBLE.ownedBlocks] ?? 0;
  }

  /** Under the state mutex. */
  set ownedBlocks(blocks: number) {
    this.#doubles[DOUBLE.ownedBlocks] = blocks;
  }

  /** Why the last write that needed space did not fit; undefined when there is room. */
  get full(): FullReason | undefined {
    return named(FULL_REASONS, Atomics.load(this.words, WORD.full));
  }

  /** @returns whether it changed. */
  setFull(reason: FullReason | undefined): boolean {
    const next = reason === undefined ? 0 : FULL_REASONS.indexOf(reason) + 1;
    return Atomics.exchange(this.words, WORD.full, next) !== next;
  }

  /** Sequence of the last flush that went through the journal. Under the flush mutex. */
  get journalled(): number {
    return this.#doubles[DOUBLE.journalled] ?? 0;
  }

  set journalled(sequence: number) {
    this.#doubles[DOUBLE.journalled] = sequence;
  }

  /** … and of the last one whose blocks are durable in the overlay's own volumes, as the map says. */
  get checkpointed(): number {
    return this.#doubles[DOUBLE.checkpointed] ?? 0;
  }

  set checkpointed(sequence: number) {
    this.#doubles[DOUBLE.checkpointed] = sequence;
  }

  /** Names this making of the overlay in the journal; 0 until its mark was read. */
  get incarnation(): bigint {
    return this.#integers[INCARNATION] ?? 0n;
  }

  set incarnation(incarnation: bigint) {
    this.#integers[INCARNATION] = incarnation;
  }

  /** Which copy of the map's journal mark is the newest. Under the flush mutex. */
  get markCopy(): number {
    return this.words[WORD.markCopy] ?? 0;
  }

  set markCopy(copy: number) {
    this.words[WORD.markCopy] = copy;
  }

  // Flush numbers count up and wrap around; they are compared by their difference.

  get lastFlushStarted(): number {
    return Atomics.load(this.words, WORD.flushStarted);
  }

  /** Under the flush mutex. */
  startFlush(): number {
    return (Atomics.add(this.words, WORD.flushStarted, 1) + 1) | 0;
  }

  /** Under the flush mutex. */
  completeFlush(number: number): void {
    Atomics.store(this.words, WORD.flushCompleted, number);
  }

  /** Whether a flush that began as number `number` or later has completed. */
  isFlushed(number: number): boolean {
    return ((Atomics.load(this.words, WORD.flushCompleted) - number) | 0) >= 0;
  }

  get flushFailure(): Errno | undefined {
    return named(ERRNOS, Atomics.load(this.words, WORD.flushFailure));
  }

  set flushFailure(errno: Errno) {
    Atomics.store(this.words, WORD.flushFailure, ERRNOS.indexOf(errno) + 1);
  }

  /**
   * Whether the durable map may hold what a process wrote and did not live to sync: recovery then finds
   * it in the page cache and cannot tell. Changed before any worker is there, then under the flush mutex.
   */
  get mapUnsynced(): boolean {
    return Atomics.load(this.words, WORD.mapUnsynced) !== 0;
  }

  set mapUnsynced(unsynced: boolean) {
    Atomics.store(this.words, WORD.mapUnsynced, unsynced ? 1 : 0);
  }

  /** Whether any of these blocks is being reclaimed. Under the state mutex. */
  isReclaiming(from: number, to: number): boolean {
    if (Atomics.load(this.words, WORD.reclaims) === 0) return false;
    for (let slot = 0; slot < this.#reclaims.length; slot += 2) {
      const start = this.#reclaims[slot] ?? 0;
      const end = this.#reclaims[slot + 1] ?? 0;
      if (start < to && from < end) return true;
    }
    return false;
  }

  /** Announces that blocks are being reclaimed. Under the state mutex. @returns a slot, or -1. */
  startReclaim(from: number, to: number): number {
    for (let slot = 0; slot < this.#reclaims.length; slot += 2) {
      if (this.#reclaims[slot + 1] !== 0) continue;
      this.#reclaims[slot] = from;
      this.#reclaims[slot + 1] = to;
      Atomics.add(this.words, WORD.reclaims, 1);
      return slot;
    }
    return -1;
  }

  /** Under the state mutex. Wakes everybody who waits in `reclaimed`. */
  endReclaim(slot: number): void {
    this.#reclaims[slot] = 0;
    this.#reclaims[slot + 1] = 0;
    Atomics.sub(this.words, WORD.reclaims, 1);
    Atomics.add(this.words, WORD.reclaimEpoch, 1);
    Atomics.notify(this.words, WORD.reclaimEpoch);
  }

  /** Taken under the state mutex, before `reclaimed`. */
  get reclaimEpoch(): number {
    return Atomics.load(this.words, WORD.reclaimEpoch);
  }

  /** Settles when a reclaim has ended since `epoch` was read. */
  async reclaimed(epoch: number): Promise<void> {
    const sleep = Atomics.waitAsync(this.words, WORD.reclaimEpoch, epoch);
    if (sleep.async) await sleep.value;
  }
}

/** The name with this number, the first being 1. An array that is asked for -1 looks for a property of that name: 0.3 µs. */
function named<Name>(names: readonly Name[], number: number): Name | undefined {
  return number === 0 ? undefined : names[number - 1];
}

function offsets(
  geometry: MapGeometry,
  workers: number,
): Record<'dirty' | 'reserved' | 'touched' | 'owned' | 'zeroed' | 'end', number> {
  const dirty = STATISTICS_BYTES + workers * STATISTICS_SLOT_BYTES;
  const bitmapBytes = SharedBitmap.bytesFor(geometry.ownedPages + geometry.zeroedPages);
  const reserved = dirty + bitmapBytes;
  const touched = reserved + bitmapBytes;
  const owned = Math.ceil((touched + SUMMARY_BYTES) / MAP_PAGE_BYTES) * MAP_PAGE_BYTES;
  const zeroed = owned + PagedBitmap.bytesFor(geometry.ownedPages);
  const end = zeroed + geometry.zeroedPages * MAP_PAGE_BYTES;
  return { dirty, reserved, touched, owned, zeroed, end };
}
