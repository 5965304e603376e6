/** Counts dropped packets, so that a storm becomes one event per reason and interval. */
import { DROP_REPORT_INTERVAL_MS } from '../limits.ts';

/** Reasons come from closed unions of ours, never from the packet: the map stays small. */
export class DropCounter {
  readonly #report: (reason: string, count: number) => void;
  readonly #pending = new Map<string, { count: number; reportedAt: number }>();

  constructor(report: (reason: string, count: number) => void) {
    this.#report = report;
  }

  drop(reason: string, now: number): void {
    const entry = this.#pending.get(reason) ?? { count: 0, reportedAt: Number.NEGATIVE_INFINITY };
    entry.count += 1;
    this.#pending.set(reason, entry);
    if (now - entry.reportedAt < DROP_REPORT_INTERVAL_MS) return;
    const { count } = entry;
    entry.count = 0;
    entry.reportedAt = now;
    this.#report(reason, count);
  }
}
