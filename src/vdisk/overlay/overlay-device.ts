/**
 * A machine's write cache over a layer. A block is, in this order:
 *
 *     owned            in the data volume, at the same offset
 *     unit zeroed      zeroes
 *     otherwise        the parent's
 *
 * Full blocks are written without reading anything; a block that is written in part for the first
 * time is filled up from the parent (overlay-writer.ts). An acknowledged write survives the death of
 * the process (live-map.ts), a flushed one the death of the host (durable-map.ts). All state is
 * shared by the workers that have the overlay open (overlay-state.ts).
 */
import { chain, Gather, isPromise, type MaybePromise, RangeLock } from '../../base/index.ts';
import {
  appendExtent,
  type BlockDevice,
  type Capabilities,
  type Extent,
  Gate,
  type Geometry,
  type Loan,
  lendZeroes,
  MAXIMUM_IO_BYTES,
  PLAIN,
  type ReadableBlockDevice,
  type WriteBatch,
  type WriteOptions,
  type ZeroOptions,
} from '../../block/index.ts';
import { BlockError } from '../../errors/index.ts';
import { DurableMap, type JournalAccess } from './durable-map.ts';
import { BLOCK_BYTES, BLOCKS_PER_UNIT } from './limits.ts';
import { type FullReason, OverlayState, STATISTIC } from './overlay-state.ts';
import { OverlayWriter } from './overlay-writer.ts';
import { SpaceReclaimer } from './space-reclaimer.ts';

export interface OverlayOptions {
  /** From recoverOverlay. */
  readonly state: SharedArrayBuffer;
  /** The parent; sealed. This handle of it is closed with the overlay. */
  readonly base: ReadableBlockDevice;
  /** At least as large as the disk; closed with the overlay. */
  readonly data: BlockDevice;
  /** The volume given to formatOverlay and recoverOverlay; closed with the overlay. */
  readonly map: BlockDevice;
  /** Number of this worker: 0 … workers − 1. */
  readonly worker: number;
  /** Called when space runs out; once, until some is freed or the quota is changed. */
  readonly onFull: (reason: FullReason) => void;
  /** Milliseconds since 1970; Date.now unless given. */
  readonly now?: () => number;
  /** Undefined: each flush syncs the overlay's own volumes. */
  readonly journal?: JournalAccess | undefined;
}

type BlockKind = 'owned' | 'zeroed' | 'parent';

/** @throws BlockError EINVAL when the devices do not fit the state. */
export function openOverlay(options: OverlayOptions): BlockDevice {
  return new OverlayDevice(options);
}

class OverlayDevice implements BlockDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;
  readonly #state: OverlayState;
  readonly #base: ReadableBlockDevice;
  readonly #data: BlockDevice;
  readonly #map: BlockDevice;
  readonly #writer: OverlayWriter;
  readonly #durable: DurableMap;
  readonly #reclaimer: SpaceReclaimer;
  readonly #statistics: Float64Array;
  readonly #now: () => number;
  readonly #gate = new Gate();
  /** Changes that wait, by whole blocks. Rewrites of owned blocks are ordered by the data volume. */
  readonly #ranges = new RangeLock();

  constructor(options: OverlayOptions) {
    const { base, data, map } = options;
    const state = new OverlayState(options.state);
    const fits =
      base.geometry.size === state.size &&
      data.geometry.size >= state.size &&
      map.geometry.size >= state.geometry.totalBytes;
    if (!fits) {
      const sizes = `${base.geometry.size}, ${data.geometry.size}, ${map.geometry.size}`;
      const detail = `base, data and map of ${sizes} bytes do not fit a disk of ${state.size}`;
      throw new BlockError('EINVAL', 'open', 0, state.size, detail);
    }
    this.#state = state;
    this.#base = base;
    this.#data = data;
    this.#map = map;
    this.#now = options.now ?? Date.now;
    this.#statistics = state.statistics(options.worker);
    this.#reclaimer = new SpaceReclaimer(state, data, this.#statistics);
    const { onFull } = options;
    this.#writer = new OverlayWriter({
      state,
      base,
      data,
      map,
      reclaimer: this.#reclaimer,
      onFull,
    });
    this.#durable = new DurableMap(state, data, map, options.journal);
    this.geometry = Object.freeze({
      size: state.size,
      minimumIo: Math.max(base.geometry.minimumIo, data.geometry.minimumIo),
      preferredIo: BLOCK_BYTES,
      maximumIo: Math.min(MAXIMUM_IO_BYTES, base.geometry.maximumIo, data.geometry.maximumIo),
    });
    this.capabilities = Object.freeze({
      write: true,
      flush: true,
      fua: true,
      trim: true,
      zero: true,
      fastZero: true,
      cache: base.capabilities.cache,
      extents: true,
      // A flush in one thread covers what others wrote only if it does so below (not over NFS).
      multiConn: data.capabilities.multiConn && map.capabilities.multiConn,
      rotational: data.capabilities.rotational,
    });
  }

  read(target: Buffer, offset: number): MaybePromise<void> {
    const length = target.length;
    this.#gate.check('read', offset, length);
    this.#countRead(length);
    const from = Math.floor(offset / BLOCK_BYTES);
    const to = Math.floor((offset + length - 1) / BLOCK_BYTES) + 1;
    const kind = this.#kindAt(from);
    if (this.#runEnd(kind, from, to) === to) {
      return this.#gate.track(this.#readRun(kind, target, offset));
    }
    const gather = new Gather();
    for (let block = from; block < to; ) {
      const runKind = this.#kindAt(block);
      const next = this.#runEnd(runKind, block, to);
      // Another worker has changed what the block is since we looked: the run ends where it begins, or
      // before, where the unit of 16 blocks does.
      if (next <= block) continue;
      const start = Math.max(offset, block * BLOCK_BYTES);
      const end = Math.min(offset + length, next * BLOCK_BYTES);
      const piece = target.subarray(start - offset, end - offset);
      gather.run(() => this.#readRun(runKind, piece, start));
      block = next;
    }
    return this.#gate.track(gather.settle());
  }

  lend(offset: number, length: number): Loan | undefined {
    this.#gate.check('read', offset, length);
    const from = Math.floor(offset / BLOCK_BYTES);
    const to = Math.floor((offset + length - 1) / BLOCK_BYTES) + 1;
    const kind = this.#kindAt(from);
    if (kind === 'owned' || this.#runEnd(kind, from, to) < to) return undefined;
    const loan = kind === 'zeroed' ? lendZeroes(length) : this.#base.lend(offset, length);
    if (loan !== undefined) this.#countRead(length);
    return loan;
  }

  write(source: Buffer, offset: number, options: WriteOptions): MaybePromise<void> {
    const length = source.length;
    this.#gate.check('write', offset, length);
    this.#countWrite(length);
    const from = Math.floor(offset / BLOCK_BYTES);
    const to = Math.floor((offset + length - 1) / BLOCK_BYTES) + 1;
    const { batch } = options;
    let written: MaybePromise<void>;
    try {
      written = this.#ranges.idle
        ? this.#writeNow(source, offset, from, to, batch)
        : this.#ranges.run(from * BLOCK_BYTES, to * BLOCK_BYTES, () =>
            this.#owns(from, to)
              ? this.#data.write(source, offset, PLAIN)
              : this.#writer.write(source, offset, batch),
          );
    } catch (error) {
      throw this.#failed(error);
    }
    return this.#settle(this.#noted(written, from, to), options.fua);
  }

  flush(): MaybePromise<void> {
    this.#gate.check('flush', 0, 0);
    this.#add(STATISTIC.flushes, 1);
    this.#statistics[STATISTIC.lastRequestAt] = this.#now();
    return this.#gate.track(this.#durable.flush());
  }

  trim(offset: number, length: number, options: WriteOptions): MaybePromise<void> {
    this.#gate.check('trim', offset, length);
    this.#countWrite(0);
    const trimmed = this.#inOrder(offset, length, () => this.#writer.trim(offset, length));
    return this.#settle(this.#unlisted(trimmed), options.fua);
  }

  zero(offset: number, length: number, options: ZeroOptions): MaybePromise<void> {
    this.#gate.check('zero', offset, length);
    if (options.fast && options.noHole) {
      throw new BlockError('ENOTSUP', 'zero', offset, length, 'allocating is not fast');
    }
    this.#countWrite(0);
    const zeroed = this.#inOrder(offset, length, () =>
      options.noHole ? this.#writer.writeZeroes(offset, length) : this.#writer.zero(offset, length),
    );
    return this.#settle(this.#unlisted(zeroed), options.fua);
  }

  cache(offset: number, length: number): MaybePromise<void> {
    this.#gate.check('cache', offset, length);
    return this.#gate.track(this.#base.cache(offset, length));
  }

  extents(offset: number, length: number, limit: number): MaybePromise<Extent[]> {
    this.#gate.check('extents', offset, length);
    return this.#gate.track(this.#extentsFrom([], offset, offset + length, limit));
  }

  close(): Promise<void> {
    return this.#gate.close(async () => {
      await this.#reclaimer.drain();
      await this.#durable.close();
      await Promise.all([this.#base.close(), this.#data.close(), this.#map.close()]);
    });
  }

  /** Whether all of the blocks are the machine's own. */
  #owns(from: number, to: number): boolean {
    const { owned } = this.#state;
    return to - from === 1 ? owned.test(from) : owned.nextClear(from, to) === to;
  }

  #kindAt(block: number): BlockKind {
    if (this.#state.owned.test(block)) return 'owned';
    return this.#state.zeroed.test(Math.floor(block / BLOCKS_PER_UNIT)) ? 'zeroed' : 'parent';
  }

  /** The end of the run of blocks of one kind that starts at `from`; at most `to`. */
  #runEnd(kind: BlockKind, from: number, to: number): number {
    const { owned, zeroed } = this.#state;
    if (to - from === 1) return to;
    if (kind === 'owned') return owned.nextClear(from, to);
    const end = owned.nextSet(from, to);
    const unit = Math.floor(from / BLOCKS_PER_UNIT);
    const lastUnit = Math.floor((end - 1) / BLOCKS_PER_UNIT) + 1;
    const turn =
      kind === 'zeroed' ? zeroed.nextClear(unit, lastUnit) : zeroed.nextSet(unit, lastUnit);
    return Math.min(end, turn * BLOCKS_PER_UNIT);
  }

  #readRun(kind: BlockKind, target: Buffer, offset: number): MaybePromise<void> {
    switch (kind) {
      case 'owned':
        return this.#data.read(target, offset);
      case 'zeroed':
        target.fill(0);
        return undefined;
      case 'parent':
        return this.#base.read(target, offset);
    }
  }

  /** A write that has nothing to wait for. */
  #writeNow(
    source: Buffer,
    offset: number,
    from: number,
    to: number,
    batch: WriteBatch | undefined,
  ): MaybePromise<void> {
    if (this.#owns(from, to)) return this.#data.write(source, offset, PLAIN);
    const written = this.#writer.write(source, offset, batch);
    return isPromise(written)
      ? this.#ranges.joined(from * BLOCK_BYTES, to * BLOCK_BYTES, written)
      : written;
  }

  #inOrder(offset: number, length: number, work: () => Promise<void>): MaybePromise<void> {
    const start = Math.floor(offset / BLOCK_BYTES) * BLOCK_BYTES;
    const end = Math.ceil((offset + length) / BLOCK_BYTES) * BLOCK_BYTES;
    return this.#ranges.run(start, end, work);
  }

  /** Before a write is acknowledged, the next flush knows of it. */
  #noted(written: MaybePromise<void>, from: number, to: number): MaybePromise<void> {
    const { ring } = this.#state;
    if (isPromise(written)) {
      return written.then(
        () => ring.note(from, to),
        (error: unknown) => {
          throw this.#failed(error);
        },
      );
    }
    ring.note(from, to);
    return undefined;
  }

  #unlisted(change: MaybePromise<void>): MaybePromise<void> {
    const { ring } = this.#state;
    if (isPromise(change)) return change.finally(() => ring.noteUnlisted());
    ring.noteUnlisted();
    return undefined;
  }

  /** What failed may have been done in part, and read since: a later flush makes that durable. */
  #failed(error: unknown): unknown {
    this.#state.ring.noteUnlisted();
    return error;
  }

  #settle(work: MaybePromise<void>, fua: boolean): MaybePromise<void> {
    return this.#gate.track(fua ? chain(work, () => this.#durable.flush()) : work);
  }

  /** Appends extents of [at, end) to `found`, asking the parent for its own. */
  #extentsFrom(
    found: Extent[],
    offset: number,
    end: number,
    limit: number,
  ): MaybePromise<Extent[]> {
    for (let at = offset; at < end; ) {
      const block = Math.floor(at / BLOCK_BYTES);
      const to = Math.floor((end - 1) / BLOCK_BYTES) + 1;
      const kind = this.#kindAt(block);
      const next = Math.min(end, this.#runEnd(kind, block, to) * BLOCK_BYTES);
      // Another worker has changed what the block is since we looked.
      if (next <= at) continue;
      if (kind === 'parent') {
        // The parent may stop early: go on from where it stopped.
        return chain(this.#base.extents(at, next - at, limit), (extents) =>
          this.#appendParents(found, extents, at, end, limit),
        );
      }
      const piece = kind === 'owned' ? 'data' : 'hole';
      if (!appendExtent(found, at, next - at, piece, limit)) break;
      at = next;
    }
    return found;
  }

  #appendParents(
    found: Extent[],
    extents: readonly Extent[],
    start: number,
    end: number,
    limit: number,
  ): MaybePromise<Extent[]> {
    let at = start;
    for (const { length, kind } of extents) {
      if (!appendExtent(found, at, length, kind, limit)) return found;
      at += length;
    }
    return at > start ? this.#extentsFrom(found, at, end, limit) : found;
  }

  #countRead(bytes: number): void {
    this.#add(STATISTIC.readRequests, 1);
    this.#add(STATISTIC.bytesRead, bytes);
    this.#statistics[STATISTIC.lastRequestAt] = this.#now();
  }

  #countWrite(bytes: number): void {
    this.#add(STATISTIC.writeRequests, 1);
    this.#add(STATISTIC.bytesWritten, bytes);
    this.#statistics[STATISTIC.lastRequestAt] = this.#now();
  }

  #add(statistic: number, amount: number): void {
    this.#statistics[statistic] = (this.#statistics[statistic] ?? 0) + amount;
  }
}
