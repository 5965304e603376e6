/** Which blocks of a disk are meant: a bit for each. */
export class BlockSet {
  /** Bytes of a block: a power of two. */
  readonly blockBytes: number;
  readonly count: number;
  readonly #size: number;
  readonly #bits: Uint8Array;

  /** @param size of the disk in bytes */
  constructor(size: number, blockBytes: number) {
    this.#size = size;
    this.blockBytes = blockBytes;
    this.count = Math.ceil(size / blockBytes);
    this.#bits = new Uint8Array(Math.ceil(this.count / 8));
  }

  /** Of the same disk and the same blocks, and empty. */
  none(): BlockSet {
    return new BlockSet(this.#size, this.blockBytes);
  }

  has(block: number): boolean {
    return (((this.#bits[block >>> 3] ?? 0) >>> (block & 7)) & 1) === 1;
  }

  add(block: number): void {
    this.#bits[block >>> 3] = (this.#bits[block >>> 3] ?? 0) | (1 << (block & 7));
  }

  delete(block: number): void {
    this.#bits[block >>> 3] = (this.#bits[block >>> 3] ?? 0) & ~(1 << (block & 7));
  }

  /** Every block that holds any of the bytes; what lies behind the disk does not matter. */
  addRange(offset: number, length: number): void {
    if (length <= 0) return;
    const last = Math.min(this.count, Math.ceil((offset + length) / this.blockBytes));
    let block = Math.floor(offset / this.blockBytes);
    while (block < last) {
      if (block % 8 === 0 && last - block >= 8) {
        this.#bits[block / 8] = 0xff;
        block += 8;
      } else {
        this.add(block);
        block += 1;
      }
    }
  }

  /** How many of the blocks from `first` up to `end` are meant. */
  countIn(first: number, end: number): number {
    let found = 0;
    for (let block = this.next(first, end); block < end; block = this.next(block + 1, end)) {
      found += 1;
    }
    return found;
  }

  /** The first that is meant from `first` on; `end` when there is none before it. */
  next(first: number, end: number = this.count): number {
    let block = first;
    while (block < end) {
      if (block % 8 === 0 && this.#bits[block / 8] === 0) block += 8;
      else if (this.has(block)) return block;
      else block += 1;
    }
    return end;
  }
}
