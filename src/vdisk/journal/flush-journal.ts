/**
 * Many machines that flush share one sync.
 *
 * A flush of one overlay is an fdatasync of its own volumes, 0.3 ms and more, and thirty-two of them are
 * thirty-two journal commits of the file system. Here the blocks that a flush has to make durable are
 * appended to a journal, together with those of every other overlay that flushes at the time, with one
 * write and one fdatasync for all. The blocks are in the overlays' own volumes already (a write puts
 * them into the page cache before it is acknowledged); the journal only stands in for them until they
 * are synced there too, and is read after a host died, and at no other time.
 *
 * Two segments take turns. When one is full the other must be free: every overlay with records in it
 * has been checkpointed, that is, its volumes are synced and its map says up to which record
 * (journal-mark.ts). While it is not free, flushes sync their own volumes, which is a checkpoint of
 * theirs as well: nobody waits for anybody else's. A worker has a journal of its own; records of one overlay in the
 * journals of several workers are put in order by their sequence numbers.
 *
 * A journal that fails stops, and every flush syncs its own volumes again, as without a journal.
 */
import { randomInt } from 'node:crypto';
import { forEachOf } from '../../base/index.ts';
import { type BlockDevice, PLAIN, ZEROES } from '../../block/index.ts';
import {
  encodeRecord,
  encodeSegmentHeader,
  isWritable,
  type JournalRecord,
  pageAligned,
  recordBytes,
} from './journal-format.ts';
import {
  CHECKPOINTS_AT_ONCE,
  JOURNAL_AHEAD_BYTES,
  JOURNAL_BATCH_BYTES,
  JOURNAL_FILL_BYTES,
  JOURNAL_PAGE_BYTES,
  JOURNAL_PIECE_BYTES,
  JOURNAL_SEGMENT_LEAST_BYTES,
} from './limits.ts';

/** An overlay as the journal sees it. */
export interface JournalUser {
  readonly key: string;
  /** Syncs its own volumes, after which none of its records so far is needed. */
  checkpoint(): Promise<void>;
}

export interface FlushJournalOptions {
  /** Two volumes of one size; closed with the journal. */
  readonly segments: readonly [BlockDevice, BlockDevice];
  /** Names this boot of the host. */
  readonly bootId: string;
  /** The journal stopped: flushes are slower from now on, and nothing else. */
  readonly onStopped: (error: unknown) => void;
  /** A number that no earlier use of a segment had; drawn by chance unless given. */
  readonly newEpoch?: () => number;
}

interface Segment {
  readonly device: BlockDevice;
  /** Overlays that may need a record of it. */
  readonly users: Set<JournalUser>;
  epoch: number;
  /** Bytes in use; 0: not begun. */
  used: number;
  /** Bytes from its beginning that have their space, and can be used. */
  prepared: number;
  /** While it is being freed. */
  freeing: Promise<void> | undefined;
}

interface Waiting {
  readonly user: JournalUser;
  readonly record: JournalRecord;
  readonly bytes: number;
  readonly done: (durable: boolean) => void;
}

const EPOCHS = 2 ** 47;

export class FlushJournal {
  readonly #options: FlushJournalOptions;
  readonly #segments: readonly [Segment, Segment];
  readonly #batch = Buffer.alloc(JOURNAL_BATCH_BYTES);
  #active: Segment;
  #queue: Waiting[] = [];
  #running: Promise<void> | undefined;
  #preparing: Promise<void> | undefined;
  #stopped = false;

  /** @throws RangeError for segments that are too small */
  constructor(options: FlushJournalOptions) {
    const [first, second] = options.segments;
    for (const { geometry } of options.segments) {
      if (geometry.size < JOURNAL_SEGMENT_LEAST_BYTES) {
        const least = JOURNAL_SEGMENT_LEAST_BYTES;
        throw new RangeError(`a journal segment of ${geometry.size} bytes: at least ${least}`);
      }
    }
    this.#options = options;
    this.#segments = [newSegment(first), newSegment(second)];
    this.#active = this.#segments[0];
  }

  /**
   * Makes a record durable together with others'. `record.data` must not change until it settles.
   * @returns false, at once or later, when it could not: the overlay must sync its own volumes
   */
  append(user: JournalUser, record: JournalRecord): Promise<boolean> | false {
    if (this.#stopped || !isWritable(record)) return false;
    if (this.#active.prepared === 0) {
      this.prepare();
      return false;
    }
    return new Promise((done) => {
      this.#queue.push({ user, record, bytes: recordBytes(record), done });
      this.#running ??= this.#run();
    });
  }

  /** There may be records soon. */
  prepare(): void {
    const target = preparedTarget(this.#active);
    const due = this.#segments.some(({ prepared }) => prepared < target);
    if (due && !this.#stopped) this.#preparing ??= this.#prepare(target);
  }

  /** The overlay is closed, and its records are not needed any more. */
  leave(user: JournalUser): void {
    for (const segment of this.#segments) segment.users.delete(user);
  }

  /** Waits for what runs. The users have left. */
  async close(): Promise<void> {
    this.#stopped = true;
    await this.#preparing;
    await this.#running;
    await Promise.all(this.#segments.map(({ freeing }) => freeing));
    await Promise.all(this.#segments.map(({ device }) => device.close()));
  }

  /**
   * Gives the segments their space, some of it ahead of its use: overwriting it later changes nothing but
   * data, which syncs fastest. While a segment grows, each of its syncs waits for a commit of the file system:
   * hence in a few large steps.
   */
  async #prepare(target: number): Promise<void> {
    try {
      await this.#fill(this.#active, target);
      await this.#fill(this.#other, target);
    } catch (error) {
      this.stop(error);
    }
    this.#preparing = undefined;
  }

  async #fill(segment: Segment, target: number): Promise<void> {
    const { device } = segment;
    while (segment.prepared < target) {
      const end = Math.min(target, segment.prepared + JOURNAL_FILL_BYTES);
      for (let at = segment.prepared; at < end; at += JOURNAL_PIECE_BYTES) {
        if (this.#stopped) return;
        const piece = ZEROES.subarray(0, Math.min(JOURNAL_PIECE_BYTES, end - at));
        await device.write(piece, at, PLAIN);
      }
      await device.flush();
      if (this.#stopped) return;
      segment.prepared = end;
    }
  }

  get #other(): Segment {
    const [first, second] = this.#segments;
    return this.#active === first ? second : first;
  }

  async #run(): Promise<void> {
    // Flushes that arrive in one round of the event loop share the first sync already.
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    while (this.#queue.length > 0) {
      if (!(await this.#commit())) break;
    }
    this.#running = undefined;
  }

  /** Writes and syncs as much of the queue as fits into one batch; false when the journal stopped. */
  async #commit(): Promise<boolean> {
    const next = this.#queue[0];
    if (next === undefined) return true;
    const { size } = this.#active.device.geometry;
    const turned = this.#end(next.bytes) <= size || this.#turnOver();
    this.prepare();
    if (!turned || this.#end(next.bytes) > this.#active.prepared) {
      for (const { done } of this.#queue.splice(0)) done(false);
      return !this.#stopped;
    }
    const segment = this.#active;
    let taken: Waiting[] = [];
    try {
      if (segment.used === 0) await this.#begin(segment);
      taken = this.#take(segment);
      const start = segment.used;
      const end = this.#encode(segment, taken);
      await segment.device.write(this.#batch.subarray(0, end), start, PLAIN);
      await segment.device.flush();
      segment.used = start + end;
    } catch (error) {
      for (const { done } of taken) done(false);
      this.stop(error);
      return false;
    }
    for (const { user } of taken) segment.users.add(user);
    for (const { done } of taken) done(true);
    return true;
  }

  /** Where a batch of so many bytes would end in the active segment. */
  #end(bytes: number): number {
    const { used } = this.#active;
    const header = used === 0 ? JOURNAL_PAGE_BYTES : 0;
    return used + header + pageAligned(bytes);
  }

  /** The records at the head of the queue that fit into a batch and into the segment. */
  #take(segment: Segment): Waiting[] {
    const room = Math.min(JOURNAL_BATCH_BYTES, segment.prepared - segment.used);
    let count = 0;
    for (let bytes = 0; count < this.#queue.length; count += 1) {
      bytes += this.#queue[count]?.bytes ?? 0;
      if (pageAligned(bytes) > room) break;
    }
    return this.#queue.splice(0, count);
  }

  /**
   * The header by itself, and durable: with a header of before, what was written of the first batch would look like
   * damage to what was there before it.
   */
  async #begin(segment: Segment): Promise<void> {
    const { bootId, newEpoch = drawEpoch } = this.#options;
    segment.epoch = newEpoch();
    await segment.device.write(encodeSegmentHeader({ epoch: segment.epoch, bootId }), 0, PLAIN);
    await segment.device.flush();
    segment.used = JOURNAL_PAGE_BYTES;
  }

  #encode(segment: Segment, taken: readonly Waiting[]): number {
    let at = 0;
    for (const [index, { record }] of taken.entries()) {
      const moreFollow = index < taken.length - 1;
      at = encodeRecord(this.#batch, at, segment.epoch, record, moreFollow);
    }
    const end = pageAligned(at);
    this.#batch.fill(0, at, end);
    return end;
  }

  /** Goes on in the other segment, if it is free, and frees this one meanwhile. */
  #turnOver(): boolean {
    const full = this.#active;
    const next = this.#other;
    if (next.freeing !== undefined || next.prepared === 0) return false;
    next.used = 0;
    this.#active = next;
    full.freeing = this.#checkpoint(full);
    return true;
  }

  /** A few overlays at once share commits of the file system; the journal's own syncs need threads too. */
  async #checkpoint(segment: Segment): Promise<void> {
    try {
      await forEachOf([...segment.users], CHECKPOINTS_AT_ONCE, async (user) => {
        if (segment.users.has(user)) await user.checkpoint();
        segment.users.delete(user);
      });
      segment.freeing = undefined;
    } catch (error) {
      // What it holds may be all there is of a flushed write: it must not be used again.
      this.stop(error);
    }
  }

  /** Nothing is appended any more, and what the segments hold stays. */
  stop(error: unknown): void {
    const news = !this.#stopped;
    this.#stopped = true;
    for (const { done } of this.#queue.splice(0)) done(false);
    if (news) this.#options.onStopped(error);
  }
}

/** Twice as much, for both segments, each time when half of what the one in use has is used. */
function preparedTarget({ device, prepared, used }: Segment): number {
  const wanted = used * 2 < prepared ? prepared : prepared * 2;
  return Math.min(device.geometry.size, Math.max(JOURNAL_AHEAD_BYTES, wanted));
}

function drawEpoch(): number {
  return randomInt(1, EPOCHS);
}

function newSegment(device: BlockDevice): Segment {
  return { device, users: new Set(), epoch: 0, used: 0, prepared: 0, freeing: undefined };
}
