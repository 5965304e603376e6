/**
 * Where the extents of a volume lie, in memory that all threads share: an entry is 0 (unmapped) or the number of the
 * extent plus one. The control thread alone writes.
 *
 * It is cut into segments that double in size, so that a volume grows without moving what workers look at: the first
 * has 1024 entries, segment k > 0 those from 512 · 2^k on.
 */
const FIRST_SEGMENT = 1024;

export class ExtentMap {
  readonly segments: SharedArrayBuffer[] = [];
  readonly #views: Int32Array[] = [];

  /** @param segments of a map that another thread has made */
  constructor(segments: readonly SharedArrayBuffer[] = []) {
    for (const segment of segments) this.#add(segment);
  }

  /** Makes room for so many entries. */
  grow(entries: number): void {
    for (let room = this.room; room < entries; room = this.room) {
      this.#add(new SharedArrayBuffer(Math.max(FIRST_SEGMENT, room) * 4));
    }
  }

  /** Entries that there is memory for. */
  get room(): number {
    return this.#views.length === 0 ? 0 : FIRST_SEGMENT * 2 ** (this.#views.length - 1);
  }

  /** 0: unmapped; else the extent's number plus one. Unmapped beyond the end. */
  get(index: number): number {
    const segment = segmentOf(index);
    const view = this.#views[segment];
    return view === undefined ? 0 : Atomics.load(view, index - firstOf(segment));
  }

  set(index: number, entry: number): void {
    const segment = segmentOf(index);
    const view = this.#views[segment];
    if (view === undefined) throw new RangeError(`the map has no entry ${index}`);
    Atomics.store(view, index - firstOf(segment), entry);
  }

  /** The first mapped index in [from, to), or `to`. */
  nextMapped(from: number, to: number): number {
    let index = from;
    while (index < to && this.get(index) === 0) index += 1;
    return index;
  }

  /** The first unmapped index in [from, to), or `to`. */
  nextUnmapped(from: number, to: number): number {
    let index = from;
    while (index < to && this.get(index) !== 0) index += 1;
    return index;
  }

  /**
   * Calls `visit` for each longest run of neighbours, in the volume and on the device, in [0, to). Of the control thread
   * only: nobody writes meanwhile, so plain loads do, which makes sixteen million entries a matter of milliseconds.
   */
  forEachRun(to: number, visit: (logical: number, physical: number, count: number) => void): void {
    let start = 0;
    let entry = 0;
    for (const [segment, view] of this.#views.entries()) {
      const base = firstOf(segment);
      const count = Math.min(view.length, to - base);
      for (let i = 0; i < count; i++) {
        const next = view[i] ?? 0;
        if (next === 0 && entry === 0) continue;
        const index = base + i;
        if (entry !== 0 && next === entry + (index - start)) continue;
        if (entry !== 0) visit(start, entry - 1, index - start);
        start = index;
        entry = next;
      }
    }
    if (entry !== 0) visit(start, entry - 1, Math.min(to, this.room) - start);
  }

  #add(segment: SharedArrayBuffer): void {
    this.segments.push(segment);
    this.#views.push(new Int32Array(segment));
  }
}

function segmentOf(index: number): number {
  return 32 - Math.clz32(index >>> 10);
}

function firstOf(segment: number): number {
  return segment === 0 ? 0 : (FIRST_SEGMENT / 2) << segment;
}
