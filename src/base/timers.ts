import { deadline } from './deadline.ts';

/** Time as a server or client sees it, so that a test can own it. */
export interface Timers {
  /** Milliseconds; since when is the owner's to say. */
  now(): number;
  /** Calls `action` after `ms` (deadline.ts); the function returned cancels it. Does not keep the process alive. */
  after(ms: number, action: () => void): () => void;
}

export function realTimers(now: () => number): Timers {
  return {
    now,
    after(ms, action) {
      const { timer, cancel } = deadline(ms, action);
      timer.unref();
      return cancel;
    },
  };
}
