import { createHash } from 'node:crypto';
import { CHUNK_BYTES } from './chunk-layout.ts';

const DOMAIN = 'rootcast layer, version 1\n';
const NUMBER_BYTES = 8;

/**
 * The name of a layer's content: SHA-256 over the domain line, disk size and chunk size (u64 each),
 * then number (u64) and SHA-256 of every chunk that is not all zeroes, in order; big-endian. The
 * same content has the same name on any machine and from any image format.
 */
export class ContentId {
  readonly #hash = createHash('sha256');
  readonly #number = Buffer.alloc(NUMBER_BYTES);

  constructor(size: number) {
    this.#hash.update(DOMAIN);
    this.#addNumber(size);
    this.#addNumber(CHUNK_BYTES);
  }

  add(chunk: number, hash: Buffer): void {
    this.#addNumber(chunk);
    this.#hash.update(hash);
  }

  /** Hex. Call it once, at the end. */
  finish(): string {
    return this.#hash.digest('hex');
  }

  #addNumber(value: number): void {
    this.#number.writeBigUInt64BE(BigInt(value));
    this.#hash.update(this.#number);
  }
}
