import { deadline } from '../base/index.ts';

/** Time as XenAPI sees it, so that a test can own it. */
export interface Timers {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls `action` after `ms`; the function returned cancels it. Does not keep the process alive. */
  after(ms: number, action: () => void): () => void;
}

export const REAL_TIMERS: Timers = {
  now: () => Date.now(),
  after(ms, action) {
    const { timer, cancel } = deadline(ms, action);
    timer.unref();
    return cancel;
  },
};
