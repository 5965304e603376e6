/**
 * The records of a stream, one after the other, and everything that is known of a stream as such: how it
 * begins, that each record is whole, that the end says what came, and that nothing follows.
 */
import { createHash } from 'node:crypto';
import type { Fault } from '../../errors/index.ts';
import { cancelled, sendFault, violationFault } from './bundle-fault.ts';
import {
  type BundleRecord,
  decodePreamble,
  decodeRecord,
  isViolation,
  PREAMBLE_BYTES,
  type StreamMagic,
  type Violation,
  violation,
} from './bundle-record.ts';
import { decodeEnd, type StreamCounts } from './end-record.ts';

export class RecordReader {
  readonly #pieces: AsyncIterator<Buffer>;
  readonly #signal: AbortSignal;
  readonly #what: string;
  readonly #hash = createHash('sha256');
  #buffer: Buffer = Buffer.alloc(0);
  /** Bytes before the buffer. */
  #position = 0;
  #peeked: BundleRecord | undefined;
  #isOver = false;

  /**
   * @param stream pieces of any length, which stay as they are
   * @param what is being read, for a person
   */
  constructor(stream: AsyncIterable<Buffer>, signal: AbortSignal, what: string) {
    this.#pieces = stream[Symbol.asyncIterator]();
    this.#signal = signal;
    this.#what = what;
  }

  /** Bytes read so far. */
  get position(): number {
    return this.#position;
  }

  /** Reads how the stream begins. @throws Fault IMAGE_INVALID, IMAGE_UNSUPPORTED */
  async begin(magic: StreamMagic): Promise<void> {
    await this.#fill(PREAMBLE_BYTES);
    const found = decodePreamble(this.#buffer, magic);
    if (isViolation(found)) throw this.fault(found);
    this.#consume(PREAMBLE_BYTES, true);
  }

  /** The record that comes next; its payload stays as it is. @throws Fault IMAGE_INVALID */
  async peek(): Promise<BundleRecord> {
    while (this.#peeked === undefined) {
      const decoded = decodeRecord(this.#buffer);
      switch (decoded.kind) {
        case 'need-more':
          await this.#fill(decoded.bytes);
          break;
        case 'violation':
          throw this.fault(decoded);
        case 'head':
        case 'changes':
        case 'file':
        case 'chunk':
        case 'end':
          this.#peeked = decoded;
      }
    }
    return this.#peeked;
  }

  /** @throws Fault IMAGE_INVALID, also when the next record is of another kind */
  async next(kind: Exclude<BundleRecord['kind'], 'end'>): Promise<Buffer> {
    const record = await this.peek();
    if (record.kind !== kind) throw this.fault(violation('record', record.kind, kind));
    this.#consume(record.size, true);
    return record.payload;
  }

  /** Reads the end record and the end of the stream. @throws Fault IMAGE_INVALID */
  async end(counts: StreamCounts): Promise<void> {
    const record = await this.peek();
    if (record.kind !== 'end') throw this.fault(violation('record', record.kind, 'end'));
    const found = decodeEnd(record.payload);
    if (isViolation(found)) throw this.fault(found);
    const wanted = { ...counts, bytes: this.#position };
    for (const name of ['versions', 'files', 'chunks', 'bytes'] as const) {
      if (found[name] === wanted[name]) continue;
      throw this.fault(violation(`${name} in the end record`, found[name], String(wanted[name])));
    }
    const hash = this.#hash.digest();
    if (!found.hash.equals(hash)) {
      const value = found.hash.toString('hex');
      throw this.fault(violation('SHA-256 of the stream', value, hash.toString('hex')));
    }
    this.#consume(record.size, false);
    while (this.#buffer.length === 0) {
      const piece = await this.#nextPiece();
      if (piece === undefined) return;
      this.#buffer = piece;
    }
    throw this.fault(violation('stream', 'goes on', 'nothing after the end record'));
  }

  /** @param wrong at the place where the reader stands */
  fault(wrong: Violation): Fault {
    return violationFault(`${this.#what}, byte ${this.#position}`, wrong);
  }

  /** Asks for no more. Whoever aborts the signal also ends a source that is silent. */
  async close(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    const closed = this.#pieces.return?.()?.then(() => undefined);
    closed?.catch(() => undefined);
    if (!this.#signal.aborted) await closed?.catch(() => undefined);
  }

  async #fill(bytes: number): Promise<void> {
    const pieces = [this.#buffer];
    let length = this.#buffer.length;
    while (length < bytes) {
      const piece = await this.#nextPiece();
      if (piece === undefined) {
        const end = this.#position + length;
        throw this.fault(violation('stream', `cut off at byte ${end}`, 'more of it'));
      }
      pieces.push(piece);
      length += piece.length;
    }
    this.#buffer = pieces.length === 1 ? this.#buffer : Buffer.concat(pieces, length);
  }

  async #nextPiece(): Promise<Buffer | undefined> {
    if (this.#isOver) return undefined;
    try {
      const { value, done } = await this.#orAborted(this.#pieces.next());
      if (done !== true) return value;
      this.#isOver = true;
      return undefined;
    } catch (error) {
      throw sendFault(error, this.#what);
    }
  }

  /** A source that sends nothing must not keep anybody from giving up. */
  #orAborted<T>(pending: Promise<T>): Promise<T> {
    const signal = this.#signal;
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(cancelled(this.#what));
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort, { once: true });
      pending.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
    });
  }

  #consume(bytes: number, hashed: boolean): void {
    if (hashed) this.#hash.update(this.#buffer.subarray(0, bytes));
    this.#buffer = this.#buffer.subarray(bytes);
    this.#position += bytes;
    this.#peeked = undefined;
  }
}
