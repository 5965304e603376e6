import { isPromise } from '../../base/index.ts';
import type { AheadRead, BlockRun, SharedSource } from '../../block/index.ts';
import { aheadRuns } from './ahead-runs.ts';
import {
  AHEAD_FAST_MS,
  AHEAD_IN_FLIGHT,
  AHEAD_IN_FLIGHT_BEHIND_DEMAND,
  AHEAD_TRIAL_REQUESTS,
  MAX_AHEAD_FAILURES,
  MAX_AHEAD_UNITS,
} from './limits.ts';

export interface AheadEnd {
  /** fast: the storage answers so soon that reading ahead is of no use. */
  readonly how: 'done' | 'fast' | 'failed' | 'stopped';
  readonly requests: number;
  readonly bytes: number;
}

export interface AheadOptions {
  readonly source: SharedSource;
  /** Numbers of units, in the order in which a boot reads them. */
  readonly order: Uint32Array;
  /** Milliseconds, of any origin. */
  readonly now: () => number;
  /** Aborted: what is under way ends, nothing more begins. */
  readonly signal: AbortSignal;
}

/**
 * Reads what a boot will read, before it does, into the cache that the workers share. A few requests at a
 * time, and only one while somebody waits for a block: a demand is never queued behind what is read ahead,
 * it goes to the storage at once, or joins a request that is already under way. Never rejects.
 */
export async function readAhead(options: AheadOptions): Promise<AheadEnd> {
  return new Reading(options).run();
}

class Reading {
  readonly #options: AheadOptions;
  readonly #scratch: Buffer[] = [];
  readonly #underWay = new Set<Promise<void>>();
  #requests = 0;
  #bytes = 0;
  #totalMs = 0;
  #failures = 0;

  constructor(options: AheadOptions) {
    this.#options = options;
  }

  async run(): Promise<AheadEnd> {
    const { source, order, signal } = this.#options;
    const units = Math.ceil(source.geometry.size / source.blockBytes);
    const isWanted = (unit: number): boolean =>
      unit < units && !source.has(unit) && this.#isData(unit);
    let how: AheadEnd['how'] = 'done';
    for (const run of aheadRuns(order, isWanted)) {
      await this.#turn();
      if (signal.aborted) how = 'stopped';
      else if (this.#failures >= MAX_AHEAD_FAILURES) how = 'failed';
      else if (this.#isFast()) how = 'fast';
      if (how !== 'done') break;
      this.#begin(run);
    }
    while (this.#underWay.size > 0) await Promise.race(this.#underWay);
    return { how, requests: this.#requests, bytes: this.#bytes };
  }

  /** Settles when one more request may begin. */
  async #turn(): Promise<void> {
    const { source } = this.#options;
    for (;;) {
      const most = source.demands > 0 ? AHEAD_IN_FLIGHT_BEHIND_DEMAND : AHEAD_IN_FLIGHT;
      if (this.#underWay.size < most) return;
      await Promise.race(this.#underWay);
    }
  }

  #begin(run: BlockRun): void {
    const { source, now } = this.#options;
    const scratch =
      this.#scratch.pop() ?? Buffer.allocUnsafeSlow(MAX_AHEAD_UNITS * source.blockBytes);
    const began = now();
    const end = ({ bytes, atOnce }: AheadRead): void => {
      this.#requests += 1;
      this.#bytes += bytes;
      this.#failures = 0;
      if (!atOnce) this.#totalMs += now() - began;
    };
    const work = this.#attempt(run, scratch, end).finally(() => {
      this.#scratch.push(scratch);
      this.#underWay.delete(work);
    });
    this.#underWay.add(work);
  }

  /** Never rejects: whoever wants the blocks reads them for himself, and is told what is wrong. */
  async #attempt(run: BlockRun, scratch: Buffer, end: (read: AheadRead) => void): Promise<void> {
    try {
      const reading = this.#options.source.readAhead(run, scratch);
      if (reading !== undefined) end(isPromise(reading) ? await reading : reading);
    } catch {
      this.#failures += 1;
    }
  }

  #isFast(): boolean {
    const requests = this.#requests;
    return requests >= AHEAD_TRIAL_REQUESTS && this.#totalMs / requests < AHEAD_FAST_MS;
  }

  /** A unit that reads as zeroes costs no request, and would cost room. */
  #isData(unit: number): boolean {
    const { source } = this.#options;
    const start = unit * source.blockBytes;
    const length = Math.min(source.blockBytes, source.geometry.size - start);
    const extents = source.extents(start, length, 1);
    if (isPromise(extents)) {
      extents.catch(() => undefined);
      return true;
    }
    const [first] = extents;
    return first === undefined || first.kind === 'data' || first.length < length;
  }
}
