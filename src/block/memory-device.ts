/**
 * A disk in memory, sparse by pages. It lends its pages: a page that is lent when somebody writes to
 * it is replaced by a copy first, so a loan never changes.
 */
import { BlockError } from '../errors/index.ts';
import type {
  BlockDevice,
  Capabilities,
  Extent,
  ExtentKind,
  Geometry,
  Loan,
  WriteOptions,
  ZeroOptions,
} from './block-device.ts';
import { appendExtent } from './extent-list.ts';
import { Gate, nothingToClose } from './gate.ts';
import { EXTENT_SCAN_BYTES, MAXIMUM_IO_BYTES, MEMORY_PAGE_BYTES } from './limits.ts';
import { appendZeroes } from './zeroes.ts';

interface Page {
  readonly bytes: Buffer;
  loans: number;
}

export interface MemoryDeviceOptions {
  /** Bytes. */
  readonly size: number;
  /** Bytes; 1 unless given. */
  readonly minimumIo?: number;
}

const CAPABILITIES: Capabilities = Object.freeze({
  write: true,
  flush: true,
  fua: true,
  trim: true,
  zero: true,
  fastZero: true,
  cache: true,
  extents: true,
  multiConn: true,
  rotational: false,
});

export class MemoryDevice implements BlockDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities = CAPABILITIES;
  readonly #pages = new Map<number, Page>();
  readonly #gate = new Gate();

  constructor(options: MemoryDeviceOptions) {
    this.geometry = Object.freeze({
      size: options.size,
      minimumIo: options.minimumIo ?? 1,
      preferredIo: 4096,
      maximumIo: MAXIMUM_IO_BYTES,
    });
  }

  /** Memory held by pages, in bytes. */
  get allocatedBytes(): number {
    return this.#pages.size * MEMORY_PAGE_BYTES;
  }

  read(target: Buffer, offset: number): void {
    this.#gate.check('read', offset, target.length);
    forEachPiece(offset, target.length, (index, start, length, done) => {
      const page = this.#pages.get(index);
      if (page === undefined) target.fill(0, done, done + length);
      else page.bytes.copy(target, done, start, start + length);
    });
  }

  lend(offset: number, length: number): Loan | undefined {
    this.#gate.check('read', offset, length);
    const chunks: Buffer[] = [];
    const lent: Page[] = [];
    forEachPiece(offset, length, (index, start, pieceLength) => {
      const page = this.#pages.get(index);
      if (page === undefined) {
        appendZeroes(chunks, pieceLength);
      } else {
        page.loans += 1;
        lent.push(page);
        chunks.push(page.bytes.subarray(start, start + pieceLength));
      }
    });
    return {
      chunks,
      release: () => {
        for (const page of lent.splice(0)) page.loans -= 1;
      },
    };
  }

  write(source: Buffer, offset: number, _options: WriteOptions): void {
    this.#gate.check('write', offset, source.length);
    forEachPiece(offset, source.length, (index, start, length, done) => {
      source.copy(this.#writablePage(index).bytes, start, done, done + length);
    });
  }

  flush(): void {
    this.#gate.check('flush', 0, 0);
  }

  trim(offset: number, length: number, _options: WriteOptions): void {
    this.#gate.check('trim', offset, length);
    this.#clear(offset, length, false);
  }

  zero(offset: number, length: number, options: ZeroOptions): void {
    this.#gate.check('zero', offset, length);
    if (options.noHole && options.fast) {
      throw new BlockError('ENOTSUP', 'zero', offset, length, 'allocating is not fast');
    }
    this.#clear(offset, length, options.noHole);
  }

  cache(offset: number, length: number): void {
    this.#gate.check('cache', offset, length);
  }

  extents(offset: number, length: number, limit: number): Extent[] {
    this.#gate.check('extents', offset, length);
    const found: Extent[] = [];
    const end = Math.min(offset + length, offset + EXTENT_SCAN_BYTES);
    for (let at = offset; at < end; ) {
      const index = Math.floor(at / MEMORY_PAGE_BYTES);
      const next = Math.min(end, (index + 1) * MEMORY_PAGE_BYTES);
      const kind: ExtentKind = this.#pages.has(index) ? 'data' : 'hole';
      if (!appendExtent(found, at, next - at, kind, limit)) break;
      at = next;
    }
    return found;
  }

  close(): Promise<void> {
    return this.#gate.close(nothingToClose);
  }

  #clear(offset: number, length: number, keepAllocated: boolean): void {
    forEachPiece(offset, length, (index, start, pieceLength) => {
      if (!keepAllocated && pieceLength === MEMORY_PAGE_BYTES) this.#pages.delete(index);
      else if (keepAllocated || this.#pages.has(index)) {
        this.#writablePage(index).bytes.fill(0, start, start + pieceLength);
      }
    });
  }

  /** The page to write to: a fresh one, or a copy where somebody still holds the old one. */
  #writablePage(index: number): Page {
    const page = this.#pages.get(index);
    if (page !== undefined && page.loans === 0) return page;
    const bytes = page === undefined ? Buffer.alloc(MEMORY_PAGE_BYTES) : Buffer.from(page.bytes);
    const fresh: Page = { bytes, loans: 0 };
    this.#pages.set(index, fresh);
    return fresh;
  }
}

/** Calls `visit` for the part of the range in each page it touches. */
function forEachPiece(
  offset: number,
  length: number,
  visit: (page: number, start: number, length: number, done: number) => void,
): void {
  for (let done = 0; done < length; ) {
    const at = offset + done;
    const page = Math.floor(at / MEMORY_PAGE_BYTES);
    const start = at - page * MEMORY_PAGE_BYTES;
    const piece = Math.min(MEMORY_PAGE_BYTES - start, length - done);
    visit(page, start, piece, done);
    done += piece;
  }
}
