import { deadline } from '../../base/index.ts';

/** Time as the initiator sees it, so that a test can own it. */
export interface Timers {
  /** Milliseconds, monotonic. */
  now(): number;
  /** Calls `action` after `ms`; the function returned cancels it. Does not keep the process alive. */
  after(ms: number, action: () => void): () => void;
}

export const REAL_TIME: Timers = {
  now: () => performance.now(),
  after(ms, action) {
    const { timer, cancel } = deadline(ms, action);
    timer.unref();
    return cancel;
  },
};
