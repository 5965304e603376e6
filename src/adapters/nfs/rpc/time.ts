import { deadline } from '../../../base/index.ts';

/** Time of a client, so that a test can own it. */
export interface Time {
  /** Milliseconds, monotonic. */
  now(): number;
  /** @returns cancels it */
  after(milliseconds: number, run: () => void): () => void;
}

export function realTime(clock: () => number): Time {
  return {
    now: clock,
    after: (milliseconds, run) => deadline(milliseconds, run).cancel,
  };
}
