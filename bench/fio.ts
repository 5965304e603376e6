/**
 * fio (engine nbd) as the second client, which nobody here wrote: its command line, and what its JSON
 * says. It checks no byte, and knows blocks only.
 */
import { spawn } from 'node:child_process';
import { CLIENT_GRACE_MS } from './limits.ts';
import type { LoadJob, LoadResult } from './load/job.ts';
import type { Latency } from './result.ts';
import type { Pattern } from './workloads.ts';

const RW: Readonly<Partial<Record<Pattern, string>>> = {
  'random-read': 'randread',
  'sequential-read': 'read',
  'random-write': 'randwrite',
  'sequential-write': 'write',
  'write-flush': 'randwrite',
};

/** @throws Error when fio cannot do it */
export function fioArguments(job: LoadJob): string[] {
  const { workload, uris, seconds, areaOffset, areaBytes, seed } = job;
  const rw = RW[workload.pattern];
  if (rw === undefined) throw new Error(`fio cannot ask for ${workload.pattern}`);
  const common = [
    '--ioengine=nbd',
    '--thread',
    `--rw=${rw}`,
    `--bs=${workload.blockBytes}`,
    `--iodepth=${workload.queueDepth}`,
    `--numjobs=${workload.connections}`,
    '--group_reporting',
    `--randseed=${seed}`,
    '--randrepeat=0',
    '--output-format=json',
    ...(areaOffset === 0 ? [] : [`--offset=${areaOffset}`]),
    ...(areaBytes === 0 ? [] : [`--size=${areaBytes}`]),
    ...(workload.pattern === 'write-flush' ? ['--fsync=1'] : []),
    ...(workload.extent === 'once'
      ? []
      : ['--time_based', `--runtime=${seconds}`, '--norandommap']),
  ];
  // What comes before the first name is said of every job.
  return [...common, ...uris.flatMap((uri, disk) => [`--name=disk${disk}`, `--uri=${uri}`])];
}

const LEAST_FLUSHED = 0.99;

interface Nanoseconds {
  readonly mean?: number;
  readonly max?: number;
  readonly percentile?: Readonly<Record<string, number>>;
}

interface Side {
  readonly total_ios: number;
  readonly io_bytes: number;
  readonly iops: number;
  readonly runtime: number;
  readonly clat_ns: Nanoseconds;
}

interface FioOutput {
  readonly jobs: readonly {
    readonly error: number;
    readonly read: Side;
    readonly write: Side;
    readonly sync: { readonly total_ios: number; readonly lat_ns: Nanoseconds };
  }[];
}

function latencyOf(nanoseconds: Nanoseconds): Latency {
  const micros = (nanos: number | undefined): number => (nanos ?? 0) / 1e3;
  const percentile = (name: string): number => micros(nanoseconds.percentile?.[name]);
  return {
    mean: micros(nanoseconds.mean),
    p50: percentile('50.000000'),
    p90: percentile('90.000000'),
    p99: percentile('99.000000'),
    p999: percentile('99.900000'),
    max: micros(nanoseconds.max),
  };
}

/**
 * Of a write and its flush fio counts the writes, and times the two apart: the latency is the flush's, which is where
 * the time goes.
 *
 * @param text fio's standard output; lines before the JSON are notes of its engine
 * @throws Error when the job failed, or ended without a request: fio counts a dropped connection as a
 *   run with no data; or when it did not flush what it wrote
 */
export function parseFioOutput(text: string, pattern: Pattern): LoadResult {
  const start = text.indexOf('{');
  if (start < 0) throw new Error(`fio said: ${text.slice(0, 500)}`);
  const job = (JSON.parse(text.slice(start)) as FioOutput).jobs[0];
  if (job === undefined) throw new Error('fio ran no job');
  if (job.error !== 0) throw new Error(`fio ended with error ${job.error}`);
  const flushes = pattern === 'write-flush';
  const side = flushes || pattern.endsWith('-write') ? job.write : job.read;
  if (side.total_ios === 0) throw new Error('fio completed no request');
  // The last ones of each job may be cut off by the end of the time.
  if (flushes && job.sync.total_ios < side.total_ios * LEAST_FLUSHED) {
    throw new Error(`fio flushed ${job.sync.total_ios} of ${side.total_ios} writes`);
  }
  // A run can be shorter than the millisecond that fio counts in.
  const seconds = Math.max(1, side.runtime) / 1e3;
  return {
    requests: side.total_ios,
    bytes: side.io_bytes,
    seconds,
    perSecond: side.total_ios / seconds,
    bytesPerSecond: side.io_bytes / seconds,
    latency: latencyOf(flushes ? job.sync.lat_ns : side.clat_ns),
    intervals: [],
    groups: [],
    verified: undefined,
    finished: undefined,
    connections: undefined,
  };
}

/** @param signal ends fio, and the job fails */
export async function runFio(
  program: string,
  job: LoadJob,
  signal?: AbortSignal,
): Promise<LoadResult> {
  const child = spawn(program, fioArguments(job), {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(signal === undefined ? {} : { signal }),
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), job.seconds * 1e3 + CLIENT_GRACE_MS);
  let output = '';
  let complaints = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    complaints += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  }).finally(() => clearTimeout(timer));
  if (code !== 0) {
    throw new Error(`fio left with ${code}: ${(complaints + output).trim().slice(0, 1000)}`);
  }
  return parseFioOutput(output, job.workload.pattern);
}
