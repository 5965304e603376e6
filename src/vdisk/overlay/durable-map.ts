/**
 * Flush. The durable map is what a host finds after it died: it must never say "owned" of a block
 * whose bytes were not synced, and never forget that a range was zeroed while forgetting that its
 * blocks were owned. Hence, in this order:
 *
 *     1  a snapshot of the map pages changed since the last flush, taken under the state mutex:
 *        whatever it calls owned is already written to the data volume
 *     2  data volume: flush
 *     3  durable map: the zeroed pages of the snapshot, flush. Units only ever become zeroed, and a
 *        zeroed bit says nothing about owned blocks, so these alone are never wrong
 *     4  durable map: the owned pages of the snapshot, flush. A page torn half-way is not wrong
 *        either: each bit is as it was or as it becomes, and 2 and 3 make both true
 *
 * A process may have been killed between writing pages of 3 or 4 and syncing them: the next one finds
 * them in the page cache, equal to the live map. Its first flush syncs the durable map after step 2,
 * before it builds on it.
 *
 * Without changed pages a flush is step 2 alone. Flushes of all workers run one after the other, and
 * one that waited needs no run of its own when a flush that began after its call has completed.
 *
 * A volume that failed to flush may have lost writes for good, so flushing has failed for good too,
 * also for the next process: the kernel reports a lost write once, and a later sync would succeed. So
 * the boot record goes, without which the next process goes back to what is known to be on disk.
 */
import { GroupCommit } from '../../base/index.ts';
import { type BlockDevice, PLAIN, ZEROES } from '../../block/index.ts';
import { BlockError } from '../../errors/index.ts';
import { MAP_PAGE_BYTES } from './limits.ts';
import { BOOT_RECORD_BYTES, BOOT_RECORD_OFFSET } from './map-layout.ts';
import type { OverlayState } from './overlay-state.ts';

/** Neighbouring map pages, as they were at the snapshot. */
interface Pages {
  readonly first: number;
  readonly bytes: Buffer;
}

export class DurableMap {
  readonly #state: OverlayState;
  readonly #data: BlockDevice;
  readonly #map: BlockDevice;
  readonly #group = new GroupCommit(() => this.#flushInTurn());

  constructor(state: OverlayState, data: BlockDevice, map: BlockDevice) {
    this.#state = state;
    this.#data = data;
    this.#map = map;
  }

  /** Settles when everything that had settled before the call is on stable storage. */
  flush(): Promise<void> {
    return this.#group.request();
  }

  async #flushInTurn(): Promise<void> {
    const state = this.#state;
    const needed = (state.lastFlushStarted + 1) | 0;
    await state.flushMutex.lock();
    try {
      const failure = state.flushFailure;
      if (failure !== undefined) {
        throw new BlockError(failure, 'flush', 0, 0, 'an earlier flush failed; writes may be lost');
      }
      if (state.isFlushed(needed)) return;
      const number = state.startFlush();
      await this.#flush();
      state.completeFlush(number);
    } finally {
      state.flushMutex.unlock();
    }
  }

  async #flush(): Promise<void> {
    const { ownedPages, zeroedPages } = this.#state.geometry;
    const owned: Pages[] = [];
    const zeroed: Pages[] = [];
    await this.#state.stateMutex.lock();
    try {
      owned.push(...this.#take(0, ownedPages));
      zeroed.push(...this.#take(ownedPages, ownedPages + zeroedPages));
    } finally {
      this.#state.stateMutex.unlock();
    }
    try {
      await this.#sync(this.#data);
      if (this.#state.mapUnsynced) {
        await this.#sync(this.#map);
        this.#state.mapUnsynced = false;
      }
      await this.#store(zeroed);
      await this.#store(owned);
    } catch (error) {
      await this.#giveBack([...owned, ...zeroed]);
      throw error;
    }
  }

  /**
   * Copies the dirty pages in [from, to) and calls them clean. They count as reserved from now on: the
   * map was recovered after a kill where they are not yet, and a page that this flush is about to
   * store, or has stored, must not be "reserved" by writing zeroes over it.
   */
  #take(from: number, to: number): Pages[] {
    const { dirty, reserved, mapBytes } = this.#state;
    const taken: Pages[] = [];
    for (let first = dirty.nextSet(from, to); first < to; ) {
      const end = dirty.nextClear(first, to);
      const bytes = Buffer.from(mapBytes.slice(first * MAP_PAGE_BYTES, end * MAP_PAGE_BYTES));
      taken.push({ first, bytes });
      reserved.set(first, end);
      first = dirty.nextSet(end, to);
    }
    dirty.clear(from, to);
    return taken;
  }

  async #store(pages: readonly Pages[]): Promise<void> {
    if (pages.length === 0) return;
    for (const { first, bytes } of pages) {
      const start = this.#state.geometry.durableOffset + first * MAP_PAGE_BYTES;
      const most = this.#map.geometry.maximumIo;
      for (let done = 0; done < bytes.length; done += most) {
        await this.#map.write(bytes.subarray(done, done + most), start + done, PLAIN);
      }
    }
    await this.#sync(this.#map);
  }

  async #giveBack(pages: readonly Pages[]): Promise<void> {
    await this.#state.stateMutex.lock();
    for (const { first, bytes } of pages) {
      this.#state.dirty.set(first, first + bytes.length / MAP_PAGE_BYTES);
    }
    this.#state.stateMutex.unlock();
  }

  async #sync(volume: BlockDevice): Promise<void> {
    try {
      await volume.flush();
    } catch (error) {
      const failure = BlockError.from(error, 'flush', 0, 0);
      // A volume that was closed under us has lost nothing.
      if (failure.errno !== 'ESHUTDOWN') {
        this.#state.flushFailure = failure.errno;
        await this.#distrustLiveMap();
      }
      throw failure;
    }
  }

  async #distrustLiveMap(): Promise<void> {
    try {
      await this.#map.write(ZEROES.subarray(0, BOOT_RECORD_BYTES), BOOT_RECORD_OFFSET, PLAIN);
    } catch {
      // The disk fails altogether: whoever flushes is told so in any case.
    }
  }
}
