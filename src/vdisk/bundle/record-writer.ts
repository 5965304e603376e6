import { createHash } from 'node:crypto';
import {
  encodePreamble,
  encodeRecord,
  PREAMBLE_BYTES,
  type RecordKind,
  type StreamMagic,
} from './bundle-record.ts';
import { encodeEnd, type StreamCounts } from './end-record.ts';

/** Makes the records of one stream, and knows its end: hash and length of everything given out. */
export class RecordWriter {
  readonly preamble: Buffer;
  readonly #hash = createHash('sha256');
  #bytes = PREAMBLE_BYTES;

  constructor(magic: StreamMagic) {
    this.preamble = encodePreamble(magic);
    this.#hash.update(this.preamble);
  }

  record(kind: Exclude<RecordKind, 'end'>, parts: readonly Buffer[]): Buffer {
    const record = encodeRecord(kind, parts);
    this.#hash.update(record);
    this.#bytes += record.length;
    return record;
  }

  /** The last record. */
  end(counts: StreamCounts): Buffer {
    const end = encodeEnd({ ...counts, bytes: this.#bytes, hash: this.#hash.digest() });
    return encodeRecord('end', [end]);
  }
}
