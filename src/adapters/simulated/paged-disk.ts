/**
 * The content of one volume or snapshot of a simulated array, as its control port changes it. Everything here is
 * synchronous: what it does is of one moment.
 */
import type { Extent } from '../../block/index.ts';
import { PAGE_BYTES, VOLUME_BYTES_MAXIMUM } from './limits.ts';
import type { PagePool } from './page-pool.ts';
import { PageTable, pagesOf } from './page-table.ts';

export class PagedDisk {
  readonly table: PageTable;
  readonly #pool: PagePool;
  #size: number;

  constructor(pool: PagePool, size: number, table = PageTable.create(size, VOLUME_BYTES_MAXIMUM)) {
    this.#pool = pool;
    this.#size = size;
    this.table = table;
  }

  /** Bytes. */
  get size(): number {
    return this.#size;
  }

  get allocatedBytes(): number {
    return this.#count(() => true);
  }

  /** Bytes of the pages that nothing else holds. */
  get uniqueBytes(): number {
    return this.#count((page) => this.#pool.holders(page) === 1);
  }

  grow(size: number): void {
    this.table.grow(size);
    this.#size = size;
  }

  /** What is beyond must be holes. */
  shrink(size: number): void {
    this.#size = Math.min(size, this.#size);
  }

  /** Copies of one moment that share every page with their originals. */
  static share(disks: readonly PagedDisk[], growable: boolean): PagedDisk[] {
    for (const { table } of disks) table.close();
    try {
      return disks.map((disk) => disk.#share(growable));
    } finally {
      for (const { table } of disks) table.open();
    }
  }

  /** From now on the content of `other`, which keeps it. Who reads it sees all of the old or all of the new. */
  becomeLike(other: PagedDisk): void {
    this.table.grow(other.#size);
    this.table.close();
    other.table.close();
    const old: number[] = [];
    for (let index = 0; index < this.table.length; index += 1) {
      const page = index < pagesOf(other.#size) ? Math.abs(other.table.get(index)) : 0;
      if (page !== 0) {
        this.#pool.hold(page);
        other.table.set(index, -page);
      }
      old.push(Math.abs(this.table.get(index)));
      this.table.set(index, -page);
    }
    this.#size = other.#size;
    other.table.open();
    this.table.open();
    for (const page of old) if (page !== 0) this.#pool.release(page);
  }

  /** The same page of both holds the same bytes, without a look at them. */
  sharesPage(other: PagedDisk | undefined, index: number): boolean {
    if (other === undefined) return false;
    const entry = index < other.table.length ? other.table.get(index) : 0;
    return Math.abs(entry) === Math.abs(this.table.get(index));
  }

  /**
   * Makes pages writable in place: fresh ones for holes, copies of those that others hold too.
   * @throws PoolFull, with some of them done
   */
  makeWritable(first: number, count: number): void {
    for (let index = first; index < first + count; index += 1) {
      const entry = this.table.get(index);
      if (entry > 0) continue;
      const page = this.#ownPage(-entry);
      this.#change(index, page);
      if (entry !== 0 && page !== -entry) this.#pool.release(-entry);
    }
  }

  makeHoles(first: number, count: number): void {
    for (let index = first; index < first + count; index += 1) {
      const entry = this.table.get(index);
      if (entry === 0) continue;
      this.#change(index, 0);
      this.#pool.release(Math.abs(entry));
    }
  }

  clear(): void {
    this.makeHoles(0, this.table.length);
  }

  /** Replaces one page's bytes with those of a page of any pool. @throws PoolFull */
  copyPage(index: number, bytes: Buffer | undefined): void {
    if (bytes === undefined) {
      this.makeHoles(index, 1);
      return;
    }
    this.makeWritable(index, 1);
    bytes.copy(this.#pool.bytes(this.table.get(index)));
  }

  /** undefined: a hole. */
  pageBytes(index: number): Buffer | undefined {
    const entry = index < this.table.length ? this.table.get(index) : 0;
    return entry === 0 ? undefined : this.#pool.bytes(Math.abs(entry));
  }

  /** Where which page of the pool is. */
  pages(): (readonly [index: number, page: number])[] {
    const found: (readonly [number, number])[] = [];
    for (let index = 0; index < this.table.length; index += 1) {
      const page = Math.abs(this.table.get(index));
      if (page !== 0) found.push([index, page]);
    }
    return found;
  }

  /** Takes over a page that was held for it. Others may hold it too. */
  putPage(index: number, page: number): void {
    this.makeHoles(index, 1);
    this.#change(index, -page);
  }

  /** Whole pages in which this may differ from `from` (undefined: from a disk of zeroes), cut to the range. */
  differences(
    from: PagedDisk | undefined,
    range: { readonly offset: number; readonly length: number; readonly limit: number },
  ): Extent[] {
    const found: Extent[] = [];
    const end = Math.min(this.#size, range.offset + range.length);
    for (let at = range.offset; at < end; ) {
      const index = Math.floor(at / PAGE_BYTES);
      const next = Math.min(end, (index + 1) * PAGE_BYTES);
      const before = from === undefined || index >= from.table.length ? 0 : from.table.get(index);
      const now = this.table.get(index);
      if (Math.abs(before) !== Math.abs(now)) {
        const kind = now === 0 ? 'hole' : 'data';
        const last = found.at(-1);
        if (last?.kind === kind && last.offset + last.length === at) {
          found[found.length - 1] = { ...last, length: next - last.offset };
        } else if (found.length === range.limit) {
          return found;
        } else {
          found.push({ offset: at, length: next - at, kind });
        }
      }
      at = next;
    }
    return found;
  }

  #share(growable: boolean): PagedDisk {
    const maximum = growable ? VOLUME_BYTES_MAXIMUM : this.#size;
    const copy = new PagedDisk(this.#pool, this.#size, PageTable.create(this.#size, maximum));
    copy.#takePages(this);
    return copy;
  }

  #takePages(other: PagedDisk): void {
    for (let index = 0; index < pagesOf(other.#size); index += 1) {
      const entry = other.table.get(index);
      if (entry === 0) continue;
      const page = Math.abs(entry);
      this.#pool.hold(page);
      other.table.set(index, -page);
      this.table.set(index, -page);
    }
  }

  /** @param shared 0: a hole */
  #ownPage(shared: number): number {
    if (shared === 0) return this.#pool.allocate();
    if (this.#pool.holders(shared) === 1) return shared;
    const page = this.#pool.allocate();
    this.#pool.bytes(shared).copy(this.#pool.bytes(page));
    return page;
  }

  #change(index: number, entry: number): void {
    this.table.close();
    this.table.set(index, entry);
    this.table.open();
  }

  #count(counts: (page: number) => boolean): number {
    let pages = 0;
    for (let index = 0; index < this.table.length; index += 1) {
      const entry = this.table.get(index);
      if (entry !== 0 && counts(Math.abs(entry))) pages += 1;
    }
    return pages * PAGE_BYTES;
  }
}
