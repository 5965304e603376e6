import { realTimers, type Timers } from '../../base/index.ts';

export type { Timers };

/** Milliseconds, monotonic. */
export const REAL_TIME: Timers = realTimers(() => performance.now());
