import type { RepositoryRecord, SpaceLevel } from '../catalog/storage/records.ts';
import { SPACE_HYSTERESIS_PERCENT } from '../limits.ts';
import type { RepositorySpaceNow } from '../storage-port.ts';

type Marks = Pick<RepositoryRecord, 'warningPercent' | 'criticalPercent'>;

/** Percent, with one decimal. */
export function usedPercent({ total, free }: RepositorySpaceNow): number {
  if (total <= 0) return 0;
  return Math.round((Math.max(0, total - free) / total) * 1000) / 10;
}

/**
 * How full it is to be called. A mark counts when it is reached; it is left only some percent below it, so that
 * a repository at its mark is not told of every minute.
 */
export function levelOf(before: SpaceLevel, percent: number, marks: Marks): SpaceLevel {
  const critical = marks.criticalPercent - (before === 'critical' ? SPACE_HYSTERESIS_PERCENT : 0);
  if (percent >= critical) return 'critical';
  const warning = marks.warningPercent - (before === 'normal' ? 0 : SPACE_HYSTERESIS_PERCENT);
  return percent >= warning ? 'warning' : 'normal';
}
