import type { Access } from '../workloads.ts';

/** What a round gives every server to serve. */
export interface Stage {
  /** The shared image: a raw file, warm in the page cache. No target may write to it. */
  readonly image: string;
  /** An empty folder of this start's own. */
  readonly scratch: string;
  /** How the exports will be used, and how many of them there must be. */
  readonly access: Access;
  readonly machines: number;
}

export interface RunningTarget {
  /** The root of the process tree whose CPU time is the server's. */
  readonly pid: number;
  /**
   * Roots of the process trees of what was started behind it: their CPU time is not the server's, and nobody else's
   * either.
   */
  readonly originPids?: readonly number[];
  /** Where export number `machine` (0 …) is; for access `image` there is one. */
  uri(machine: number): string;
  /** Requests that the slow origin behind the server has had so far, where there is one. */
  originRequests?(): Promise<number>;
  stop(): Promise<void>;
}

/** A server that can be measured. Each start is a fresh process with fresh overlays. */
export interface Target {
  readonly id: string;
  readonly title: string;
  /** Which workloads it takes part in. */
  readonly accesses: readonly Access[];
  /** What is missing to run it; undefined when it can run. */
  readonly missing: string | undefined;
  version(): string;
  start(stage: Stage): Promise<RunningTarget>;
}
