/**
 * What a run of the benchmark says: the one type that runner, reports, comparison and tests share, and
 * what `--json` writes. Times in µs, sizes in bytes, shares 0 … 1, unless a name says otherwise.
 */
import type { Conditions } from './conditions.ts';
import type { WorkloadId } from './workloads.ts';

/** Version of the JSON document; a reader refuses another one. */
export const RESULT_FORMAT = 2;

/** Who asked: our own load generator, or fio's nbd engine, which nobody here wrote. */
export type ClientKind = 'rootcast' | 'fio';

export interface Latency {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** A stretch of the measured time. */
export interface Interval {
  /** Where it begins, in seconds from the start of the measurement. */
  readonly at: number;
  readonly seconds: number;
  readonly requests: number;
  readonly bytes: number;
  readonly p50: number;
  readonly p99: number;
}

/** What the requests of one kind, or of one group of machines, saw. */
export interface Group {
  /** `read`, `write`, `flush`; or a group of machines such as `booting`, `flooding`. */
  readonly name: string;
  readonly requests: number;
  readonly bytes: number;
  readonly latency: Latency;
}

/** How many bytes were compared with what they must be; a difference ends the run with an error. */
export interface Verification {
  readonly bytes: number;
}

/** Of many machines that work to an end: when the first, the median and the last was done, in seconds. */
export interface Finished {
  readonly machines: number;
  readonly first: number;
  readonly median: number;
  readonly last: number;
}

/** Of connections that only stand there. */
export interface Connections {
  readonly count: number;
  /** Resident memory that one more connection cost the server; undefined when its process is not ours. */
  readonly bytesEach: number | undefined;
  /** From connect to the end of the handshake. */
  readonly connect: Latency;
}

/** The server's side; there is none for a server whose process is not on this machine. */
export interface ServerCost {
  /** User and system time of the process tree, divided by the requests completed. */
  readonly cpuMicrosPerRequest: number;
  readonly cpuSeconds: number;
  /** Of the tree, after the workload. */
  readonly residentBytes: number;
  /** CPU seconds of the busiest single thread: with several workers, what limits throughput. */
  readonly busiestThreadSeconds: number;
}

/** One measurement: one workload against one freshly started server, by one client. */
export interface Cell {
  readonly round: number;
  /** Id of the target; `titles` of the result has its name. */
  readonly target: string;
  readonly workload: WorkloadId;
  readonly client: ClientKind;
  readonly requests: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly bytesPerSecond: number;
  /** Undefined where nothing was requested (idle connections). */
  readonly latency: Latency | undefined;
  /** Empty for fio. */
  readonly intervals: readonly Interval[];
  /** Empty where all requests were alike. */
  readonly groups: readonly Group[];
  readonly server: ServerCost | undefined;
  readonly verified: Verification | undefined;
  readonly finished: Finished | undefined;
  readonly connections: Connections | undefined;
  /** Requests that a slow origin got, where the workload has one. */
  readonly originRequests: number | undefined;
  /** Share of the machine that was idle just before. */
  readonly idleBefore: number;
  /** Share of the machine's time that went to neither server nor client meanwhile. */
  readonly foreignShare: number;
  /** The machine was busy with other things, and stayed so: read the figures with care. */
  readonly noisy: boolean;
}

/** What a bar compares: `statistic` of `target` over that of `peer`, medians over the rounds. */
export interface Verdict {
  readonly workload: WorkloadId;
  readonly client: ClientKind;
  /** In words, for the reader: `CPU per request`, `p99`, `flushed writes per second` … */
  readonly statistic: string;
  readonly target: string;
  /** Undefined: the bar is an absolute figure. */
  readonly peer: string | undefined;
  readonly atMost: number | undefined;
  readonly atLeast: number | undefined;
  /** Of the ratio, or of the absolute figure: `×`, `KiB`, `s` … */
  readonly unit: string;
  /** Undefined when one of the two was not measured. */
  readonly value: number | undefined;
  /** Undefined when `value` is. */
  readonly holds: boolean | undefined;
}

export interface Result {
  readonly format: typeof RESULT_FORMAT;
  readonly conditions: Conditions;
  /** Names of the targets and workloads, in the order in which to show them. */
  readonly targets: readonly { readonly id: string; readonly title: string }[];
  readonly workloads: readonly { readonly id: WorkloadId; readonly title: string }[];
  readonly cells: readonly Cell[];
  readonly verdicts: readonly Verdict[];
}
