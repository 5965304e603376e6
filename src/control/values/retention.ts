/**
 * Which snapshots of a schedule have had their time. Of every hour, day, week and month that has any, the newest
 * is the one that stands for it; the newest so many of each sort stay. Hours and days are UTC's, weeks begin on
 * Monday. Whatever a rule wants stays, and the newest of all always does.
 */
import type { Keep } from '../catalog/storage/records.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** The epoch was a Thursday. */
const MONDAY_OFFSET_DAYS = 3;

interface Dated {
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

const PERIODS: Readonly<Record<Exclude<keyof Keep, 'last'>, (at: number) => number>> = {
  hourly: (at) => Math.floor(at / HOUR_MS),
  daily: (at) => Math.floor(at / DAY_MS),
  weekly: (at) => Math.floor((Math.floor(at / DAY_MS) + MONDAY_OFFSET_DAYS) / 7),
  monthly: (at) => {
    const date = new Date(at);
    return date.getUTCFullYear() * 12 + date.getUTCMonth();
  },
};

/** Those to be deleted, oldest first. Nothing asked to be kept: none, they all stay. */
export function expired<T extends Dated>(snapshots: readonly T[], keep: Keep): readonly T[] {
  const counts = Object.values(keep).filter((count) => count > 0);
  if (counts.length === 0) return [];
  const newestFirst = [...snapshots].sort(
    (a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1),
  );
  const kept = new Set<string>(newestFirst.slice(0, Math.max(1, keep.last ?? 0)).map(idOf));
  for (const [sort, periodOf] of Object.entries(PERIODS)) {
    const count = keep[sort as keyof typeof PERIODS] ?? 0;
    const periods = new Set<number>();
    for (const { id, createdAt } of newestFirst) {
      if (periods.size >= count) break;
      const period = periodOf(createdAt);
      if (periods.has(period)) continue;
      periods.add(period);
      kept.add(id);
    }
  }
  return newestFirst.filter(({ id }) => !kept.has(id)).reverse();
}

function idOf({ id }: Dated): string {
  return id;
}
