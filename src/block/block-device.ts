/**
 * THE SEAM. Everything between the wire and the disk is a BlockDevice around a BlockDevice.
 *
 * Contract, proven by test/compliance/block-device.ts against every implementation:
 * - Offsets and lengths are plain numbers in bytes (safe integers). The caller has checked the
 *   range against `geometry.size` and the alignment against `geometry.minimumIo`
 *   (checked-device.ts does it once, at the top of a stack).
 * - A method returns `undefined` (or its value) when it is done, and a promise only when it waits.
 *   It throws, or rejects with, a BlockError and nothing else. A failed write, trim or zero leaves
 *   each minimumIo unit of its range either old or new.
 * - `read` fills the whole target or fails: no short reads.
 * - The callee keeps no reference to `target` or `source` after the call has settled.
 * - `write`, `zero` and `trim` that have settled are seen by every later read of every connection,
 *   and survive the death of this process when the device is persistent.
 * - `flush`: everything that settled before the call is on stable storage when it settles.
 * - Requests may run at the same time. Overlapping writes issued in order settle as if executed in
 *   that order; the order of any other overlap is open.
 * - `close` waits for what runs, is idempotent, and afterwards every call fails with ESHUTDOWN.
 */
import type { MaybePromise } from '../base/index.ts';
import type { WriteBatch } from './write-batch.ts';

export interface Geometry {
  /** Size in bytes. Fixed while the device is open. */
  readonly size: number;
  /** Smallest request and alignment in bytes: a power of two, 1 … 65536. */
  readonly minimumIo: number;
  /** Best request size in bytes: a power of two, at least 512. */
  readonly preferredIo: number;
  /** Largest payload of one read or write in bytes. */
  readonly maximumIo: number;
}

/** Asked once at open, frozen while open. Every field is required: no defaults to guess. */
export interface Capabilities {
  readonly write: boolean;
  readonly flush: boolean;
  /** `write`, `zero` and `trim` honour `fua`. */
  readonly fua: boolean;
  readonly trim: boolean;
  readonly zero: boolean;
  /** `zero` with `fast` is honoured: done fast, or refused with ENOTSUP at once. */
  readonly fastZero: boolean;
  readonly cache: boolean;
  /** `extents` knows more than "all data". */
  readonly extents: boolean;
  /** Flush and fua of one handle cover the writes made through every other handle. */
  readonly multiConn: boolean;
  readonly rotational: boolean;
}

export interface WriteOptions {
  /** Force unit access: on stable storage before the call settles. */
  readonly fua: boolean;
  /** Of a write without fua: it has settled only when the batch was committed too. */
  readonly batch?: WriteBatch;
}

export interface ZeroOptions {
  readonly fua: boolean;
  /** The range must be allocated afterwards: later writes to it cannot run out of space. */
  readonly noHole: boolean;
  /** Fail with ENOTSUP rather than be as slow as writing zeroes. */
  readonly fast: boolean;
}

export const PLAIN: WriteOptions = Object.freeze({ fua: false });
export const FUA: WriteOptions = Object.freeze({ fua: true });
export const PLAIN_ZERO: ZeroOptions = Object.freeze({ fua: false, noHole: false, fast: false });

/** `data`: may hold anything. `zero`: allocated, reads as zeroes. `hole`: unallocated, reads as zeroes. */
export type ExtentKind = 'data' | 'zero' | 'hole';

export interface Extent {
  readonly offset: number;
  readonly length: number;
  readonly kind: ExtentKind;
}

/**
 * Memory of the device lent to the caller, so that a reply can go to the socket without a copy.
 * The chunks hold the range in order and do not change until `release` (call it exactly once).
 */
export interface Loan {
  readonly chunks: readonly Buffer[];
  release(): void;
}

export interface ReadableBlockDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;

  read(target: Buffer, offset: number): MaybePromise<void>;

  /** The range as lent memory if all of it is in RAM and never changes under the loan; else undefined. */
  lend(offset: number, length: number): Loan | undefined;

  /** Brings the range into the cache. Advisory: may do nothing. */
  cache(offset: number, length: number): MaybePromise<void>;

  /**
   * Ordered, contiguous extents that start at `offset` and cover at least one byte and at most
   * `length` bytes. Neighbours differ in kind. May stop early; the caller asks again from there.
   * @param limit the most extents wanted (at least 1)
   */
  extents(offset: number, length: number, limit: number): MaybePromise<Extent[]>;

  close(): Promise<void>;
}

export interface BlockDevice extends ReadableBlockDevice {
  write(source: Buffer, offset: number, options: WriteOptions): MaybePromise<void>;
  flush(): MaybePromise<void>;
  /** Gives space back. What a trimmed range reads as is up to the device. */
  trim(offset: number, length: number, options: WriteOptions): MaybePromise<void>;
  /** The range reads as zeroes afterwards. */
  zero(offset: number, length: number, options: ZeroOptions): MaybePromise<void>;
}
