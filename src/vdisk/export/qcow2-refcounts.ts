/**
 * Reference counts of host clusters, for an image that only grows. Pure. Source: QEMU
 * docs/interop/qcow2.rst, "Host cluster management".
 */
import { QCOW2_CLUSTER_BYTES } from './qcow2-cluster.ts';

/** refcount_order 4: a count has 16 bits. */
const COUNT_BYTES = 2;
/** Host clusters that one refcount block counts. */
const COUNTS = QCOW2_CLUSTER_BYTES / COUNT_BYTES;
/** Bytes of the file that one refcount block counts. */
export const REFCOUNT_REACH_BYTES = COUNTS * QCOW2_CLUSTER_BYTES;

const POINTER_BYTES = 8;

export class Qcow2Refcounts {
  /** Blocks in which something was counted and that are not in the file yet: two at most. */
  readonly #blocks = new Map<number, Buffer>();
  /** Where each block is, in order. */
  readonly #offsets: number[] = [];

  /** Blocks that are in the file. */
  get blocks(): number {
    return this.#offsets.length;
  }

  /** One reference more to every cluster that holds any of the bytes from `start` to `end`. */
  count(start: number, end: number): void {
    const last = Math.ceil(end / QCOW2_CLUSTER_BYTES);
    for (let at = Math.floor(start / QCOW2_CLUSTER_BYTES); at < last; at += 1) {
      const block = this.#block(Math.floor(at / COUNTS));
      const place = (at % COUNTS) * COUNT_BYTES;
      block.writeUInt16BE(block.readUInt16BE(place) + 1, place);
    }
  }

  /** The next block, which nothing is counted in any more, to be written at `offset`. */
  take(offset: number): Buffer {
    const number = this.#offsets.length;
    const block = this.#block(number);
    this.#blocks.delete(number);
    this.#offsets.push(offset);
    return block;
  }

  /** Bytes of the table that points to so many blocks: whole clusters. */
  static tableBytes(blocks: number): number {
    const bytes = blocks * POINTER_BYTES;
    return Math.ceil(bytes / QCOW2_CLUSTER_BYTES) * QCOW2_CLUSTER_BYTES;
  }

  /** When every block was taken. */
  table(): Buffer {
    const table = Buffer.alloc(Qcow2Refcounts.tableBytes(this.#offsets.length));
    for (const [index, offset] of this.#offsets.entries()) {
      table.writeBigUInt64BE(BigInt(offset), index * POINTER_BYTES);
    }
    return table;
  }

  #block(number: number): Buffer {
    const known = this.#blocks.get(number);
    if (known !== undefined) return known;
    const fresh = Buffer.alloc(QCOW2_CLUSTER_BYTES);
    this.#blocks.set(number, fresh);
    return fresh;
  }
}
