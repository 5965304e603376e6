/**
 * Copies a point (a snapshot) into the head of a replica.
 *
 * What may differ since the last common point is read in windows; what of it really differs is written, what
 * became zero is zeroed. From time to time there is a CHECKPOINT: the target is flushed, what it was given is read
 * back and compared, and only then the cursor is recorded. A copy that was killed goes on at the cursor; doing any
 * stretch again is harmless, since nothing depends on what the head held but where it is compared on purpose:
 * blocks that are the same in the point and in the last common point are the same in the head, whatever was
 * half done. The head becomes a point (a snapshot of it) only by the caller, when this has settled.
 *
 * The content of the point is summed up on the way (content-sum.ts).
 */
import { isPromise } from '../../base/index.ts';
import type { BlockDevice, ReadableBlockDevice } from '../../block/index.ts';
import { BlockError } from '../../errors/index.ts';
import { type ChangeSource, chunkRuns, extentsOf, wholeOf } from './chunk-runs.ts';
import { ContentSum, chunkDigest, isZero } from './content-sum.ts';
import { type CopyFigures, NO_FIGURES, type Tally } from './copy-figures.ts';
import {
  REPLICATION_CHUNK_BYTES as CHUNK,
  REPLICATION_CHECKPOINT_BYTES,
  REPLICATION_CHECKPOINT_MS,
  REPLICATION_HOLE_BYTES,
  REPLICATION_WINDOW_BYTES as WINDOW,
} from './limits.ts';
import { ReadBack, type Verification } from './read-back.ts';
import type { Throttle } from './throttle.ts';
import { readPadded, zeroAll } from './whole-io.ts';
import { WindowSlots } from './window-slots.ts';
import { writeDifferences } from './write-differences.ts';

/** Where a copy goes on. Everything before `position` is in the target, flushed, and was read back. */
export interface CopyCursor {
  /** Bytes. */
  readonly position: number;
  /** ContentSum.toText. */
  readonly sum: string;
  readonly figures: CopyFigures;
}

export interface CopyRequest {
  /** Nobody writes it. */
  readonly source: ReadableBlockDevice;
  /** At least as large. Nobody else writes it. */
  readonly target: BlockDevice;
  /** The last common point, which the target held before this copy began; undefined: it may hold anything. */
  readonly since:
    | {
        readonly base: ReadableBlockDevice;
        /** Of its content: ContentSum.toText. */
        readonly sum: string;
        /** What may differ between the two. */
        readonly changes: ChangeSource;
      }
    | undefined;
  /** Look into the target before anything is written, instead of relying on the last common point. */
  readonly compare: boolean;
  readonly verification: Verification;
  /** Of a copy of the same point since the same point into the same target; undefined: from the start. */
  readonly cursor: CopyCursor | undefined;
}

export interface CopyWork {
  readonly throttle: Throttle;
  readonly signal: AbortSignal;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Settles when the cursor is on stable storage. */
  readonly record: (cursor: CopyCursor) => void | Promise<void>;
  /** @param position bytes, of the size of the point */
  readonly progress?: (position: number, figures: CopyFigures) => void;
}

export interface CopiedPoint {
  /** The same for the same content, wherever it is. */
  readonly contentId: string;
  readonly sum: string;
  readonly figures: CopyFigures;
}

/**
 * The target holds the point, flushed.
 * @throws BlockError of a device; EINVAL: the target is smaller, the last common point is larger, or the
 *   cursor is none; EIO: it does not hold
 *   what it was given. The signal's reason.
 */
export async function copyPoint(request: CopyRequest, work: CopyWork): Promise<CopiedPoint> {
  const copy = new PointCopy(request, work);
  return await copy.run();
}

class PointCopy {
  readonly #request: CopyRequest;
  readonly #work: CopyWork;
  readonly #size: number;
  readonly #sum: ContentSum;
  readonly #tally: Tally;
  readonly #readBack: ReadBack;
  readonly #slots: WindowSlots;
  readonly #start: number;
  #sinceCheckpoint = 0;
  #checkpointAt: number;

  constructor(request: CopyRequest, work: CopyWork) {
    const { source, target, since, cursor, verification } = request;
    this.#request = request;
    this.#work = work;
    this.#size = source.geometry.size;
    if (target.geometry.size < this.#size) {
      throw invalid(`the replica has ${target.geometry.size} bytes, the point ${this.#size}`);
    }
    if (since !== undefined && since.base.geometry.size > this.#size) {
      throw invalid('the point is smaller than the one before: copy all of it');
    }
    const text = cursor?.sum ?? since?.sum;
    const sum = text === undefined ? new ContentSum() : ContentSum.parse(text);
    this.#start = cursor?.position ?? 0;
    if (sum === undefined || this.#start % CHUNK !== 0) throw invalid('this is not a cursor');
    this.#sum = sum;
    this.#tally = { ...(cursor?.figures ?? NO_FIGURES) };
    this.#readBack = new ReadBack(target, verification, work.random, this.#tally);
    this.#slots = new WindowSlots();
    this.#checkpointAt = work.now();
  }

  async run(): Promise<CopiedPoint> {
    const { target } = this.#request;
    try {
      await this.#copyChanges();
      await this.#clearBeyondTheEnd();
      await this.#slots.settle();
    } catch (error) {
      // What runs still uses its buffers.
      await this.#slots.settle().catch(() => undefined);
      throw error;
    }
    await this.#checkpoint(Math.ceil(target.geometry.size / CHUNK) * CHUNK);
    const figures = { ...this.#tally };
    return { contentId: this.#sum.contentId(this.#size), sum: this.#sum.toText(), figures };
  }

  async #copyChanges(): Promise<void> {
    const { source, since } = this.#request;
    if (this.#start >= this.#size) return;
    const changes = (since?.changes ?? wholeOf(source))(this.#start);
    for await (const run of chunkRuns(changes, this.#start, this.#size)) {
      const end = run.offset + run.length;
      if (run.kind === 'hole') {
        await this.#clearRun(run.offset, this.#chunkEnd(end));
        continue;
      }
      for (let at = run.offset; at < end; at += WINDOW) {
        const length = Math.min(WINDOW, end - at);
        await this.#slots.run((buffers) => this.#copyWindow(at, length, buffers));
        await this.#passed(at + length, length);
      }
    }
  }

  /** In the target, of the chunk in which the point ends: the rest of it is part of the chunk. */
  #chunkEnd(end: number): number {
    return Math.min(Math.ceil(end / CHUNK) * CHUNK, this.#request.target.geometry.size);
  }

  /** The target may be larger. Once it reads as zeroes there, it always does. */
  async #clearBeyondTheEnd(): Promise<void> {
    const { target, since } = this.#request;
    if (since !== undefined) return;
    const from = Math.max(this.#start, Math.ceil(this.#size / CHUNK) * CHUNK);
    await this.#clearRun(from, target.geometry.size);
  }

  async #clearRun(from: number, end: number): Promise<void> {
    for (let at = from; at < end; at += REPLICATION_HOLE_BYTES) {
      const stop = Math.min(at + REPLICATION_HOLE_BYTES, end);
      await this.#clear(at, stop);
      await this.#passed(stop, 0);
    }
  }

  async #passed(position: number, bytes: number): Promise<void> {
    const { now, progress } = this.#work;
    this.#sinceCheckpoint += bytes;
    progress?.(Math.min(position, this.#size), this.#tally);
    const isDue =
      this.#sinceCheckpoint >= REPLICATION_CHECKPOINT_BYTES ||
      now() - this.#checkpointAt >= REPLICATION_CHECKPOINT_MS ||
      this.#readBack.isFull;
    // A position inside a chunk is the end of the point: the last checkpoint is near.
    if (isDue && position % CHUNK === 0) await this.#checkpoint(position);
  }

  async #checkpoint(position: number): Promise<void> {
    const { signal, record, now, progress } = this.#work;
    await this.#slots.settle();
    const flushing = this.#request.target.flush();
    if (isPromise(flushing)) await flushing;
    await this.#readBack.check(signal);
    signal.throwIfAborted();
    await record({ position, sum: this.#sum.toText(), figures: { ...this.#tally } });
    this.#sinceCheckpoint = 0;
    this.#checkpointAt = now();
    progress?.(Math.min(position, this.#size), this.#tally);
  }

  /** @param buffers two of a window */
  async #copyWindow(
    offset: number,
    length: number,
    buffers: readonly [Buffer, Buffer],
  ): Promise<void> {
    const { source, target, since, compare } = this.#request;
    const padded = Math.ceil(length / CHUNK) * CHUNK;
    const content = buffers[0].subarray(0, padded);
    const other = buffers[1].subarray(0, padded);
    await this.#work.throttle.take(length, this.#work.signal);
    this.#tally.read += await readPadded(source, content, offset);
    if (since !== undefined) {
      await readPadded(since.base, other, offset);
      this.#each(other, offset, (chunk, piece) => this.#sum.remove(chunk, chunkDigest(piece)));
    }
    if (compare) await readPadded(target, other, offset);
    const isKnown = compare || since !== undefined;
    const writable = Math.min(padded, target.geometry.size - offset);
    await writeDifferences(
      { target, offset, content: content.subarray(0, writable) },
      isKnown ? other.subarray(0, writable) : undefined,
      this.#tally,
      this.#work.signal,
    );
    this.#each(content, offset, (chunk, piece) => {
      const digest = chunkDigest(piece);
      this.#sum.add(chunk, digest);
      this.#readBack.chunk(chunk, digest);
    });
  }

  #each(window: Buffer, offset: number, visit: (chunk: number, piece: Buffer) => void): void {
    for (let at = 0; at < window.length; at += CHUNK) {
      visit((offset + at) / CHUNK, window.subarray(at, at + CHUNK));
    }
  }

  /** The range reads as zeroes afterwards. What the target says is a hole is one already. */
  async #clear(from: number, end: number): Promise<void> {
    const { target, since } = this.#request;
    const { signal } = this.#work;
    if (since !== undefined) await this.#forget(since.base, from, end);
    for await (const extent of extentsOf(target, from, end)) {
      signal.throwIfAborted();
      if (extent.kind === 'data') await this.#clearData(extent.offset, extent.length);
    }
  }

  async #clearData(offset: number, length: number): Promise<void> {
    const { target } = this.#request;
    const { minimumIo } = target.geometry;
    const start = offset - (offset % minimumIo);
    const end = Math.ceil((offset + length) / minimumIo) * minimumIo;
    for (let at = start; at < end; at += WINDOW) {
      const piece = Math.min(WINDOW, end - at);
      await this.#slots.run(([buffer]) => this.#clearWindow(buffer.subarray(0, piece), at));
      await this.#work.throttle.take(piece, this.#work.signal);
    }
  }

  async #clearWindow(found: Buffer, offset: number): Promise<void> {
    const { target } = this.#request;
    await readPadded(target, found, offset);
    // Zeroing what is zero already may cost more than looking.
    let isDirty = false;
    for (let at = 0; at < found.length && !isDirty; at += CHUNK) {
      isDirty = !isZero(found.subarray(at, at + CHUNK));
    }
    if (!isDirty) {
      this.#tally.skipped += found.length;
      return;
    }
    await zeroAll(target, offset, found.length, this.#work.signal);
    this.#tally.zeroed += found.length;
    this.#readBack.zeroed(offset, found.length);
  }

  /** Takes what the last common point held there out of the sum. */
  async #forget(base: ReadableBlockDevice, from: number, end: number): Promise<void> {
    let next = from;
    for await (const { offset, length, kind } of extentsOf(base, from, end)) {
      if (kind !== 'data') continue;
      const start = Math.max(next, offset - (offset % CHUNK));
      const stop = Math.ceil((offset + length) / CHUNK) * CHUNK;
      for (let at = start; at < stop; at += CHUNK) {
        await this.#work.throttle.take(CHUNK, this.#work.signal);
        await this.#slots.run(async ([buffer]) => {
          const piece = buffer.subarray(0, CHUNK);
          await readPadded(base, piece, at);
          this.#sum.remove(at / CHUNK, chunkDigest(piece));
        });
      }
      next = Math.max(next, stop);
    }
  }
}

function invalid(detail: string): BlockError {
  return new BlockError('EINVAL', 'open', 0, 0, detail);
}
