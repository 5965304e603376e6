import { chain, Gather, type MaybePromise } from '../base/index.ts';
import {
  appendExtent,
  type Capabilities,
  EXTENT_SCAN_BYTES,
  type Extent,
  type Geometry,
  type Loan,
  type ReadableBlockDevice,
} from '../block/index.ts';
import { BlockError } from '../errors/index.ts';
import { EXTENT_SCAN_RUNS, READ_THROUGH_BYTES } from './limits.ts';

/** Which of several volumes holds which bytes of a disk. Never changes. */
export interface SourceMap {
  /** The number of the volume that holds the byte, counted from 1; 0: none, it reads as zero. */
  sourceAt(offset: number): number;
  /** Where the run of bytes of one source that starts at `offset` ends: at most `end`. */
  runEnd(offset: number, end: number): number;
}

export interface GatheredPart {
  /** Holds its bytes at the disk's own offsets. */
  readonly volume: ReadableBlockDevice;
  /** Bytes of the volume that count: the rest of the disk reads as zeroes from it. */
  readonly size: number;
}

/**
 * Volumes read as one disk, each where the map says so: what fills the read cache. Closes them.
 * Ranges of no volume are zeroes, without I/O.
 */
export class GatheredVolume implements ReadableBlockDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;
  readonly #parts: readonly GatheredPart[];
  readonly #map: SourceMap;

  /**
   * @param size of the disk, in bytes
   * @param parts at least one
   */
  constructor(size: number, parts: readonly [GatheredPart, ...GatheredPart[]], map: SourceMap) {
    this.#parts = parts;
    this.#map = map;
    const geometries = parts.map(({ volume }) => volume.geometry);
    this.geometry = Object.freeze({
      size,
      minimumIo: Math.max(...geometries.map(({ minimumIo }) => minimumIo)),
      preferredIo: Math.max(...geometries.map(({ preferredIo }) => preferredIo)),
      maximumIo: Math.min(...geometries.map(({ maximumIo }) => maximumIo)),
    });
    this.capabilities = Object.freeze({
      ...parts[0].volume.capabilities,
      rotational: parts.some(({ volume }) => volume.capabilities.rotational),
    });
  }

  read(target: Buffer, offset: number): MaybePromise<void> {
    const gather = new Gather();
    const end = offset + target.length;
    for (let at = offset; at < end; ) {
      const source = this.#map.sourceAt(at);
      const next = source === 0 ? this.#map.runEnd(at, end) : this.#joinedEnd(source, at, end);
      const piece = target.subarray(at - offset, next - offset);
      const start = at;
      if (source === 0) piece.fill(0);
      else gather.run(() => this.#readJoined(source, piece, start));
      at = next;
    }
    return gather.settle();
  }

  /** Where the bytes of one source end, short stretches that read as zeroes between them included. */
  #joinedEnd(source: number, offset: number, end: number): number {
    let joined = this.#map.runEnd(offset, end);
    while (joined < end && this.#map.sourceAt(joined) === 0) {
      const next = this.#map.runEnd(joined, end);
      const isShort = next < end && next - joined <= READ_THROUGH_BYTES;
      if (!isShort || this.#map.sourceAt(next) !== source) break;
      joined = this.#map.runEnd(next, end);
    }
    return joined;
  }

  /** One request, also through stretches of no volume: what the volume has there is not the disk's. */
  #readJoined(source: number, target: Buffer, offset: number): MaybePromise<void> {
    const end = offset + target.length;
    const reading = this.#readPart(source, target, offset);
    if (this.#map.runEnd(offset, end) === end) return reading;
    return chain(reading, () => {
      for (let at = offset; at < end; ) {
        const next = this.#map.runEnd(at, end);
        if (this.#map.sourceAt(at) === 0) target.fill(0, at - offset, next - offset);
        at = next;
      }
    });
  }

  lend(): Loan | undefined {
    return undefined;
  }

  cache(): void {}

  extents(offset: number, length: number, limit: number): Extent[] {
    const found: Extent[] = [];
    const end = offset + Math.min(length, EXTENT_SCAN_BYTES);
    let runs = 0;
    for (let at = offset; at < end && runs < EXTENT_SCAN_RUNS; runs++) {
      const next = this.#map.runEnd(at, end);
      const kind = this.#map.sourceAt(at) === 0 ? 'hole' : 'data';
      if (!appendExtent(found, at, next - at, kind, limit)) break;
      at = next;
    }
    return found;
  }

  /** Closes all of them, also when one fails to. */
  async close(): Promise<void> {
    const results = await Promise.allSettled(this.#parts.map(({ volume }) => volume.close()));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  #readPart(source: number, target: Buffer, offset: number): MaybePromise<void> {
    const part = this.#parts[source - 1];
    if (part === undefined) {
      throw new BlockError('EIO', 'read', offset, target.length, `there is no layer ${source}`);
    }
    const held = Math.min(target.length, Math.max(0, part.size - offset));
    if (held < target.length) target.fill(0, held);
    return held > 0 ? part.volume.read(target.subarray(0, held), offset) : undefined;
  }
}
