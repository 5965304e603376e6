/** Where the chunks come from that a receiver lacks: the bundle itself, or its sender when it is asked. */
import { KeyedMutex } from '../../base/index.ts';
import { Fault } from '../../errors/index.ts';
import { CHUNKS_MAGIC, isViolation } from './bundle-record.ts';
import { decodeChunk, type StoredChunk } from './chunk-record.ts';
import { BUNDLE_REQUEST_CHUNKS_MAX } from './limits.ts';
import { RecordReader } from './record-reader.ts';

const TAKE = 'take';

/** Asks the sender for chunks: the stream that `writeChunks` makes there. */
export type FetchChunks = (hashes: readonly Buffer[]) => AsyncIterable<Buffer>;

/**
 * An answer broke off, or there was none. What is still lacking is asked for again when it settles.
 * @param failures in a row, without a chunk between them; 1 for the first
 * @throws when it is given up: as a rule, what it was given
 */
export type RetryChunks = (error: unknown, failures: number) => Promise<void>;

export interface ChunkSupply {
  /** Chunks that have come. */
  readonly taken: number;
  /** Whether it is told what to bring. */
  readonly asks: boolean;
  /** Chunks that will be taken next, in this order. What was expected before has been taken. */
  expect(hashes: readonly Buffer[]): void;
  /** The chunk, if it is the next one. Calls are answered in their order. */
  take(hash: Buffer): Promise<StoredChunk | undefined>;
  /** A chunk that was thought to be here. */
  late(hash: Buffer): Promise<StoredChunk | undefined>;
}

/** Chunks that follow each other in the bundle. */
export class BundleSupply implements ChunkSupply {
  readonly asks = false;
  readonly #reader: RecordReader;
  readonly #turns = new KeyedMutex();
  #taken = 0;

  constructor(reader: RecordReader) {
    this.#reader = reader;
  }

  get taken(): number {
    return this.#taken;
  }

  expect(): void {}

  take(hash: Buffer): Promise<StoredChunk | undefined> {
    return this.#turns.run(TAKE, () => this.#takeNext(hash));
  }

  async late(): Promise<undefined> {
    return undefined;
  }

  async #takeNext(hash: Buffer): Promise<StoredChunk | undefined> {
    const record = await this.#reader.peek();
    if (record.kind !== 'chunk') return undefined;
    const chunk = decodeChunk(record.payload);
    if (isViolation(chunk)) throw this.#reader.fault(chunk);
    if (!chunk.hash.equals(hash)) return undefined;
    await this.#reader.next('chunk');
    this.#taken += 1;
    return chunk;
  }
}

/** What comes for one request. */
interface Answer {
  readonly reader: RecordReader;
  readonly chunks: number;
  left: number;
}

/** Chunks that are asked for, a request after the other. */
export class FetchSupply implements ChunkSupply {
  readonly asks = true;
  readonly #fetch: FetchChunks;
  readonly #retry: RetryChunks;
  readonly #signal: AbortSignal;
  readonly #turns = new KeyedMutex();
  #expected: readonly Buffer[] = [];
  #at = 0;
  #answer: Answer | undefined;
  /** Why it was given up: those who wait for other chunks need not try for themselves. */
  #failure: { readonly error: unknown } | undefined;
  #taken = 0;

  constructor(fetch: FetchChunks, retry: RetryChunks, signal: AbortSignal) {
    this.#fetch = fetch;
    this.#retry = retry;
    this.#signal = signal;
  }

  get taken(): number {
    return this.#taken;
  }

  expect(hashes: readonly Buffer[]): void {
    this.#expected = hashes;
    this.#at = 0;
  }

  take(hash: Buffer): Promise<StoredChunk | undefined> {
    return this.#turns.run(TAKE, () =>
      this.#retried(async () => {
        try {
          return await this.#takeNext(hash);
        } catch (error) {
          await this.close();
          throw error;
        }
      }),
    );
  }

  late(hash: Buffer): Promise<StoredChunk> {
    return this.#retried(() => this.#takeLate(hash));
  }

  async #takeLate(hash: Buffer): Promise<StoredChunk> {
    const reader = await this.#ask([hash]);
    try {
      const chunk = await this.#read(reader, hash);
      await reader.end({ versions: 0, files: 0, chunks: 1 });
      this.#taken += 1;
      return chunk;
    } finally {
      await reader.close();
    }
  }

  /** Ends an answer that is not wanted any more. */
  async close(): Promise<void> {
    await this.#answer?.reader.close();
    this.#answer = undefined;
  }

  async #retried<T>(work: () => Promise<T>): Promise<T> {
    for (let failures = 1; ; failures += 1) {
      if (this.#failure !== undefined) throw this.#failure.error;
      try {
        return await work();
      } catch (error) {
        if (this.#signal.aborted) throw error;
        await this.#retry(error, failures).catch((reason: unknown) => {
          this.#failure = { error: reason };
        });
      }
    }
  }

  async #takeNext(hash: Buffer): Promise<StoredChunk | undefined> {
    if (this.#expected[this.#at]?.equals(hash) !== true) return undefined;
    const answer = this.#answer ?? (await this.#askNext());
    const chunk = await this.#read(answer.reader, hash);
    // Only with its end is the last one there: if that breaks off, it is asked for again.
    if (answer.left === 1) {
      await answer.reader.end({ versions: 0, files: 0, chunks: answer.chunks });
      this.#answer = undefined;
    }
    answer.left -= 1;
    this.#at += 1;
    this.#taken += 1;
    return chunk;
  }

  async #askNext(): Promise<Answer> {
    const hashes = this.#expected.slice(this.#at, this.#at + BUNDLE_REQUEST_CHUNKS_MAX);
    const reader = await this.#ask(hashes);
    this.#answer = { reader, chunks: hashes.length, left: hashes.length };
    return this.#answer;
  }

  async #ask(hashes: readonly Buffer[]): Promise<RecordReader> {
    const what = 'the chunks that were asked for';
    const reader = new RecordReader(this.#fetch(hashes), this.#signal, what);
    try {
      await reader.begin(CHUNKS_MAGIC);
    } catch (error) {
      await reader.close();
      throw error;
    }
    return reader;
  }

  async #read(reader: RecordReader, hash: Buffer): Promise<StoredChunk> {
    const record = await reader.peek();
    const chunk = record.kind === 'chunk' ? decodeChunk(record.payload) : undefined;
    if (chunk !== undefined && isViolation(chunk)) throw reader.fault(chunk);
    if (chunk === undefined || !chunk.hash.equals(hash)) {
      const value = hash.toString('hex');
      throw new Fault('NOT_FOUND', `the sender has no chunk ${value}`, { field: 'chunk', value });
    }
    await reader.next('chunk');
    return chunk;
  }
}
