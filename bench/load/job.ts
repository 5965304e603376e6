/** What the load generator is told, and what it answers: JSON, for it is a process of its own. */
import { existsSync } from 'node:fs';
import type { Connections, Finished, Group, Interval, Latency, Verification } from '../result.ts';
import type { Pattern, Workload } from '../workloads.ts';

/** Files of PEM text, or a file of `identity:hexkey` lines. */
export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly psk?: string;
}

export type Shape = Pick<
  Workload,
  'pattern' | 'blockBytes' | 'queueDepth' | 'connections' | 'paced' | 'extent'
>;

export interface LoadJob {
  readonly workload: Shape;
  /** Where the disk of each machine is: an NBD URI, or `repository:local:FOLDER`. */
  readonly uris: readonly string[];
  /** For `extent: 'time'`. */
  readonly seconds: number;
  /** Where blocks are asked for; 0 bytes: from there to the end of the disk. */
  readonly areaOffset: number;
  readonly areaBytes: number;
  /** First lets go of everything in the area, where the disk can: what is written is written for the first time again. */
  readonly discard: boolean;
  /** Order of the random blocks. */
  readonly seed: number;
  /** What nobody wrote is the benchmark's own image, so reads can be checked. */
  readonly imageKnown: boolean;
  /** Reads back, when the time is over, what was written. */
  readonly readBack: boolean;
  /** The file of the recorded requests, for patterns that replay them. */
  readonly trace: string | undefined;
  /** Replays the trace again and again for `seconds`: to warm a server up. */
  readonly traceRepeats: boolean;
  /** Size of the volume that a repository target gets. */
  readonly volumeBytes: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly bytesPerSecond: number;
  readonly latency: Latency | undefined;
  readonly intervals: readonly Interval[];
  readonly groups: readonly Group[];
  readonly verified: Verification | undefined;
  readonly finished: Finished | undefined;
  /** Memory of the server is the runner's to add. */
  readonly connections: Omit<Connections, 'bytesEach'> | undefined;
}

/** Four times a second. */
export interface LoadProgress {
  readonly phase: 'connecting' | 'measuring' | 'verifying';
  readonly seconds: number;
  readonly requests: number;
  readonly bytes: number;
  /** Since the last report. */
  readonly perSecond: number;
  readonly bytesPerSecond: number;
  /** Of everything so far, in µs. */
  readonly p99: number;
  readonly verifiedBytes: number;
}

/** To the load generator. `go` answers `ready` and `measured`. */
export type ToLoad =
  | { readonly kind: 'job'; readonly job: LoadJob; readonly tls: TlsFiles }
  | { readonly kind: 'go' };

/**
 * From it. `ready`: all is connected, the measurement begins at `go`. `measured`: the measurement is
 * over; connections stand until `go`, and what follows (reading back) must not be counted.
 */
export type FromLoad =
  | { readonly kind: 'ready' }
  | { readonly kind: 'progress'; readonly progress: LoadProgress }
  | { readonly kind: 'measured' }
  | { readonly kind: 'result'; readonly result: LoadResult }
  | { readonly kind: 'error'; readonly message: string; readonly wrongData: boolean };

/** A byte was not what it must be: the run ends, for nothing a wrong server does is worth a figure. */
export class WrongDataError extends Error {
  override readonly name = 'WrongDataError';
}

export class JobError extends Error {
  override readonly name = 'JobError';
}

const MAX_BLOCK_BYTES = 32 * 2 ** 20;
const MAX_QUEUE_DEPTH = 1024;
const MAX_CONNECTIONS = 10_000;
const MAX_MACHINES = 10_000;

function whole(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new JobError(`${name} is ${value}, not a whole number from ${least} to ${most}`);
}

const NEEDS_BLOCK: Readonly<Record<Pattern, boolean>> = {
  'random-read': true,
  'sequential-read': true,
  'random-write': true,
  'sequential-write': true,
  'write-flush': true,
  mix: false,
  trace: false,
  'flood-and-trace': true,
  idle: false,
};

/** @throws JobError that names what is wrong with it and what would be right */
export function checkJob(job: LoadJob): void {
  const { workload, uris, seconds } = job;
  if (NEEDS_BLOCK[workload.pattern] === undefined) {
    throw new JobError(`there is no pattern ${workload.pattern}`);
  }
  whole('number of targets', uris.length, 1, MAX_MACHINES);
  whole('queue depth', workload.queueDepth, 1, MAX_QUEUE_DEPTH);
  whole('connections', workload.connections, 1, MAX_CONNECTIONS);
  if (NEEDS_BLOCK[workload.pattern]) {
    whole('block size', workload.blockBytes, 512, MAX_BLOCK_BYTES);
    if (workload.blockBytes % 512 !== 0) {
      throw new JobError(`block size is ${workload.blockBytes}, not a multiple of 512`);
    }
  }
  if (workload.extent === 'time' && !(seconds > 0)) {
    throw new JobError(`seconds is ${seconds}, not more than 0`);
  }
  if (workload.pattern === 'trace' || workload.pattern === 'flood-and-trace') {
    if (job.trace === undefined) throw new JobError(`${workload.pattern} needs a trace`);
    if (!existsSync(job.trace)) throw new JobError(`there is no trace ${job.trace}`);
  }
  if (workload.pattern === 'flood-and-trace' && uris.length < 2) {
    throw new JobError('flood-and-trace needs at least 2 machines: one floods, the others boot');
  }
}
