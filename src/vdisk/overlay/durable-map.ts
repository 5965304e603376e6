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
 *     5  where flushes went through the journal since the last checkpoint: the journal mark, flush. Not
 *        before 4 is done: records that the mark makes meaningless may be all that says "owned"
 *
 * A process may have been killed between writing pages of 3 or 4 and syncing them: the next one finds
 * them in the page cache, equal to the live map. Its first flush syncs the durable map after step 2,
 * before it builds on it.
 *
 * Without changed pages a flush is step 2 alone. A small flush takes none of these steps: its blocks go
 * through the flush journal, if there is one (journal/flush-journal.ts), and the steps are taken later,
 * by a checkpoint. A flush that finds nothing written since the one before has nothing to do. Flushes
 * of all workers run one after the other, and
 * one that waited needs no run of its own when a flush that began after its call has completed: unless the volumes' flush
 * covers what its own handle wrote only.
 *
 * A volume that failed to flush may have lost writes for good, so flushing has failed for good too,
 * also for the next process: the kernel reports a lost write once, and a later sync would succeed. So
 * the boot record goes, without which the next process goes back to what is known to be on disk.
 */
import { Gather, GroupCommit } from '../../base/index.ts';
import { type BlockDevice, PLAIN, ZEROES } from '../../block/index.ts';
import { BlockError } from '../../errors/index.ts';
import {
  type BlockSpan,
  type FlushJournal,
  JOURNAL_RECORD_DATA_BYTES,
  JOURNAL_RECORD_RANGES,
  type JournalUser,
} from '../journal/index.ts';
import { mergeSpans } from './dirty-ring.ts';
import { writeJournalMark } from './journal-mark.ts';
import { BLOCK_BYTES, MAP_PAGE_BYTES } from './limits.ts';
import { BOOT_RECORD_BYTES, BOOT_RECORD_OFFSET } from './map-layout.ts';
import type { OverlayState } from './overlay-state.ts';

/** Neighbouring map pages, as they were at the snapshot. */
interface Pages {
  readonly first: number;
  readonly bytes: Buffer;
}

/** The journal of this thread, and what the overlay is called in it. */
export interface JournalAccess {
  readonly journal: FlushJournal;
  readonly key: string;
}

export class DurableMap implements JournalUser {
  readonly key: string;
  readonly #state: OverlayState;
  readonly #data: BlockDevice;
  readonly #map: BlockDevice;
  readonly #journal: FlushJournal | undefined;
  /** Whether a flush of one thread is one of what the others wrote: not over NFS. */
  readonly #coversOthers: boolean;
  readonly #group = new GroupCommit(() => this.#flushInTurn());
  #record = Buffer.alloc(0);
  #checkpoint: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    state: OverlayState,
    data: BlockDevice,
    map: BlockDevice,
    access: JournalAccess | undefined,
  ) {
    this.#state = state;
    this.#data = data;
    this.#map = map;
    this.#journal = access?.journal;
    this.#coversOthers = data.capabilities.multiConn && map.capabilities.multiConn;
    this.#journal?.prepare();
    this.key = access?.key ?? '';
  }

  /** Settles when everything that had settled before the call is on stable storage. */
  flush(): Promise<void> {
    return this.#group.request();
  }

  /** Settles when the overlay's own volumes hold everything that was journalled before the call. */
  checkpoint(): Promise<void> {
    if (this.#closing !== undefined) return this.#closing;
    this.#checkpoint ??= this.#syncVolumes().finally(() => {
      this.#checkpoint = undefined;
    });
    return this.#checkpoint;
  }

  /** Takes the overlay out of the journal. Nothing else runs on it any more. */
  async close(): Promise<void> {
    if (this.#journal === undefined) return;
    // Whoever asks for a checkpoint from now on gets this one: the volumes are closed after it.
    this.#closing = this.checkpoint();
    try {
      await this.#closing;
    } catch (error) {
      // Its records stay where they are, for the next start of the service.
      this.#journal.stop(error);
    }
    this.#journal.leave(this);
  }

  async #flushInTurn(): Promise<void> {
    const state = this.#state;
    const needed = (state.lastFlushStarted + 1) | 0;
    // Also where it is free this is a turn later: writes of the same read event have been committed by then.
    await state.flushMutex.lock();
    try {
      this.#refuseAfterFailure();
      if (this.#coversOthers && state.isFlushed(needed)) return;
      const number = state.startFlush();
      if (!(await this.#commitToJournal())) await this.#flush();
      state.completeFlush(number);
    } finally {
      state.flushMutex.unlock();
    }
  }

  async #syncVolumes(): Promise<void> {
    const state = this.#state;
    if (state.journalled === state.checkpointed) return;
    // Most of the bytes leave before the machine's own flushes have to wait.
    await this.#sync(this.#data);
    await state.flushMutex.lock();
    try {
      this.#refuseAfterFailure();
      if (state.journalled === state.checkpointed) return;
      const number = state.startFlush();
      await this.#flush();
      state.completeFlush(number);
    } finally {
      state.flushMutex.unlock();
    }
  }

  #refuseAfterFailure(): void {
    const failure = this.#state.flushFailure;
    if (failure === undefined) return;
    throw new BlockError(failure, 'flush', 0, 0, 'an earlier flush failed; writes may be lost');
  }

  /** @returns whether everything written since the last flush is durable now */
  async #commitToJournal(): Promise<boolean> {
    const state = this.#state;
    if (this.#journal === undefined) return false;
    const noted = state.ring.take();
    if (noted === undefined) return false;
    if (noted.length === 0) return true;
    const ranges = mergeSpans(noted);
    const bytes = ranges.reduce((sum, range) => sum + this.#bytesOf(range), 0);
    if (ranges.length > JOURNAL_RECORD_RANGES || bytes > JOURNAL_RECORD_DATA_BYTES) return false;
    // A change that overlapped a write has disowned blocks of it: the map alone can say that.
    if (ranges.some(({ from, to }) => state.owned.nextClear(from, to) < to)) return false;
    let data: Buffer;
    try {
      data = await this.#read(ranges, bytes);
    } catch {
      // What was taken from the ring is noted nowhere else: the volumes are flushed.
      return false;
    }
    const sequence = state.journalled + 1;
    state.journalled = sequence;
    const { incarnation } = state;
    return this.#journal.append(this, { key: this.key, incarnation, sequence, ranges, data });
  }

  /** The last block of a disk may be short. */
  #bytesOf({ from, to }: BlockSpan): number {
    return Math.min(this.#state.size, to * BLOCK_BYTES) - from * BLOCK_BYTES;
  }

  /**
   * The blocks as they are now. One that is being written again meanwhile may be half of each: so may
   * it be on a disk that loses power, until the write that is on its way was flushed.
   */
  async #read(ranges: readonly BlockSpan[], bytes: number): Promise<Buffer> {
    if (this.#record.length < bytes) this.#record = Buffer.allocUnsafeSlow(bytes);
    const data = this.#record.subarray(0, bytes);
    const parts = new Gather();
    let at = 0;
    for (const range of ranges) {
      const part = data.subarray(at, at + this.#bytesOf(range));
      parts.run(() => this.#data.read(part, range.from * BLOCK_BYTES));
      at += part.length;
    }
    await parts.settle();
    return data;
  }

  /** Syncs the overlay's own volumes. Under the flush mutex. */
  async #flush(): Promise<void> {
    const { ownedPages, zeroedPages } = this.#state.geometry;
    const { journalled } = this.#state;
    // Whatever it holds is written already, and synced below.
    this.#state.ring.take();
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
      if (this.#state.checkpointed !== journalled) await this.#mark(journalled);
    } catch (error) {
      this.#state.ring.noteUnlisted();
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
    const { dirty, reserved } = this.#state;
    const taken: Pages[] = [];
    for (let first = dirty.nextSet(from, to); first < to; ) {
      const end = dirty.nextClear(first, to);
      const bytes = Buffer.alloc((end - first) * MAP_PAGE_BYTES);
      this.#state.copyMap(bytes, first * MAP_PAGE_BYTES);
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

  async #mark(sequence: number): Promise<void> {
    const { incarnation, markCopy } = this.#state;
    // Torn by the death of the host, it must leave the one before.
    await writeJournalMark(this.#map, { incarnation, sequence }, markCopy + 1);
    await this.#sync(this.#map);
    this.#state.markCopy = (markCopy + 1) & 1;
    this.#state.checkpointed = sequence;
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
