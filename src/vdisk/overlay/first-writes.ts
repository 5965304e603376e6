/**
 * First writes of one read event (block/write-batch.ts) whose bits are changed together: one write of
 * the live map for all that one of its pages describes, instead of one each. While some wait for that,
 * the state mutex is held for them; that ends in the turn of the event loop in which it began.
 */
import { isPromise, type MaybePromise } from '../../base/index.ts';
import type { WriteBatch } from '../../block/index.ts';
import type { BlockRange, LiveMap } from './live-map.ts';
import type { OverlayState } from './overlay-state.ts';

interface Waiting {
  readonly batch: WriteBatch;
  readonly ranges: BlockRange[];
  blocks: number;
  /** What became of it, for the batch that commits later. */
  outcome: MaybePromise<void>;
}

export class FirstWrites {
  readonly #state: OverlayState;
  readonly #live: LiveMap;
  #waiting: Waiting | undefined;

  constructor(state: OverlayState, live: LiveMap) {
    this.#state = state;
    this.#live = live;
  }

  /** Who may add more; undefined while none wait. */
  get batch(): WriteBatch | undefined {
    return this.#waiting?.batch;
  }

  /** Most blocks that the overlay will own more when these are. */
  get blocks(): number {
    return this.#waiting?.blocks ?? 0;
  }

  /** Whether one of the blocks is written already and not owned yet. */
  has(from: number, to: number): boolean {
    const ranges = this.#waiting?.ranges ?? [];
    return ranges.some((range) => range.from < to && from < range.to);
  }

  /** The blocks are written, and owned after `batch.commit`. The caller held the mutex: we do now. */
  add(batch: WriteBatch, from: number, to: number): void {
    this.#waiting ??= this.#begin(batch);
    this.#waiting.ranges.push({ from, to });
    this.#waiting.blocks += to - from;
  }

  /** Changes the bits and gives the mutex back. @throws and rejects like LiveMap.markOwned */
  close(): MaybePromise<void> {
    const unlock = (): void => this.#state.stateMutex.unlock();
    let owned: MaybePromise<void>;
    try {
      owned = this.settle();
    } catch (error) {
      unlock();
      throw error;
    }
    if (isPromise(owned)) return owned.finally(unlock);
    unlock();
    return undefined;
  }

  /** Changes the bits; the mutex is the caller's now. */
  settle(): MaybePromise<void> {
    const waiting = this.#waiting;
    if (waiting === undefined) return undefined;
    this.#waiting = undefined;
    try {
      waiting.outcome = this.#live.markAllOwned(waiting.ranges);
    } catch (error) {
      waiting.outcome = failed(error);
      throw error;
    }
    return waiting.outcome;
  }

  #begin(batch: WriteBatch): Waiting {
    const waiting: Waiting = { batch, ranges: [], blocks: 0, outcome: undefined };
    batch.join(() => (this.#waiting === waiting ? this.close() : waiting.outcome));
    // Whatever the caller forgets, the mutex must not outlive the turn. One that is right has committed.
    queueMicrotask(() => {
      if (this.#waiting === waiting) this.#closeUnasked();
    });
    return waiting;
  }

  #closeUnasked(): void {
    try {
      const closed = this.close();
      if (isPromise(closed)) closed.catch(() => undefined); // `outcome` has it
    } catch {
      // `outcome` has it
    }
  }
}

function failed(error: unknown): Promise<void> {
  const rejected = Promise.reject(error);
  rejected.catch(() => undefined);
  return rejected;
}
