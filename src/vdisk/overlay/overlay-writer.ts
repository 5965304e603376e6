/**
 * Everything that changes which blocks are the overlay's own.
 *
 * A first write to a block holds the state mutex from the look at its bit to the change of it, so
 * that of two workers that write to parts of one block, neither copies old bytes over the other's
 * new ones. What such a write needs of the parent is read *before* the mutex is taken: the parent
 * never changes, so bytes read early are as good as bytes read late.
 *
 * First writes of one batch share the mutex and the change of the bits (first-writes.ts), as long as
 * they are done at once; whatever has to wait goes its own way.
 */
import { chain, Gather, isPromise, type MaybePromise } from '../../base/index.ts';
import {
  type BlockDevice,
  PLAIN,
  type ReadableBlockDevice,
  type WriteBatch,
  ZEROES,
} from '../../block/index.ts';
import { BlockError } from '../../errors/index.ts';
import { FirstWrites } from './first-writes.ts';
import { BLOCK_BYTES, BLOCKS_PER_UNIT, UNIT_BYTES, ZERO_WRITE_BYTES } from './limits.ts';
import { type BlockRange, LiveMap } from './live-map.ts';
import type { FullReason, OverlayState } from './overlay-state.ts';
import type { SpaceReclaimer } from './space-reclaimer.ts';

export interface OverlayWriterParts {
  readonly state: OverlayState;
  readonly base: ReadableBlockDevice;
  readonly data: BlockDevice;
  readonly map: BlockDevice;
  readonly reclaimer: SpaceReclaimer;
  readonly onFull: (reason: FullReason) => void;
}

/** A write on its way, with the parent's bytes of its first and last block once they were needed: few writes are in parts. */
interface FirstTouch {
  readonly source: Buffer;
  readonly offset: number;
  /** Blocks [from, to). */
  readonly from: number;
  readonly to: number;
  parents: Map<number, Buffer> | undefined;
}

export class OverlayWriter {
  readonly #state: OverlayState;
  readonly #base: ReadableBlockDevice;
  readonly #data: BlockDevice;
  readonly #live: LiveMap;
  readonly #first: FirstWrites;
  readonly #reclaimer: SpaceReclaimer;
  readonly #onFull: (reason: FullReason) => void;

  constructor(parts: OverlayWriterParts) {
    this.#state = parts.state;
    this.#base = parts.base;
    this.#data = parts.data;
    this.#live = new LiveMap(parts.state, parts.map);
    this.#first = new FirstWrites(parts.state, this.#live);
    this.#reclaimer = parts.reclaimer;
    this.#onFull = parts.onFull;
  }

  /** Writes to blocks of which some may not be owned yet. */
  write(source: Buffer, offset: number, batch?: WriteBatch): MaybePromise<void> {
    const from = Math.floor(offset / BLOCK_BYTES);
    const to = Math.ceil((offset + source.length) / BLOCK_BYTES);
    const write: FirstTouch = { source, offset, from, to, parents: undefined };
    if (this.#first.batch === undefined) return this.#begin(write, batch);
    const partial = this.#isPartial(write, from) || this.#isPartial(write, to - 1);
    const joins =
      batch === this.#first.batch &&
      !(partial && this.#first.has(from, to)) &&
      this.#missingParent(write) === undefined &&
      !this.#state.isReclaiming(from, to) &&
      !this.#isOverQuota(write);
    if (joins) return this.#locked(write, batch);
    return chain(this.#first.close(), () => this.#begin(write, undefined));
  }

  /** Writes zeroes, so that the range is allocated. */
  async writeZeroes(offset: number, length: number): Promise<void> {
    for (let done = 0; done < length; done += ZERO_WRITE_BYTES) {
      const piece = ZEROES.subarray(0, Math.min(ZERO_WRITE_BYTES, length - done));
      await this.write(piece, offset + done);
    }
  }

  async zero(offset: number, length: number): Promise<void> {
    const end = offset + length;
    const { from, to } = this.#wholeUnits(offset, end);
    if (from >= to) {
      const middle = Math.min(end, (Math.floor(offset / UNIT_BYTES) + 1) * UNIT_BYTES);
      await this.#zeroEdge(offset, middle);
      if (middle < end) await this.#zeroEdge(middle, end);
      return;
    }
    if (offset < from * UNIT_BYTES) await this.#zeroEdge(offset, from * UNIT_BYTES);
    await this.#zeroUnits(from, to);
    if (to * UNIT_BYTES < end) await this.#zeroEdge(to * UNIT_BYTES, end);
  }

  async trim(offset: number, length: number): Promise<void> {
    const end = offset + length;
    const { from, to } = this.#wholeUnits(offset, end);
    if (from >= to) {
      await this.#disown(offset, end);
      return;
    }
    if (offset < from * UNIT_BYTES) await this.#disown(offset, from * UNIT_BYTES);
    try {
      await this.#zeroUnits(from, to);
    } catch (error) {
      // No room even to note that the units are zeroed: a trim must help all the same, so they
      // revert to the parent, which needs no room.
      if (!(error instanceof BlockError) || error.errno !== 'ENOSPC') throw error;
      await this.#disown(from * UNIT_BYTES, Math.min(this.#state.size, to * UNIT_BYTES));
    }
    if (to * UNIT_BYTES < end) await this.#disown(to * UNIT_BYTES, end);
  }

  /** @param batch to join; whoever has waited for something is too late for it */
  #begin(write: FirstTouch, batch: WriteBatch | undefined): MaybePromise<void> {
    const missing = this.#missingParent(write);
    if (missing !== undefined) {
      const loaded = this.#loadParent(write, missing);
      if (isPromise(loaded)) return loaded.then(() => this.#begin(write, undefined));
      return this.#begin(write, batch);
    }
    const locked = this.#state.stateMutex.lock();
    return isPromise(locked)
      ? locked.then(() => this.#locked(write, undefined))
      : this.#locked(write, batch);
  }

  /** Runs with the mutex held, and gives it back or leaves it to the batch: once, whatever fails. */
  #locked(write: FirstTouch, batch: WriteBatch | undefined): MaybePromise<void> {
    const { stateMutex } = this.#state;
    if (this.#state.isReclaiming(write.from, write.to)) {
      const epoch = this.#state.reclaimEpoch;
      stateMutex.unlock();
      return this.#state.reclaimed(epoch).then(() => this.#begin(write, undefined));
    }
    if (this.#missingParent(write) !== undefined) {
      // Trimmed since we looked: what was owned is the parent's again.
      stateMutex.unlock();
      return this.#begin(write, batch);
    }
    let result: MaybePromise<void>;
    try {
      result = this.#perform(write, batch);
    } catch (error) {
      if (this.#first.batch === undefined) stateMutex.unlock();
      throw this.#noteFull(error);
    }
    if (!isPromise(result)) {
      if (this.#first.batch === undefined) stateMutex.unlock();
      return undefined;
    }
    return result.then(
      () => stateMutex.unlock(),
      (error: unknown) => {
        stateMutex.unlock();
        throw this.#noteFull(error);
      },
    );
  }

  #perform(write: FirstTouch, batch: WriteBatch | undefined): MaybePromise<void> {
    this.#checkQuota(write);
    const written = this.#writeData(write);
    if (!isPromise(written) && batch !== undefined) {
      if (this.#live.isPrepared(write.from, write.to)) {
        this.#noteRoom();
        this.#first.add(batch, write.from, write.to);
        return undefined;
      }
    }
    // From here on the mutex is this write's own. It must not go back before both are over, also when
    // one of them has failed: what still writes would write under somebody else's mutex.
    const parts = new Gather();
    parts.run(() => written);
    parts.run(() => this.#first.settle());
    return chain(parts.settle(), () => this.#own(write));
  }

  #own({ from, to }: FirstTouch): MaybePromise<void> {
    this.#noteRoom();
    return this.#live.markOwned(from, to);
  }

  /** It fitted: the repository has room again. */
  #noteRoom(): void {
    if (this.#state.full === 'repository') this.#state.setFull(undefined);
  }

  #isOverQuota({ from, to }: FirstTouch): boolean {
    const state = this.#state;
    const room = state.quotaBytes / BLOCK_BYTES - state.ownedBlocks - this.#first.blocks;
    // Which of them are owned already is worth a look only where it matters.
    if (to - from <= room) return false;
    const fresh = to - from - state.owned.count(from, to);
    return fresh > 0 && fresh > room;
  }

  #checkQuota(write: FirstTouch): void {
    if (!this.#isOverQuota(write)) return;
    const { offset, source } = write;
    const state = this.#state;
    const detail = `the quota of ${state.quotaBytes} bytes is used up`;
    if (state.setFull('quota')) this.#onFull('quota');
    throw new BlockError('ENOSPC', 'write', offset, source.length, detail);
  }

  /** Tells once, until space is freed, that the repository is full. The quota told already. */
  #noteFull(error: unknown): unknown {
    if (!(error instanceof BlockError) || error.errno !== 'ENOSPC') return error;
    if (this.#state.full === undefined && this.#state.setFull('repository')) {
      this.#onFull('repository');
    }
    return error;
  }

  /** The first or last block, if it is the parent's, written in part, and not read yet. */
  #missingParent(write: FirstTouch): number | undefined {
    const last = write.to - 1;
    if (this.#isPartial(write, write.from) && this.#needsParent(write, write.from)) {
      return write.from;
    }
    if (last !== write.from && this.#isPartial(write, last) && this.#needsParent(write, last)) {
      return last;
    }
    return undefined;
  }

  #needsParent(write: FirstTouch, block: number): boolean {
    return (
      write.parents?.has(block) !== true &&
      !this.#state.owned.test(block) &&
      !this.#state.zeroed.test(Math.floor(block / BLOCKS_PER_UNIT))
    );
  }

  #isPartial({ offset, source }: FirstTouch, block: number): boolean {
    return offset > block * BLOCK_BYTES || offset + source.length < this.#blockEnd(block);
  }

  /** The last block of a disk may be short. */
  #blockEnd(block: number): number {
    return Math.min(this.#state.size, (block + 1) * BLOCK_BYTES);
  }

  #loadParent(write: FirstTouch, block: number): MaybePromise<void> {
    const start = block * BLOCK_BYTES;
    const bytes = Buffer.alloc(this.#blockEnd(block) - start);
    return chain(this.#base.read(bytes, start), () => {
      write.parents ??= new Map();
      write.parents.set(block, bytes);
    });
  }

  /** Writes the blocks whole where they are not owned yet, and just the source where they are. */
  #writeData(write: FirstTouch): MaybePromise<void> {
    const { source, offset, from, to } = write;
    const last = to - 1;
    const head = this.#merged(write, from);
    const tail = last === from ? undefined : this.#merged(write, last);
    if (head === undefined && tail === undefined) return this.#data.write(source, offset, PLAIN);
    const start = head === undefined ? offset : this.#blockEnd(from);
    const end = tail === undefined ? offset + source.length : last * BLOCK_BYTES;
    const gather = new Gather();
    if (head !== undefined) {
      gather.run(() => this.#data.write(head, from * BLOCK_BYTES, PLAIN));
    }
    if (start < end) {
      const middle = source.subarray(start - offset, end - offset);
      gather.run(() => this.#data.write(middle, start, PLAIN));
    }
    if (tail !== undefined) {
      gather.run(() => this.#data.write(tail, last * BLOCK_BYTES, PLAIN));
    }
    return gather.settle();
  }

  /** A block that is written in part and not owned, as it shall be; undefined for any other. */
  #merged(write: FirstTouch, block: number): Buffer | undefined {
    if (!this.#isPartial(write, block) || this.#state.owned.test(block)) return undefined;
    const start = block * BLOCK_BYTES;
    const bytes = Buffer.alloc(this.#blockEnd(block) - start);
    if (!this.#state.zeroed.test(Math.floor(block / BLOCKS_PER_UNIT))) {
      write.parents?.get(block)?.copy(bytes);
    }
    const from = Math.max(start, write.offset);
    write.source.copy(bytes, from - start, from - write.offset);
    return bytes;
  }

  /** The units that lie in [offset, end) as a whole; the last one may be cut by the disk's end. */
  #wholeUnits(offset: number, end: number): BlockRange {
    const from = Math.ceil(offset / UNIT_BYTES);
    const atEnd = end === this.#state.size;
    return { from, to: atEnd ? Math.ceil(end / UNIT_BYTES) : Math.floor(end / UNIT_BYTES) };
  }

  async #zeroUnits(from: number, to: number): Promise<void> {
    const lastBlock = Math.min(this.#state.geometry.blocks, to * BLOCKS_PER_UNIT);
    await this.#free(async () => {
      await this.#live.markZeroed(from, to);
      return this.#live.clearOwned(from * BLOCKS_PER_UNIT, lastBlock);
    });
  }

  /** Zeroes a part of one unit. */
  async #zeroEdge(offset: number, end: number): Promise<void> {
    if (!this.#state.zeroed.test(Math.floor(offset / UNIT_BYTES))) {
      await this.write(ZEROES.subarray(0, end - offset), offset);
      return;
    }
    await this.#disown(offset, end);
    const first = Math.floor(offset / BLOCK_BYTES);
    const last = Math.floor((end - 1) / BLOCK_BYTES);
    await this.#zeroWithin(first, offset, end);
    if (last !== first) await this.#zeroWithin(last, offset, end);
  }

  /** Zeroes the part of [offset, end) in a block of a zeroed unit, if the block is owned. */
  async #zeroWithin(block: number, offset: number, end: number): Promise<void> {
    if (!this.#state.owned.test(block)) return;
    const from = Math.max(offset, block * BLOCK_BYTES);
    const to = Math.min(end, this.#blockEnd(block));
    await this.write(ZEROES.subarray(0, to - from), from);
  }

  /** Clears the ownership of the whole blocks in [offset, end). */
  async #disown(offset: number, end: number): Promise<void> {
    const from = Math.ceil(offset / BLOCK_BYTES);
    const to =
      Math.floor(end / BLOCK_BYTES) + (end === this.#state.size && end % BLOCK_BYTES ? 1 : 0);
    if (from >= to) return;
    await this.#free(() => this.#live.clearOwned(from, to));
  }

  async #free(change: () => Promise<BlockRange[]>): Promise<void> {
    const state = this.#state;
    await state.stateMutex.lock();
    let freed: BlockRange[];
    try {
      freed = await change();
    } finally {
      state.stateMutex.unlock();
    }
    if (freed.length === 0) return;
    state.setFull(undefined);
    await this.#reclaimer.add(freed);
  }
}
