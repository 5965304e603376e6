/**
 * The extents that no volume has. An extent goes round:
 *
 *   mapped → retired → dirty → ready → mapped
 *
 * - `retire`: its entry was cleared, in the journal and in the map. It stays out of reach until no request that looked
 *   it up is left (VolumeWords.drained), and then until a flush: only when the record that took it from its volume is
 *   on stable storage may its content change, or the volume would come back after a crash with another one's data.
 *   It is then trimmed, so that a thin array has its space back.
 * - `dirty`: it may hold anything.
 * - `ready`: it was zeroed, and a flush followed. Only then may a record be written that maps it: a crash can lose
 *   neither the zeroes nor show the record without them, so no volume ever reads what another one left.
 *
 * A stock of ready extents is kept so that a first write waits for one record and not for zeroes and a flush.
 */
import { forEachOf, isPromise } from '../../base/index.ts';
import type { BlockDevice } from '../../block/index.ts';
import { BlockError } from '../../errors/index.ts';
import { READY_BYTES, READY_EXTENTS, RETIRED_AT_ONCE, ZEROES_AT_ONCE } from './limits.ts';

export interface ExtentPoolOptions {
  readonly device: BlockDevice;
  readonly extentSize: number;
  readonly dataStart: number;
  readonly extentCount: number;
  /** Whether a volume, or the metadata, has the extent. */
  readonly isTaken: (extent: number) => boolean;
  /** Whether the device is still ours: an extent that nobody has here may be somebody's there. */
  readonly verify: () => Promise<void>;
  /** Of the journal: what was written before is on stable storage. */
  readonly flush: () => Promise<void>;
}

interface Run {
  readonly first: number;
  readonly count: number;
}

interface Retired {
  readonly extents: number[];
  readonly drained: () => Promise<void>;
}

export class ExtentPool {
  readonly #options: ExtentPoolOptions;
  /** How many extents are kept ready. */
  readonly #stock: number;
  readonly #device: BlockDevice;
  #extentCount: number;
  /** Bit e: the extent is dirty. */
  #dirty: Uint32Array;
  #dirtyCount = 0;
  /** Bit e: it would be dirty, but lies beyond the end of a device that has become smaller. */
  #unreachable: Uint32Array;
  #limit = Number.POSITIVE_INFINITY;
  /** Where the next search for dirty extents begins, so that they are used in order. */
  #hand = 0;
  #ready: number[] = [];
  #retired: Retired[] = [];
  /** Extents on their way from one state to the next. */
  #moving = 0;
  #retiring: Promise<void> | undefined;
  #zeroing: Promise<void> | undefined;
  #closed = false;

  constructor(options: ExtentPoolOptions) {
    this.#options = options;
    this.#device = options.device;
    this.#stock = Math.max(2, Math.min(READY_EXTENTS, READY_BYTES / options.extentSize));
    this.#extentCount = options.extentCount;
    this.#dirty = new Uint32Array(Math.ceil(options.extentCount / 32));
    this.#unreachable = new Uint32Array(this.#dirty.length);
    for (let extent = 0; extent < options.extentCount; extent++) {
      if (!options.isTaken(extent)) this.#setDirty(extent);
    }
  }

  /**
   * The device has more extents.
   * @param left those, from `first` to before `end`, that were metadata and are not any more
   */
  grow(extentCount: number, left: { readonly first: number; readonly end: number }): void {
    const { isTaken } = this.#options;
    const words = Math.ceil(extentCount / 32);
    this.#dirty = longer(this.#dirty, words);
    this.#unreachable = longer(this.#unreachable, words);
    const before = this.#extentCount;
    this.#extentCount = extentCount;
    const add = (first: number, end: number): void => {
      for (let extent = first; extent < end; extent++) {
        if (!isTaken(extent)) this.#setDirty(extent);
      }
    };
    add(left.first, left.end);
    add(before, extentCount);
  }

  /** Extents from `limit` on are not given out, until it is another one. */
  limit(limit: number): void {
    this.#limit = limit;
    const [dirty, unreachable] = [this.#dirty, this.#unreachable];
    this.#dirty = new Uint32Array(dirty.length);
    this.#unreachable = new Uint32Array(dirty.length);
    this.#dirtyCount = 0;
    for (let extent = 0; extent < this.#extentCount; extent++) {
      const word = (dirty[extent >>> 5] ?? 0) | (unreachable[extent >>> 5] ?? 0);
      if (((word >>> (extent & 31)) & 1) === 1) this.#setDirty(extent);
    }
    this.#keepReady(this.#ready.splice(0));
  }

  /** Those that can be reached; the others have to be zeroed again when they can. */
  #keepReady(extents: readonly number[]): void {
    for (const extent of extents) {
      if (extent < this.#limit) this.#ready.push(extent);
      else this.#setDirty(extent);
    }
  }

  /** Extents that are free or will be. */
  get free(): number {
    return this.#dirtyCount + this.#ready.length + this.#moving;
  }

  /**
   * One to `count` extents that read as zeroes, also after a crash. They are the caller's: it maps them, or gives
   * them back.
   * @throws BlockError ENOSPC, or what zeroing failed with
   */
  async acquire(count: number): Promise<number[]> {
    for (;;) {
      if (this.#ready.length > 0) {
        const taken = this.#ready.splice(0, count);
        this.prepare();
        return taken;
      }
      await this.#more();
    }
  }

  /** As `acquire`, but of dirty extents: the caller zeroes them. @returns runs of neighbours */
  async acquireDirty(count: number): Promise<Run[]> {
    for (;;) {
      // What is ready is as good, when there is nothing else.
      for (const extent of this.#dirtyCount === 0 ? this.#ready.splice(0) : []) {
        this.#setDirty(extent);
      }
      const runs = this.#takeDirty(count);
      if (runs.length > 0) return runs;
      await this.#more();
    }
  }

  /** Extents that still read as zeroes and that no record was written of. */
  giveBackReady(extents: readonly number[]): void {
    const others = this.#ready.splice(0);
    this.#keepReady([...extents, ...others]);
  }

  /** Extents that no record on stable storage maps, nor any that may become so. */
  giveBackDirty(extents: readonly number[]): void {
    for (const extent of extents) if (!this.#options.isTaken(extent)) this.#setDirty(extent);
  }

  /** Extents whose entries were cleared. `drained` settles when nobody uses them any more. */
  retire(extents: number[], drained: () => Promise<void>): void {
    if (extents.length === 0) return;
    this.#moving += extents.length;
    for (let at = 0; at < extents.length; at += RETIRED_AT_ONCE) {
      this.#retired.push({ extents: extents.slice(at, at + RETIRED_AT_ONCE), drained });
    }
    this.#startRetiring().catch(() => undefined);
  }

  /** Fills the stock in the background when it is low. */
  prepare(): void {
    if (this.#closed || this.#ready.length > this.#stock / 2 || this.#dirtyCount === 0) return;
    this.#startZeroing().catch(() => undefined); // whoever needs an extent tries again, and is told
  }

  /** Waits for what runs; nothing new is begun. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#retiring?.catch(() => undefined);
    await this.#zeroing?.catch(() => undefined);
  }

  /** Waits for extents to become ready or dirty. @throws BlockError ENOSPC when there are none to wait for */
  async #more(): Promise<void> {
    if (this.#closed) throw new BlockError('ESHUTDOWN', 'write', 0, 0, 'the device is closed');
    if (this.#zeroing !== undefined || this.#dirtyCount > 0) return await this.#startZeroing();
    if (this.#retired.length > 0 || this.#retiring !== undefined) {
      return await this.#startRetiring();
    }
    throw new BlockError('ENOSPC', 'write', 0, 0, 'the device has no free extents');
  }

  #startZeroing(): Promise<void> {
    this.#zeroing ??= this.#zeroSome().finally(() => {
      this.#zeroing = undefined;
    });
    return this.#zeroing;
  }

  async #zeroSome(): Promise<void> {
    const runs = this.#takeDirty(this.#stock);
    const extents = runs.flatMap(numbersOf);
    this.#moving += extents.length;
    try {
      await this.zero(runs, false);
      await this.#options.flush();
      this.#keepReady(extents);
    } catch (error) {
      this.giveBackDirty(extents);
      throw error;
    } finally {
      this.#moving -= extents.length;
    }
  }

  /** @param allocate the device must have the space for good */
  async zero(runs: readonly Run[], allocate: boolean): Promise<void> {
    const { extentSize, dataStart, verify } = this.#options;
    await verify();
    const options = { fua: false, noHole: allocate, fast: false };
    await forEachOf(runs, ZEROES_AT_ONCE, async ({ first, count }) => {
      const offset = dataStart + first * extentSize;
      const zeroing = this.#device.zero(offset, count * extentSize, options);
      if (isPromise(zeroing)) await zeroing;
    });
  }

  #startRetiring(): Promise<void> {
    this.#retiring ??= this.#retireAll().finally(() => {
      this.#retiring = undefined;
    });
    return this.#retiring;
  }

  #nextRetired(): Retired[] {
    let extents = 0;
    return this.#retired.filter((one) => {
      extents += one.extents.length;
      return extents <= RETIRED_AT_ONCE;
    });
  }

  async #retireAll(): Promise<void> {
    while (this.#retired.length > 0) {
      const batch = this.#nextRetired();
      for (const drained of new Set(batch.map((one) => one.drained))) await drained();
      // When this fails they stay out of reach; the next that is retired, or needs one, tries again.
      await this.#options.flush();
      this.#retired.splice(0, batch.length);
      const extents = batch.flatMap((one) => one.extents).sort((a, b) => a - b);
      await this.#trim(runsOf(extents));
      this.#moving -= extents.length;
      for (const extent of extents) this.#setDirty(extent);
    }
  }

  /** A kindness to a thin array: it does not matter when it fails. */
  async #trim(runs: readonly Run[]): Promise<void> {
    if (!this.#device.capabilities.trim) return;
    const { extentSize, dataStart, verify } = this.#options;
    try {
      await verify();
      await forEachOf(runs, ZEROES_AT_ONCE, async ({ first, count }) => {
        const offset = dataStart + first * extentSize;
        await this.#device.trim(offset, count * extentSize, { fua: false });
      });
    } catch {
      // They are dirty, trimmed or not.
    }
  }

  #setDirty(extent: number): void {
    const bits = extent < this.#limit ? this.#dirty : this.#unreachable;
    const word = extent >>> 5;
    bits[word] = (bits[word] ?? 0) | (1 << (extent & 31));
    if (bits === this.#dirty) this.#dirtyCount += 1;
  }

  /** Takes up to `count` dirty extents, from the hand on. */
  #takeDirty(count: number): Run[] {
    const taken: number[] = [];
    const end = this.#dirty.length * 32;
    for (let looked = 0; looked < end && taken.length < count && this.#dirtyCount > 0; ) {
      if (this.#hand >= end) this.#hand = 0;
      const word = this.#dirty[this.#hand >>> 5] ?? 0;
      const bit = this.#hand & 31;
      const step = word >>> bit === 0 ? 32 - bit : 1;
      if (((word >>> bit) & 1) === 1) {
        this.#dirty[this.#hand >>> 5] = word & ~(1 << bit);
        this.#dirtyCount -= 1;
        taken.push(this.#hand);
      }
      this.#hand += step;
      looked += step;
    }
    return runsOf(taken.sort((a, b) => a - b));
  }
}

function longer(bits: Uint32Array, words: number): Uint32Array {
  const made = new Uint32Array(words);
  made.set(bits);
  return made;
}

export function numbersOf(run: Run): number[] {
  return Array.from({ length: run.count }, (_, index) => run.first + index);
}

/** @param extents in ascending order */
function runsOf(extents: readonly number[]): Run[] {
  const runs: { first: number; count: number }[] = [];
  for (const extent of extents) {
    const last = runs.at(-1);
    if (last !== undefined && last.first + last.count === extent) last.count += 1;
    else runs.push({ first: extent, count: 1 });
  }
  return runs;
}
