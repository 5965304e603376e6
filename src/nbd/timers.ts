import { realTimers, type Timers } from '../base/index.ts';

export type { Timers };

/** Milliseconds since the epoch. */
export const REAL_TIME: Timers = realTimers(() => Date.now());
