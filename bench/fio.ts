/** fio (engine nbd) as the client: its command line, and what its JSON says. */
import { spawn } from 'node:child_process';
import { CLIENT_GRACE_MS } from './limits.ts';
import type { Workload } from './workloads.ts';

export interface ClientResult {
  readonly requests: number;
  readonly perSecond: number;
  readonly seconds: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
}

export interface ClientJob {
  readonly uri: string;
  readonly workload: Workload;
  /** For `extent: 'time'`. */
  readonly seconds: number;
  /** For `extent: 'once'`: the area from the start of the disk. */
  readonly areaBytes: number;
  /** Order of the random blocks. */
  readonly seed: number;
}

export function fioArguments({ uri, workload, seconds, areaBytes, seed }: ClientJob): string[] {
  const shared = [
    `--name=${workload.id}`,
    '--ioengine=nbd',
    `--uri=${uri}`,
    '--thread',
    `--rw=${workload.pattern}`,
    `--bs=${workload.blockBytes}`,
    `--iodepth=${workload.queueDepth}`,
    `--randseed=${seed}`,
    '--randrepeat=0',
    '--output-format=json',
  ];
  if (workload.extent === 'once') return [...shared, `--size=${areaBytes}`];
  return [...shared, '--time_based', `--runtime=${seconds}`, '--norandommap'];
}

interface Side {
  readonly total_ios: number;
  readonly iops: number;
  readonly runtime: number;
  readonly clat_ns: { readonly percentile?: Readonly<Record<string, number>> };
}

interface FioOutput {
  readonly jobs: readonly {
    readonly error: number;
    readonly read: Side;
    readonly write: Side;
  }[];
}

/**
 * @param text fio's standard output; lines before the JSON are notes of its engine
 * @throws Error when the job failed, or ended without a request: fio counts a dropped connection as a
 *   run with no data
 */
export function parseFioOutput(text: string, pattern: Workload['pattern']): ClientResult {
  const start = text.indexOf('{');
  if (start < 0) throw new Error(`fio said: ${text.slice(0, 500)}`);
  const job = (JSON.parse(text.slice(start)) as FioOutput).jobs[0];
  if (job === undefined) throw new Error('fio ran no job');
  if (job.error !== 0) throw new Error(`fio ended with error ${job.error}`);
  const side = pattern === 'randwrite' ? job.write : job.read;
  if (side.total_ios === 0) throw new Error('fio completed no request');
  const percentile = (name: string): number =>
    (side.clat_ns.percentile?.[name] ?? Number.NaN) / 1e3;
  return {
    requests: side.total_ios,
    perSecond: side.iops,
    seconds: side.runtime / 1e3,
    p50Micros: percentile('50.000000'),
    p99Micros: percentile('99.000000'),
  };
}

export async function runFio(program: string, job: ClientJob): Promise<ClientResult> {
  const child = spawn(program, fioArguments(job), { stdio: ['ignore', 'pipe', 'pipe'] });
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
