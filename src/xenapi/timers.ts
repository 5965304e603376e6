import { realTimers, type Timers } from '../base/index.ts';

export type { Timers };

/** Milliseconds since the epoch. */
export const REAL_TIMERS: Timers = realTimers(() => Date.now());
