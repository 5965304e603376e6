/** A volume or snapshot of a simulated array, in one worker: bytes in shared memory, questions only for new pages. */
import { isPromise, type MaybePromise, RangeLock } from '../../base/index.ts';
import {
  appendExtent,
  type BlockDevice,
  type Capabilities,
  EXTENT_SCAN_BYTES,
  type Extent,
  Gate,
  type Geometry,
  type Loan,
  MAXIMUM_IO_BYTES,
  type WriteOptions,
  ZEROES,
  type ZeroOptions,
} from '../../block/index.ts';
import { BlockError, type BlockOperation } from '../../errors/index.ts';
import type { AskControl } from '../../repositories/index.ts';
import { PAGE_BYTES, SECTOR_BYTES } from './limits.ts';
import { chunkOf, placeInChunk } from './page-pool.ts';
import { PageTable } from './page-table.ts';
import type { OpenAnswer, Question } from './questions.ts';

/** Chunks that this thread knows, shared by all its devices of one array. */
export type KnownChunks = (Buffer | undefined)[];

const CAPABILITIES: Capabilities = Object.freeze({
  write: true,
  flush: true,
  fua: true,
  trim: true,
  zero: true,
  fastZero: true,
  cache: false,
  extents: true,
  multiConn: true,
  rotational: false,
});

export class SimulatedDevice implements BlockDevice {
  readonly geometry: Geometry;
  readonly capabilities = CAPABILITIES;
  readonly #ask: AskControl;
  readonly #session: number;
  readonly #state: Int32Array;
  readonly #table: PageTable;
  readonly #chunks: KnownChunks;
  readonly #ranges = new RangeLock();
  readonly #gate = new Gate();

  constructor(ask: AskControl, answer: OpenAnswer, chunks: KnownChunks) {
    this.#ask = ask;
    this.#session = answer.session;
    this.#state = new Int32Array(answer.state);
    this.#table = new PageTable(answer.table);
    this.#chunks = chunks;
    this.geometry = Object.freeze({
      size: answer.size,
      minimumIo: SECTOR_BYTES,
      preferredIo: PAGE_BYTES,
      maximumIo: MAXIMUM_IO_BYTES,
    });
  }

  read(target: Buffer, offset: number): MaybePromise<void> {
    this.#gate.check('read', offset, target.length);
    const missing = this.#readNow(target, offset);
    if (missing === undefined) return undefined;
    return this.#gate.track(this.#readLater(target, offset, missing));
  }

  lend(offset: number, length: number): Loan | undefined {
    this.#gate.check('read', offset, length);
    return undefined;
  }

  cache(offset: number, length: number): void {
    this.#gate.check('cache', offset, length);
  }

  write(source: Buffer, offset: number, _options: WriteOptions): MaybePromise<void> {
    this.#gate.check('write', offset, source.length);
    const written = this.#ranges.run(offset, offset + source.length, () =>
      this.#write('write', source, offset),
    );
    return isPromise(written) ? this.#gate.track(written) : written;
  }

  flush(): void {
    this.#gate.check('flush', 0, 0);
    this.#checkSession('flush', 0, 0);
  }

  trim(offset: number, length: number, _options: WriteOptions): MaybePromise<void> {
    this.#gate.check('trim', offset, length);
    const first = Math.ceil(offset / PAGE_BYTES);
    const end = Math.floor((offset + length) / PAGE_BYTES);
    if (end <= first) return undefined;
    const trimmed = this.#ranges.run(offset, offset + length, () =>
      this.#freePages('trim', first, end - first),
    );
    return this.#gate.track(trimmed);
  }

  zero(offset: number, length: number, options: ZeroOptions): MaybePromise<void> {
    this.#gate.check('zero', offset, length);
    if (options.fast && options.noHole) {
      throw new BlockError('ENOTSUP', 'zero', offset, length, 'allocating is not fast');
    }
    const zeroed = this.#ranges.run(offset, offset + length, () =>
      this.#zero(offset, length, options.noHole),
    );
    return this.#gate.track(zeroed);
  }

  extents(offset: number, length: number, limit: number): Extent[] {
    this.#gate.check('extents', offset, length);
    const found: Extent[] = [];
    const end = offset + Math.min(length, EXTENT_SCAN_BYTES);
    for (let at = offset; at < end; ) {
      const index = Math.floor(at / PAGE_BYTES);
      const next = Math.min(end, (index + 1) * PAGE_BYTES);
      const kind = this.#table.get(index) === 0 ? 'hole' : 'data';
      if (!appendExtent(found, at, next - at, kind, limit)) break;
      at = next;
    }
    return found;
  }

  close(): Promise<void> {
    return this.#gate.close(async () => {
      await this.#question('flush', { ask: 'close', session: this.#session });
    });
  }

  /** @returns the first chunk that this thread does not know yet; undefined: done */
  #readNow(target: Buffer, offset: number): number | undefined {
    this.#table.enter();
    try {
      this.#checkSession('read', offset, target.length);
      for (let done = 0; done < target.length; ) {
        const { index, start, length } = pieceAt(offset + done, target.length - done);
        const page = Math.abs(this.#table.get(index));
        if (page === 0) {
          target.fill(0, done, done + length);
        } else {
          const chunk = this.#chunks[chunkOf(page)];
          if (chunk === undefined) return chunkOf(page);
          const from = placeInChunk(page) + start;
          chunk.copy(target, done, from, from + length);
        }
        done += length;
      }
      return undefined;
    } finally {
      this.#table.leave();
    }
  }

  async #readLater(target: Buffer, offset: number, missing: number): Promise<void> {
    for (let chunk: number | undefined = missing; chunk !== undefined; ) {
      await this.#learn('read', chunk);
      chunk = this.#readNow(target, offset);
    }
  }

  /** All of it inside of one entering, so that a snapshot has all of it or nothing. */
  #writeNow(operation: BlockOperation, source: Buffer, offset: number): 'done' | 'pages' | number {
    this.#table.enter();
    try {
      this.#checkSession(operation, offset, source.length);
      for (let done = 0; done < source.length; ) {
        const { index, length } = pieceAt(offset + done, source.length - done);
        const page = this.#table.get(index);
        if (page <= 0) return 'pages';
        if (this.#chunks[chunkOf(page)] === undefined) return chunkOf(page);
        done += length;
      }
      for (let done = 0; done < source.length; ) {
        const { index, start, length } = pieceAt(offset + done, source.length - done);
        const page = this.#table.get(index);
        const chunk = this.#chunks[chunkOf(page)];
        if (chunk !== undefined)
          source.copy(chunk, placeInChunk(page) + start, done, done + length);
        done += length;
      }
      return 'done';
    } finally {
      this.#table.leave();
    }
  }

  #write(operation: BlockOperation, source: Buffer, offset: number): MaybePromise<void> {
    const outcome = this.#writeNow(operation, source, offset);
    return outcome === 'done' ? undefined : this.#writeLater(operation, source, offset, outcome);
  }

  /** A snapshot that is taken between the answer and the write makes the pages shared again: ask again. */
  async #writeLater(
    operation: BlockOperation,
    source: Buffer,
    offset: number,
    missing: 'pages' | number,
  ): Promise<void> {
    const first = Math.floor(offset / PAGE_BYTES);
    const count = Math.ceil((offset + source.length) / PAGE_BYTES) - first;
    const session = this.#session;
    for (let outcome: 'done' | 'pages' | number = missing; outcome !== 'done'; ) {
      if (outcome === 'pages') {
        await this.#question(operation, { ask: 'allocate', session, first, count });
      } else {
        await this.#learn(operation, outcome);
      }
      outcome = this.#writeNow(operation, source, offset);
    }
  }

  async #zero(offset: number, length: number, noHole: boolean): Promise<void> {
    for (let done = 0; done < length; ) {
      const { index, length: piece } = pieceAt(offset + done, length - done);
      if (!noHole && piece === PAGE_BYTES) {
        const pages = Math.floor((length - done) / PAGE_BYTES);
        await this.#freePages('zero', index, pages);
        done += pages * PAGE_BYTES;
        continue;
      }
      const isHole = this.#table.get(index) === 0;
      if (noHole || !isHole) await this.#write('zero', ZEROES.subarray(0, piece), offset + done);
      done += piece;
    }
  }

  async #freePages(operation: BlockOperation, first: number, count: number): Promise<void> {
    this.#checkSession(operation, first * PAGE_BYTES, count * PAGE_BYTES);
    await this.#question(operation, { ask: 'free', session: this.#session, first, count });
  }

  async #learn(operation: BlockOperation, index: number): Promise<void> {
    const chunk = await this.#question(operation, { ask: 'chunk', session: this.#session, index });
    if (!(chunk instanceof SharedArrayBuffer)) {
      throw new BlockError('EIO', operation, 0, 0, `the array has no chunk ${index}`);
    }
    this.#chunks[index] = Buffer.from(chunk);
  }

  async #question(operation: BlockOperation, question: Question): Promise<unknown> {
    try {
      return await this.#ask(question);
    } catch (error) {
      if (!(error instanceof BlockError)) throw BlockError.from(error, operation, 0, 0);
      throw new BlockError(error.errno, operation, 0, 0, error.message, { cause: error });
    }
  }

  #checkSession(operation: BlockOperation, offset: number, length: number): void {
    if (Atomics.load(this.#state, 0) === 0) return;
    throw new BlockError('ESTALE', operation, offset, length, 'the array has ended the session');
  }
}

/** The part of a range in the page where it begins. */
function pieceAt(at: number, left: number): { index: number; start: number; length: number } {
  const index = Math.floor(at / PAGE_BYTES);
  const start = at - index * PAGE_BYTES;
  return { index, start, length: Math.min(PAGE_BYTES - start, left) };
}
