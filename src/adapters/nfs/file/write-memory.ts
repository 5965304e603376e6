/**
 * Memory for written data that the server may still lose: a WRITE stays here, frame and all, from when it is sent until a
 * COMMIT says that it is on stable storage. One for each share and thread; all its files together keep the bound.
 */
import { SPARE_SEGMENTS, UNCOMMITTED_BYTES, WRITE_SEGMENT_BYTES } from '../limits.ts';

export interface Segment {
  readonly buffer: Buffer;
  used: number;
  /** Writes that are in it. */
  writes: number;
  /** Something may still look at it: not to be used again. */
  spoilt: boolean;
}

export class WriteMemory {
  readonly #segmentBytes: number;
  readonly #most: number;
  readonly #spare: Segment[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #owners = new Set<() => void>();
  #current: Segment | undefined;
  #segments = 0;

  constructor(options: { readonly segmentBytes?: number; readonly bytes?: number } = {}) {
    this.#segmentBytes = options.segmentBytes ?? WRITE_SEGMENT_BYTES;
    this.#most = Math.max(2, Math.floor((options.bytes ?? UNCOMMITTED_BYTES) / this.#segmentBytes));
  }

  /** Bytes that one write may take. */
  get largest(): number {
    return this.#segmentBytes;
  }

  /** Somebody waits for room. */
  get pressed(): boolean {
    return this.#waiting.length > 0;
  }

  /** @returns a segment whose last `bytes` bytes before `used` are the caller's; undefined: wait for `room` */
  reserve(bytes: number): Segment | undefined {
    let segment = this.#current;
    if (segment === undefined || segment.used + bytes > this.#segmentBytes) {
      segment = this.#waiting.length > 0 ? undefined : this.#next();
      if (segment === undefined) return undefined;
    }
    segment.used += bytes;
    segment.writes += 1;
    return segment;
  }

  release(segment: Segment): void {
    segment.writes -= 1;
    if (segment.writes > 0) return;
    if (segment === this.#current && !segment.spoilt) {
      segment.used = 0;
      this.#wake();
      return;
    }
    if (segment === this.#current) this.#current = undefined;
    this.#segments -= 1;
    segment.used = 0;
    if (!segment.spoilt && this.#spare.length < SPARE_SEGMENTS) this.#spare.push(segment);
    this.#wake();
  }

  /** Waits until there may be room; asks everybody to commit. */
  room(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.commitAll();
    });
  }

  commitAll(): void {
    for (const commit of this.#owners) commit();
  }

  /** @param commit starts to make what it keeps stable */
  join(commit: () => void): () => void {
    this.#owners.add(commit);
    return () => this.#owners.delete(commit);
  }

  #next(): Segment | undefined {
    if (this.#segments >= this.#most) return undefined;
    const { buffer } = this.#spare.pop() ?? { buffer: Buffer.allocUnsafeSlow(this.#segmentBytes) };
    this.#segments += 1;
    this.#current = { buffer, used: 0, writes: 0, spoilt: false };
    return this.#current;
  }

  /** One at a time: each that gets no room after all waits again. */
  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
