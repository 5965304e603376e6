/**
 * What happens by itself, about once a second. Every observer is looked after for itself: one that fails, each second
 * perhaps, keeps no other from its turn, and none of them from being closed.
 */
import { OBSERVER_TOLD_EVERY_MS } from './limits.ts';
import type { Log } from './log.ts';

/** Milliseconds between two ticks. */
export const TICK_MS = 1000;

export interface Observer {
  /** Of what, for the log. */
  readonly name: string;
  /** Begins what is to be done, and returns at once; what it began tells its failures itself. */
  readonly observe: (now: number) => void;
  /** Settles when nothing that it began is under way. */
  readonly close?: () => Promise<void>;
}

export type TellFailure = (name: string, error: unknown) => void;

export class Ticker {
  readonly #observers: readonly Observer[];
  readonly #failed: TellFailure;

  constructor(observers: readonly Observer[], failed: TellFailure) {
    this.#observers = observers;
    this.#failed = failed;
  }

  /** Never throws. */
  tick(now: number): void {
    for (const { name, observe } of this.#observers) {
      try {
        observe(now);
      } catch (error) {
        this.#failed(name, error);
      }
    }
  }

  /** After the last tick; in the order of the observers. Never throws. */
  async close(): Promise<void> {
    for (const { name, close } of this.#observers) {
      try {
        await close?.();
      } catch (error) {
        this.#failed(name, error);
      }
    }
  }
}

/** Tells the log of failures, the same one sparingly. @param now milliseconds */
export function tellLog(log: Pick<Log, 'error'>, now: () => number): TellFailure {
  return sparingly((name, err) => log.error({ err }, `observing ${name}`), now);
}

/** Tells the same failure again only when it has gone on for a while. */
export function sparingly(tell: TellFailure, now: () => number): TellFailure {
  const toldAt = new Map<string, number>();
  return (name, error) => {
    for (const [what, at] of toldAt) {
      if (now() - at >= OBSERVER_TOLD_EVERY_MS) toldAt.delete(what);
    }
    const what = `${name}: ${error}`;
    if (toldAt.has(what)) return;
    toldAt.set(what, now());
    tell(name, error);
  };
}
