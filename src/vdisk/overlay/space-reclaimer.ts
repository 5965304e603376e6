/**
 * Gives the space of freed blocks back to the data volume, after the trim or zero that freed them has
 * settled: punching a hole takes milliseconds, changing bits microseconds.
 *
 * Between the two somebody may write to such a block again. So, for each freed range: under the state
 * mutex look which blocks are still not owned and announce them in the shared state; trim them;
 * withdraw the announcement. A writer who is about to own an announced block waits for that.
 */
import type { BlockDevice } from '../../block/index.ts';
import { PLAIN } from '../../block/index.ts';
import { BLOCK_BYTES, RECLAIMS_WAITING } from './limits.ts';
import type { BlockRange } from './live-map.ts';
import { type OverlayState, STATISTIC } from './overlay-state.ts';

export class SpaceReclaimer {
  readonly #state: OverlayState;
  readonly #data: BlockDevice;
  readonly #statistics: Float64Array;
  /** Freed and not looked at yet; neighbours merged. */
  #waiting: BlockRange[] = [];
  #running: Promise<void> | undefined;

  constructor(state: OverlayState, data: BlockDevice, statistics: Float64Array) {
    this.#state = state;
    this.#data = data;
    this.#statistics = statistics;
  }

  /** @returns a promise only when so much waits already that the caller should too. */
  add(freed: readonly BlockRange[]): Promise<void> | undefined {
    if (!this.#data.capabilities.trim) return undefined;
    for (const { from, to } of freed) this.#merge(from, to);
    if (this.#waiting.length === 0) return undefined;
    this.#running ??= this.#run();
    return this.#waiting.length > RECLAIMS_WAITING ? this.#running : undefined;
  }

  /** Settles when nothing waits any more. */
  async drain(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  #merge(from: number, to: number): void {
    const last = this.#waiting.at(-1);
    if (last !== undefined && last.to >= from && last.from <= to) {
      last.from = Math.min(last.from, from);
      last.to = Math.max(last.to, to);
    } else {
      this.#waiting.push({ from, to });
    }
  }

  async #run(): Promise<void> {
    // The turn of the event loop in which the first range came may bring its neighbours.
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      for (const range of batch) await this.#reclaim(range);
    }
    this.#running = undefined;
  }

  async #reclaim(range: BlockRange): Promise<void> {
    for (let at = range.from; at < range.to; ) at = await this.#reclaimRun(at, range.to);
  }

  /** Trims the first run of blocks in [from, to) that nobody owns. @returns where it ends. */
  async #reclaimRun(from: number, to: number): Promise<number> {
    const { stateMutex, owned } = this.#state;
    await stateMutex.lock();
    const start = owned.nextClear(from, to);
    const end = owned.nextSet(start, to);
    const epoch = this.#state.reclaimEpoch;
    const slot = start < end ? this.#state.startReclaim(start, end) : 0;
    stateMutex.unlock();
    if (start === end) return to;
    if (slot < 0) {
      await this.#state.reclaimed(epoch);
      return from;
    }
    const offset = start * BLOCK_BYTES;
    try {
      await this.#data.trim(offset, Math.min(this.#state.size, end * BLOCK_BYTES) - offset, PLAIN);
    } catch {
      // The space stays taken; the data volume itself reports a failing disk to reads and writes.
      const failures = this.#statistics[STATISTIC.reclaimFailures] ?? 0;
      this.#statistics[STATISTIC.reclaimFailures] = failures + 1;
    }
    await stateMutex.lock();
    this.#state.endReclaim(slot);
    stateMutex.unlock();
    return end;
  }
}
