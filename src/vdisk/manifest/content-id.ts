import { createHash } from 'node:crypto';
import { CHUNK_BYTES } from './chunk-layout.ts';

const DOMAIN = 'rootcast layer, version 1\n';
const NUMBER_BYTES = 8;
const ENTRY_BYTES = NUMBER_BYTES + 32;
/** Entries hashed at once: a call for each costs ten times the hashing. */
const ENTRIES_HELD = 100;

/**
 * The name of a layer's content: SHA-256 over the domain line, disk size and chunk size (u64 each),
 * then number (u64) and SHA-256 of every chunk that is not all zeroes, in order; big-endian. The
 * same content has the same name on any machine and from any image format.
 */
export class ContentId {
  readonly #hash = createHash('sha256');
  readonly #held = Buffer.alloc(ENTRIES_HELD * ENTRY_BYTES);
  #heldBytes = 0;

  constructor(size: number) {
    this.#hash.update(DOMAIN);
    this.#addNumber(size);
    this.#addNumber(CHUNK_BYTES);
  }

  add(chunk: number, hash: Buffer): void {
    if (this.#heldBytes + ENTRY_BYTES > this.#held.length) this.#hashHeld();
    this.#addNumber(chunk);
    this.#heldBytes += hash.copy(this.#held, this.#heldBytes);
  }

  /** Hex. Call it once, at the end. */
  finish(): string {
    this.#hashHeld();
    return this.#hash.digest('hex');
  }

  #addNumber(value: number): void {
    this.#held.writeUInt32BE(Math.floor(value / 2 ** 32), this.#heldBytes);
    this.#held.writeUInt32BE(value % 2 ** 32, this.#heldBytes + 4);
    this.#heldBytes += NUMBER_BYTES;
  }

  #hashHeld(): void {
    this.#hash.update(this.#held.subarray(0, this.#heldBytes));
    this.#heldBytes = 0;
  }
}
