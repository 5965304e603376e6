/**
 * What a machine's disk must hold, block by block, without holding it: the content of a block is a known
 * function of who wrote it, when, and where it is. A block of another machine, of an older write or of
 * another place is therefore never mistaken for the right one.
 */

export const BLOCK = 4096;
const WORDS = BLOCK / 4;

/** The writer of the shared image; machines count from 1. */
export const IMAGE_WRITER = 0;

/** Fills one block; `words` is a view of exactly one block. */
function fillBlock(words: Uint32Array, writer: number, revision: number, block: number): void {
  let state = Math.imul(block + 1, 0x9e3779b1) ^ Math.imul(revision + 1, 0x85ebca6b);
  state ^= Math.imul(writer + 1, 0xc2b2ae35);
  for (let i = 0; i < WORDS; i++) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + i;
    words[i] = state;
  }
  // Readable when a test fails: who wrote this block, in which of its writes, and where.
  words[0] = writer;
  words[1] = revision;
  words[2] = block;
}

/** Blocks of the shared image that hold data; all others are holes and read as zeroes. */
export type ImageBlocks = ReadonlySet<number>;

export class DiskModel {
  readonly #writer: number;
  readonly #image: ImageBlocks;
  /** Block → revision of this machine's last write to it. */
  readonly #own = new Map<number, number>();
  readonly #scratch = Buffer.alloc(BLOCK);
  readonly #words = new Uint32Array(this.#scratch.buffer, this.#scratch.byteOffset, WORDS);

  constructor(writer: number, image: ImageBlocks) {
    this.#writer = writer;
    this.#image = image;
  }

  /** Blocks this machine has written, in ascending order. */
  writtenBlocks(): number[] {
    return [...this.#own.keys()].sort((a, b) => a - b);
  }

  /** Records a write of whole blocks and returns what is to be written. */
  write(offset: number, length: number, revision: number): Buffer {
    if (offset % BLOCK !== 0 || length % BLOCK !== 0) throw new RangeError('writes whole blocks');
    const data = Buffer.allocUnsafe(length);
    for (let at = 0; at < length; at += BLOCK) {
      const block = (offset + at) / BLOCK;
      this.#own.set(block, revision);
      this.#expect(block).copy(data, at);
    }
    return data;
  }

  /** A sentence about the first block that is not what it must be; undefined when all are right. */
  findFault(data: Buffer, offset: number): string | undefined {
    for (let at = 0; at < data.length; ) {
      const block = Math.floor((offset + at) / BLOCK);
      const start = (offset + at) % BLOCK;
      const length = Math.min(BLOCK - start, data.length - at);
      const expected = this.#expect(block);
      if (data.compare(expected, start, start + length, at, at + length) !== 0) {
        return this.#describe(block, data.subarray(at, at + length), start);
      }
      at += length;
    }
    return undefined;
  }

  /** What the block must hold; valid until the next call. */
  #expect(block: number): Buffer {
    const revision = this.#own.get(block);
    if (revision !== undefined) fillBlock(this.#words, this.#writer, revision, block);
    else if (this.#image.has(block)) fillBlock(this.#words, IMAGE_WRITER, 0, block);
    else this.#scratch.fill(0);
    return this.#scratch;
  }

  #describe(block: number, found: Buffer, start: number): string {
    const revision = this.#own.get(block);
    const image = this.#image.has(block) ? 'the image' : 'a hole of the image';
    const wanted = revision === undefined ? image : `its write ${revision}`;
    const holds =
      start === 0 && found.length >= 12
        ? `writer ${found.readUInt32LE(0)}, write ${found.readUInt32LE(4)}, block ${found.readUInt32LE(8)}`
        : found.subarray(0, 16).toString('hex');
    return `machine ${this.#writer}, block ${block}: wanted ${wanted}, found ${holds}`;
  }
}
