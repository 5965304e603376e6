/**
 * A SharedBitmap for a few bits, or a few runs of bits, of very many: memory is used for what is set, not for where it is. A page
 * of 32,768 bits is
 *
 *     empty    nothing
 *     listed   up to 768 bits, or 384 runs of them, 1 KiB (bit-lists.ts, list-forms.ts)
 *     plain    4 KiB, one bit each; once a page is, it stays so
 *
 * A directory says which, and where in a pool of frames of 4 KiB: a frame is a plain page, or four lists. Changes are made
 * under a lock of the caller's. Reading needs none: a list is never changed in place. The new one is written beside the old one,
 * the directory turns to it, a counter goes up, and only then may the old one's memory be used again. Who has read a
 * list finds the counter as it was, or reads again.
 *
 *     0    changes of the directory | frames ever used | first free frame + 1 | frame that lately had room for a list |
 *          frames that have
 *     64   directory, 4 bytes a page: 0 empty; 1 + 2 × list of bits; 2 + 2 × list of runs; −1 − frame of a plain page
 *     …    1 byte a frame: which of its four lists are in use
 *     …    frames, from a page of memory on, as many as there are pages, and one more: every page that is not plain has at most
 *          a frame to itself, and the one that is being changed has two lists
 *
 * Bit numbers stay below 2^31.
 */
import {
  BitLists,
  changesOf,
  LIST_BITS,
  LIST_BYTES,
  PAGE_BITS,
  PAGE_BYTES,
  PAGE_WORDS,
  pack,
} from './bit-lists.ts';
import { type ListForm, Runs, SetBits } from './list-forms.ts';
import { onesOf, SharedBitmap } from './shared-bitmap.ts';

const EMPTY = 0;

const CHANGES = 0;
const FRAMES_USED = 1;
const FREE_FRAME = 2;
const LATELY = 3;
const ROOMY = 4;
const CONTROL_BYTES = 64;

const LISTS_OF_FRAME = PAGE_BYTES / LIST_BYTES;
const ALL_LISTS = 2 ** LISTS_OF_FRAME - 1;

/** The bits of a page while it is put together: nothing here waits, and every thread has its own. */
const scratch = new SharedArrayBuffer(PAGE_BYTES);
const scratchBits = new SharedBitmap(scratch, 0, PAGE_BITS);
const words = new Int32Array(scratch);
const wordBytes = new Uint8Array(scratch);
const begins = new Int32Array(PAGE_WORDS);

export class PagedBitmap {
  readonly #control: Int32Array;
  readonly #directory: Int32Array;
  /** Of each frame, a bit for each of its lists that is in use. */
  readonly #inUse: Uint8Array;
  readonly #lists: BitLists;
  readonly #bits: ListForm;
  readonly #runs: ListForm;
  /** All frames as bits; as words: the first word of a frame that is free is the next such frame + 1. */
  readonly #plain: SharedBitmap;
  readonly #frameWords: Int32Array;
  readonly #frameBytes: Uint8Array;

  /** @param byteOffset at which a page of memory begins */
  constructor(buffer: SharedArrayBuffer, byteOffset: number, pages: number) {
    const frames = pages + 1;
    const at = byteOffset + CONTROL_BYTES;
    this.#control = new Int32Array(buffer, byteOffset, CONTROL_BYTES / 4);
    this.#directory = new Int32Array(buffer, at, pages);
    this.#inUse = new Uint8Array(buffer, at + pages * 4, frames);
    const pool = byteOffset + poolOffset(pages);
    this.#lists = new BitLists(buffer, pool, frames * LISTS_OF_FRAME);
    this.#bits = new SetBits(this.#lists);
    this.#runs = new Runs(this.#lists);
    this.#plain = new SharedBitmap(buffer, pool, frames * PAGE_BITS);
    this.#frameWords = new Int32Array(buffer, pool, frames * PAGE_WORDS);
    this.#frameBytes = new Uint8Array(buffer, pool, frames * PAGE_BYTES);
  }

  /** Bytes of a bitmap of so many pages; whole pages of memory. */
  static bytesFor(pages: number): number {
    return poolOffset(pages) + (pages + 1) * PAGE_BYTES;
  }

  test(bit: number): boolean {
    const entry = this.#entry(pageOf(bit));
    if (entry < EMPTY) return this.#plain.test(bit + shiftOf(entry, pageOf(bit)));
    if (entry === EMPTY) return false;
    return this.nextSet(bit, bit + 1) === bit;
  }

  /** The first set bit in [from, to), or `to`. */
  nextSet(from: number, to: number): number {
    return this.#next(from, to, true);
  }

  /** The first clear bit in [from, to), or `to`. */
  nextClear(from: number, to: number): number {
    return this.#next(from, to, false);
  }

  /** Number of set bits in [from, to). */
  count(from: number, to: number): number {
    let total = 0;
    for (let at = from; at < to; at = pageEnd(at, to))
      total += this.#countPage(at, pageEnd(at, to));
    return total;
  }

  /** Under the lock, as everything below. */
  set(from: number, to: number): void {
    for (let at = from; at < to; at = pageEnd(at, to)) this.#change(at, pageEnd(at, to), true);
  }

  clear(from: number, to: number): void {
    for (let at = from; at < to; at = pageEnd(at, to)) this.#change(at, pageEnd(at, to), false);
  }

  /** @param target becomes the bitmap's bytes from `first` on, as a SharedBitmap has them */
  copyBytes(target: Uint8Array, first: number): void {
    for (let done = 0; done < target.length; ) {
      const page = Math.floor((first + done) / PAGE_BYTES);
      const inPage = first + done - page * PAGE_BYTES;
      const length = Math.min(target.length - done, PAGE_BYTES - inPage);
      this.#copyOfPage(
        page,
        inPage,
        length === target.length ? target : target.subarray(done, done + length),
      );
      done += length;
    }
  }

  #copyOfPage(page: number, first: number, target: Uint8Array): void {
    const entry = this.#entry(page);
    if (entry < EMPTY) {
      const at = (-1 - entry) * PAGE_BYTES + first;
      target.set(this.#frameBytes.subarray(at, at + target.length));
    } else if (entry === EMPTY) target.fill(0);
    else this.#formOf(entry).load(listOf(entry), target, first);
  }

  /**
   * @param bits all words of a page, which was empty
   * @returns how many of them are set
   */
  loadPage(page: number, bits: Int32Array): number {
    if (bits.length !== PAGE_WORDS) throw new RangeError(`${bits.length} words of a page`);
    if (this.#entry(page) !== EMPTY) throw new RangeError(`page ${page} is not empty`);
    const packed = this.#replace(page, EMPTY, bits);
    return packed > LIST_BITS ? onesOf(bits) : packed;
  }

  #formOf(entry: number): ListForm {
    return isOfRuns(entry) ? this.#runs : this.#bits;
  }

  #entry(page: number): number {
    return Atomics.load(this.#directory, page);
  }

  /** Whether nothing was changed since the counter was so: what was read of a list meanwhile is right. */
  #isUnchanged(changes: number): boolean {
    return Atomics.load(this.#control, CHANGES) === changes;
  }

  #next(from: number, to: number, value: boolean): number {
    for (let at = from; at < to; at = pageEnd(at, to)) {
      const end = pageEnd(at, to);
      const found = this.#nextOfPage(at, end, value);
      if (found < end) return found;
    }
    return to;
  }

  #nextOfPage(from: number, to: number, value: boolean): number {
    const page = pageOf(from);
    const base = page * PAGE_BITS;
    const plain = this.#plain;
    for (;;) {
      const changes = Atomics.load(this.#control, CHANGES);
      const entry = this.#entry(page);
      if (entry === EMPTY) return value ? to : from;
      if (entry < EMPTY) {
        const shift = shiftOf(entry, page);
        const [first, end] = [from + shift, to + shift];
        return (value ? plain.nextSet(first, end) : plain.nextClear(first, end)) - shift;
      }
      const found = this.#formOf(entry).next(listOf(entry), from - base, to - base, value);
      if (this.#isUnchanged(changes)) return base + found;
    }
  }

  #countPage(from: number, to: number): number {
    const page = pageOf(from);
    const base = page * PAGE_BITS;
    for (;;) {
      const changes = Atomics.load(this.#control, CHANGES);
      const entry = this.#entry(page);
      if (entry === EMPTY) return 0;
      if (entry < EMPTY) {
        const shift = shiftOf(entry, page);
        return this.#plain.count(from + shift, to + shift);
      }
      const found = this.#formOf(entry).count(listOf(entry), from - base, to - base);
      if (this.#isUnchanged(changes)) return found;
    }
  }

  /** Sets or clears bits [from, to) of one page. */
  #change(from: number, to: number, value: boolean): void {
    const page = pageOf(from);
    const entry = this.#entry(page);
    if (entry < EMPTY) {
      const shift = shiftOf(entry, page);
      if (value) this.#plain.set(from + shift, to + shift);
      else this.#plain.clear(from + shift, to + shift);
      return;
    }
    const first = from - page * PAGE_BITS;
    const end = to - page * PAGE_BITS;
    if (entry === EMPTY) {
      if (!value) return;
      words.fill(0);
    } else {
      if (this.#changeList(page, entry, first, end, value)) return;
      this.#formOf(entry).load(listOf(entry), wordBytes, 0);
    }
    if (value) scratchBits.set(first, end);
    else scratchBits.clear(first, end);
    this.#replace(page, entry, words);
  }

  /** The same of a page that is a list. @returns false: it is too much for such a list, and nothing was done */
  #changeList(page: number, entry: number, from: number, to: number, value: boolean): boolean {
    const list = listOf(entry);
    const form = this.#formOf(entry);
    const edit = form.edit(list, from, to, value);
    if (edit === undefined) return false;
    const lists = this.#lists;
    const before = lists.size(list);
    const size = before - lists.count(list, edit.from, edit.to) + edit.instead.length;
    if (size > LIST_BITS) return false;
    if (size === before && form.next(list, from, to, !value) === to) return true; // it is so already
    if (size === 0) this.#turn(page, EMPTY, entry);
    else {
      const copy = this.#takeList();
      lists.copyWith(list, copy, edit.from, edit.to, edit.instead);
      this.#turn(page, entryOf(copy, isOfRuns(entry)), entry);
    }
    return true;
  }

  /**
   * The page has these bits; it was not plain.
   * @returns how many, as far as a list has room for them (bit-lists.ts)
   */
  #replace(page: number, entry: number, bits: Int32Array): number {
    const packed = pack(bits);
    if (packed <= LIST_BITS) {
      // Else it was loaded, and is as empty as it was.
      if (packed > 0) this.#turn(page, this.#storeList(false), entry);
      return packed;
    }
    changesOf(bits, begins);
    if (pack(begins) <= LIST_BITS) this.#turn(page, this.#storeList(true), entry);
    else {
      const frame = this.#takeFrame();
      this.#frameWords.set(bits, frame * PAGE_WORDS);
      this.#turn(page, -1 - frame, entry);
    }
    return packed;
  }

  /** @returns the entry of a list of what was packed */
  #storeList(runs: boolean): number {
    const list = this.#takeList();
    this.#lists.store(list);
    return entryOf(list, runs);
  }

  #turn(page: number, entry: number, before: number): void {
    Atomics.store(this.#directory, page, entry);
    Atomics.add(this.#control, CHANGES, 1);
    // On ARM a plain store may be seen before an addition that stands in front of it, but not before a load: the counter
    // must have gone up for everybody when the old list's memory becomes something else.
    Atomics.load(this.#control, CHANGES);
    if (before !== EMPTY) this.#giveList(listOf(before));
  }

  #takeList(): number {
    const frame = this.#frameWithRoom() ?? this.#takeFrame();
    const inUse = this.#inUse[frame] ?? 0;
    const slot = 31 - Math.clz32(~inUse & -~inUse);
    this.#use(frame, inUse | (1 << slot));
    return frame * LISTS_OF_FRAME + slot;
  }

  #giveList(list: number): void {
    const frame = Math.floor(list / LISTS_OF_FRAME);
    const inUse = (this.#inUse[frame] ?? 0) & ~(1 << (list % LISTS_OF_FRAME));
    this.#use(frame, inUse);
    if (inUse === 0) this.#giveFrame(frame);
  }

  /** Of the frame's lists these are in use. */
  #use(frame: number, inUse: number): void {
    const more = Number(hasRoom(inUse)) - Number(hasRoom(this.#inUse[frame] ?? 0));
    this.#inUse[frame] = inUse;
    this.#control[ROOMY] = (this.#control[ROOMY] ?? 0) + more;
    if (hasRoom(inUse)) this.#control[LATELY] = frame;
  }

  /** A frame of lists of which one is free. */
  #frameWithRoom(): number | undefined {
    if (this.#control[ROOMY] === 0) return undefined;
    const lately = this.#control[LATELY] ?? 0;
    if (hasRoom(this.#inUse[lately] ?? 0)) return lately;
    const frames = this.#inUse.length;
    for (let further = 1; further < frames; further += 1) {
      const frame = (lately + further) % frames;
      if (hasRoom(this.#inUse[frame] ?? 0)) return frame;
    }
    return undefined;
  }

  #takeFrame(): number {
    const free = this.#control[FREE_FRAME] ?? 0;
    if (free !== 0) {
      this.#control[FREE_FRAME] = this.#frameWords[(free - 1) * PAGE_WORDS] ?? 0;
      return free - 1;
    }
    const frame = this.#control[FRAMES_USED] ?? 0;
    // What is stored beyond the end of an array is lost without a word.
    if (frame >= this.#inUse.length) throw new RangeError(`no frame of ${frame} is free`);
    this.#control[FRAMES_USED] = frame + 1;
    return frame;
  }

  #giveFrame(frame: number): void {
    this.#frameWords[frame * PAGE_WORDS] = this.#control[FREE_FRAME] ?? 0;
    this.#control[FREE_FRAME] = frame + 1;
  }
}

/** Whether some of a frame's lists are in use and some are free. */
function hasRoom(inUse: number): boolean {
  return inUse !== 0 && inUse !== ALL_LISTS;
}

function entryOf(list: number, runs: boolean): number {
  return 1 + list * 2 + Number(runs);
}

function listOf(entry: number): number {
  return (entry - 1) >> 1;
}

function isOfRuns(entry: number): boolean {
  return (entry & 1) === 0;
}

/** Where the frames begin, in bytes. */
function poolOffset(pages: number): number {
  return Math.ceil((CONTROL_BYTES + pages * 5 + 1) / PAGE_BYTES) * PAGE_BYTES;
}

/** What makes a bit of a plain page one of its frame. */
function shiftOf(entry: number, page: number): number {
  return (-1 - entry - page) * PAGE_BITS;
}

function pageOf(bit: number): number {
  return bit >>> 15;
}

/** Where the page that holds `bit` ends, or `to` if that is earlier. */
function pageEnd(bit: number, to: number): number {
  return Math.min(to, bit - (bit & (PAGE_BITS - 1)) + PAGE_BITS);
}
