/**
 * What a point holds, as a number that can be kept up to date by differences: the sum, over its chunks that are
 * not all zeroes, of a long hash of the chunk's place and content. A chunk that changes is taken out as it was and
 * put in as it is; so a point has a content id after reading what changed, and the id is the same as of reading
 * all of it, on any storage, whatever holes it has.
 *
 * LtHash (D. Lewi et al., "Securing Update Propagation with Homomorphic Hashing", IACR 2019/227): 1024 lanes of 16
 * bits added without carry between them. Expanded by SHAKE256 from the place and the SHA-256 of the chunk.
 */
import { createHash } from 'node:crypto';
import { REPLICATION_CHUNK_BYTES } from './limits.ts';

const LANES = 1024;
const BYTES = LANES * 2;
const DOMAIN = Buffer.from('rootcast-point-1\0', 'latin1');

/** Of the zero-padded chunk; undefined: it is all zeroes. */
export type ChunkDigest = Buffer | undefined;

export class ContentSum {
  readonly #lanes: Uint16Array = new Uint16Array(LANES);

  /** @param text of `toText`; undefined when it is not one */
  static parse(text: string): ContentSum | undefined {
    const bytes = Buffer.from(text, 'base64');
    if (bytes.length !== BYTES) return undefined;
    const sum = new ContentSum();
    for (let lane = 0; lane < LANES; lane++) sum.#lanes[lane] = bytes.readUInt16LE(lane * 2);
    return sum;
  }

  /** @param chunk its number: offset / REPLICATION_CHUNK_BYTES */
  add(chunk: number, digest: ChunkDigest): void {
    if (digest === undefined) return;
    const term = expand(chunk, digest);
    for (let lane = 0; lane < LANES; lane++) {
      this.#lanes[lane] = (this.#lanes[lane] ?? 0) + term.readUInt16LE(lane * 2);
    }
  }

  remove(chunk: number, digest: ChunkDigest): void {
    if (digest === undefined) return;
    const term = expand(chunk, digest);
    for (let lane = 0; lane < LANES; lane++) {
      this.#lanes[lane] = (this.#lanes[lane] ?? 0) - term.readUInt16LE(lane * 2);
    }
  }

  /** Base64 of 2048 bytes. */
  toText(): string {
    return this.#bytes().toString('base64');
  }

  /** @param size of the point in bytes @returns SHA-256 in hex */
  contentId(size: number): string {
    const head = Buffer.alloc(16);
    head.writeBigUInt64LE(BigInt(size), 0);
    head.writeBigUInt64LE(BigInt(REPLICATION_CHUNK_BYTES), 8);
    return createHash('sha256').update(DOMAIN).update(head).update(this.#bytes()).digest('hex');
  }

  #bytes(): Buffer {
    const bytes = Buffer.alloc(BYTES);
    for (const [lane, value] of this.#lanes.entries()) bytes.writeUInt16LE(value, lane * 2);
    return bytes;
  }
}

/** @param chunk REPLICATION_CHUNK_BYTES long; one that ends with the point is padded with zeroes */
export function chunkDigest(chunk: Buffer): ChunkDigest {
  return isZero(chunk) ? undefined : createHash('sha256').update(chunk).digest();
}

const ZERO_CHUNK = Buffer.alloc(REPLICATION_CHUNK_BYTES);

export function isZero(bytes: Buffer): boolean {
  return bytes.compare(ZERO_CHUNK, 0, bytes.length) === 0;
}

function expand(chunk: number, digest: Buffer): Buffer {
  const place = Buffer.alloc(8);
  place.writeBigUInt64LE(BigInt(chunk), 0);
  return createHash('shake256', { outputLength: BYTES })
    .update(DOMAIN)
    .update(place)
    .update(digest)
    .digest();
}
