import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { Fault } from '../../errors/index.ts';
import { CHANGE_BLOCK_BYTES } from '../limits.ts';

/** Which blocks of a disk have changed: one bit for each CHANGE_BLOCK_BYTES, the lowest of a byte first. */
export class ChangedBlocks {
  /** Of the disk, in bytes. */
  readonly size: number;
  /** Bits beyond the last block are 0. */
  readonly bits: Uint8Array;

  /** @param size bytes @param bits not copied; none: nothing has changed */
  constructor(size: number, bits: Uint8Array = new Uint8Array(bytesFor(size))) {
    this.size = size;
    this.bits = bits;
  }

  /** A range of bytes has changed: every block that it touches. What lies beyond the end is nothing. */
  add(offset: number, length: number): void {
    const end = Math.min(this.size, offset + length);
    if (end <= offset) return;
    const last = Math.ceil(end / CHANGE_BLOCK_BYTES);
    const { bits } = this;
    for (let block = Math.floor(offset / CHANGE_BLOCK_BYTES); block < last; ) {
      if (block % 8 === 0 && last - block >= 8) {
        const whole = Math.floor((last - block) / 8);
        bits.fill(0xff, block / 8, block / 8 + whole);
        block += whole * 8;
        continue;
      }
      const at = Math.floor(block / 8);
      bits[at] = (bits[at] ?? 0) | (1 << (block % 8));
      block += 1;
    }
  }

  /** What has changed in an earlier step, too. The disk may have grown since: what it grew by was not there. */
  include(earlier: ChangedBlocks): void {
    const { bits } = this;
    const length = Math.min(bits.length, earlier.bits.length);
    for (let at = 0; at < length; at++) bits[at] = (bits[at] ?? 0) | (earlier.bits[at] ?? 0);
  }

  has(block: number): boolean {
    return (((this.bits[Math.floor(block / 8)] ?? 0) >>> (block % 8)) & 1) === 1;
  }

  /** As it is kept. */
  packed(): Uint8Array {
    return zstdCompressSync(this.bits);
  }

  /** @throws Fault INTERNAL for what was not packed of a disk of this size */
  static unpacked({
    size,
    bits,
  }: {
    readonly size: number;
    readonly bits: Uint8Array;
  }): ChangedBlocks {
    const length = bytesFor(size);
    let found: Buffer;
    try {
      found = zstdDecompressSync(bits, { maxOutputLength: Math.max(1, length) });
    } catch (cause) {
      throw damaged(size, cause);
    }
    if (found.length !== length) throw damaged(size, undefined);
    return new ChangedBlocks(size, found);
  }
}

function bytesFor(size: number): number {
  return Math.ceil(Math.ceil(size / CHANGE_BLOCK_BYTES) / 8);
}

function damaged(size: number, cause: unknown): Fault {
  const details = { field: 'change_logs.bits', value: size };
  return new Fault('INTERNAL', 'a log of changed blocks in the catalog is damaged', details, {
    cause,
  });
}
