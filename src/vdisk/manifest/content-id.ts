import { createHash } from 'node:crypto';
import { CHUNK_BYTES } from './chunk-layout.ts';
import { CONTENT_ID_BATCH } from './limits.ts';
import { HASH_BYTES } from './manifest-header.ts';

const DOMAIN = 'rootcast layer, version 1\n';
const NUMBER_BYTES = 8;
const ENTRY_BYTES = NUMBER_BYTES + HASH_BYTES;

/**
 * The name of a layer's content: SHA-256 over the domain line, disk size and chunk size (u64 each),
 * then number (u64) and SHA-256 of every chunk that is not all zeroes, in order; big-endian. The
 * same content has the same name on any machine and from any image format.
 */
export class ContentId {
  readonly #hash = createHash('sha256');
  /** Entries that are hashed together: a call for each would cost more than its bytes. */
  readonly #entries = Buffer.alloc(CONTENT_ID_BATCH * ENTRY_BYTES);
  #filled = 0;

  constructor(size: number) {
    const numbers = Buffer.alloc(2 * NUMBER_BYTES);
    writeNumber(numbers, size, 0);
    writeNumber(numbers, CHUNK_BYTES, NUMBER_BYTES);
    this.#hash.update(DOMAIN).update(numbers);
  }

  add(chunk: number, hash: Buffer): void {
    writeNumber(this.#entries, chunk, this.#filled);
    hash.copy(this.#entries, this.#filled + NUMBER_BYTES);
    this.#filled += ENTRY_BYTES;
    if (this.#filled === this.#entries.length) this.#empty();
  }

  /** Hex. Call it once, at the end. */
  finish(): string {
    this.#empty();
    return this.#hash.digest('hex');
  }

  #empty(): void {
    this.#hash.update(this.#entries.subarray(0, this.#filled));
    this.#filled = 0;
  }
}

function writeNumber(target: Buffer, value: number, at: number): void {
  target.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  target.writeUInt32BE(value % 2 ** 32, at + 4);
}
