/**
 * A sealed layer: bytes that never change, in a volume, of which only some chunks hold data. Absent
 * chunks read as zeroes without I/O; the others come through the shared read cache.
 */
import { Gather, type MaybePromise } from '../base/index.ts';
import {
  appendZeroes,
  CachedDevice,
  type Capabilities,
  type Extent,
  Gate,
  type Geometry,
  type Loan,
  lendZeroes,
  type ReadableBlockDevice,
  type ReadCache,
} from '../block/index.ts';
import { GatheredVolume } from './gathered-volume.ts';
import { bitmapBytes } from './manifest/index.ts';
import { PresentChunks } from './present-chunks.ts';

export interface LayerOptions {
  /** Closed with the layer. */
  readonly volume: ReadableBlockDevice;
  /** One bit for each 64 KiB chunk, lowest bit first; set = holds data. */
  readonly presentChunks: Uint8Array;
  /** Names the content: the same name must always mean the same bytes. */
  readonly layerId: string;
  readonly cache: ReadCache;
  /** Put between the cache and the volume, and closed in its place. */
  readonly below?: BelowCache | undefined;
}

/** A device around what fills the read cache. */
export type BelowCache = (source: ReadableBlockDevice) => ReadableBlockDevice;

/** @throws RangeError when the bitmap is too short for the volume. */
export function openLayer(options: LayerOptions): ReadableBlockDevice {
  const needed = bitmapBytes(options.volume.geometry.size);
  if (options.presentChunks.length < needed) {
    throw new RangeError(`layer ${options.layerId}: its bitmap needs ${needed} bytes`);
  }
  const present = new PresentChunks(options.presentChunks);
  const { volume, cache, layerId, below = (source) => source } = options;
  const { size } = volume.geometry;
  const masked = new GatheredVolume(size, [{ volume, size }], present);
  return new LayerDevice(new CachedDevice(below(masked), cache, layerId), present);
}

/** What a layer is once it is cached; also a chain of them. */
export class LayerDevice implements ReadableBlockDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;
  readonly #cached: CachedDevice;
  readonly #present: PresentChunks;
  readonly #gate = new Gate();

  constructor(cached: CachedDevice, present: PresentChunks) {
    this.#cached = cached;
    this.#present = present;
    this.geometry = cached.geometry;
    this.capabilities = Object.freeze({
      ...cached.capabilities,
      write: false,
      flush: false,
      fua: false,
      trim: false,
      zero: false,
      fastZero: false,
      extents: true,
      multiConn: true,
    });
  }

  read(target: Buffer, offset: number): MaybePromise<void> {
    this.#gate.check('read', offset, target.length);
    const end = offset + target.length;
    if (this.#present.at(offset) && this.#present.runEnd(offset, end) === end) {
      return this.#cached.read(target, offset);
    }
    const gather = new Gather();
    for (let at = offset; at < end; ) {
      const next = this.#present.runEnd(at, end);
      const piece = target.subarray(at - offset, next - offset);
      const start = at;
      if (this.#present.at(at)) gather.run(() => this.#cached.read(piece, start));
      else piece.fill(0);
      at = next;
    }
    return gather.settle();
  }

  lend(offset: number, length: number): Loan | undefined {
    this.#gate.check('read', offset, length);
    const end = offset + length;
    if (this.#present.runEnd(offset, end) < end) return this.#lendMixed(offset, end);
    if (this.#present.at(offset)) return this.#cached.lend(offset, length);
    return lendZeroes(length);
  }

  /** Only what holds data is worth cache space. */
  cache(offset: number, length: number): MaybePromise<void> {
    this.#gate.check('cache', offset, length);
    const gather = new Gather();
    const end = offset + length;
    for (let at = offset; at < end; ) {
      const next = this.#present.runEnd(at, end);
      const start = at;
      if (this.#present.at(at)) gather.run(() => this.#cached.cache(start, next - start));
      at = next;
    }
    return gather.settle();
  }

  extents(offset: number, length: number, limit: number): MaybePromise<Extent[]> {
    this.#gate.check('extents', offset, length);
    return this.#cached.extents(offset, length, limit);
  }

  close(): Promise<void> {
    return this.#gate.close(() => this.#cached.close());
  }

  /** A range of several runs: cached blocks and zeroes by turns, all of it or nothing. */
  #lendMixed(offset: number, end: number): Loan | undefined {
    const chunks: Buffer[] = [];
    const loans: Loan[] = [];
    const release = (): void => {
      for (const loan of loans.splice(0)) loan.release();
    };
    for (let at = offset; at < end; ) {
      const next = this.#present.runEnd(at, end);
      if (this.#present.at(at)) {
        const loan = this.#cached.lend(at, next - at);
        if (loan === undefined) {
          release();
          return undefined;
        }
        loans.push(loan);
        chunks.push(...loan.chunks);
      } else {
        appendZeroes(chunks, next - at);
      }
      at = next;
    }
    return { chunks, release };
  }
}
