import { BLOCK_BYTES } from './limits.ts';
import { type FullReason, OverlayState, STATISTIC } from './overlay-state.ts';

export interface OverlayGauges {
  /** Bytes of blocks that are the overlay's own. */
  readonly ownedBytes: number;
  /** undefined: no quota. */
  readonly quotaBytes: number | undefined;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly readRequests: number;
  /** Writes, trims and zeroes. */
  readonly writeRequests: number;
  readonly flushes: number;
  /** Why the last write that needed space did not fit; undefined when there is room. */
  readonly full: FullReason | undefined;
  /** Milliseconds since 1970; undefined when there was no request. */
  readonly lastRequestAt: number | undefined;
  /** Freed ranges whose space the data volume could not give back. */
  readonly reclaimFailures: number;
}

/** Sums over all workers; any thread may ask at any time. */
export function readOverlayGauges(buffer: SharedArrayBuffer): OverlayGauges {
  const state = new OverlayState(buffer);
  const sums = new Array<number>(Object.keys(STATISTIC).length).fill(0);
  let lastRequestAt = 0;
  for (let worker = 0; worker < state.workers; worker++) {
    const statistics = state.statistics(worker);
    for (let each = 0; each < sums.length; each++) {
      sums[each] = (sums[each] ?? 0) + (statistics[each] ?? 0);
    }
    lastRequestAt = Math.max(lastRequestAt, statistics[STATISTIC.lastRequestAt] ?? 0);
  }
  const sum = (statistic: number): number => sums[statistic] ?? 0;
  return {
    ownedBytes: state.ownedBlocks * BLOCK_BYTES,
    quotaBytes: Number.isFinite(state.quotaBytes) ? state.quotaBytes : undefined,
    bytesRead: sum(STATISTIC.bytesRead),
    bytesWritten: sum(STATISTIC.bytesWritten),
    readRequests: sum(STATISTIC.readRequests),
    writeRequests: sum(STATISTIC.writeRequests),
    flushes: sum(STATISTIC.flushes),
    full: state.full,
    lastRequestAt: lastRequestAt === 0 ? undefined : lastRequestAt,
    reclaimFailures: sum(STATISTIC.reclaimFailures),
  };
}

/** @param bytes undefined: no quota. One below what is owned stops new blocks, not rewrites. */
export function setOverlayQuota(buffer: SharedArrayBuffer, bytes: number | undefined): void {
  const state = new OverlayState(buffer);
  state.quotaBytes = bytes ?? Number.POSITIVE_INFINITY;
  state.setFull(undefined);
}
