/** One measurement: one workload against one freshly started server, by one client. */
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from './clients.ts';
import { IDLE_WATCH_MS, MAX_FOREIGN_SHARE, MAX_TRIES, MIN_IDLE_SHARE } from './limits.ts';
import type { LoadJob, LoadProgress, LoadResult } from './load/job.ts';
import {
  busiestThreadMicros,
  machineTimes,
  ownCpuMicros,
  treeCpuMicros,
  treeResidentBytes,
  treeThreadMicros,
} from './procfs.ts';
import type { Cell, Connections, ServerCost } from './result.ts';

/** Whom a cell asks. */
export interface Asked {
  /** Root of the server's process tree; undefined when it is not on this machine, or not known. */
  readonly pid: number | undefined;
  /** Roots of the process trees of what was started behind it. */
  readonly originPids?: readonly number[];
  originRequests?(): Promise<number>;
}

/** Without what only the round knows. */
export type Measured = Omit<Cell, 'round' | 'target' | 'workload' | 'client'>;

async function watchIdleShare(): Promise<number> {
  const before = machineTimes();
  await sleep(IDLE_WATCH_MS);
  const after = machineTimes();
  const idle = after.idleMicros - before.idleMicros;
  const busy = after.busyMicros - before.busyMicros;
  return idle + busy === 0 ? 1 : idle / (idle + busy);
}

export interface Care {
  /** Seconds to wait for a quiet machine; 0: nor is a noisy cell measured again. */
  readonly patience: number;
  readonly signal: AbortSignal;
  onProgress(progress: LoadProgress): void;
}

/** Waits for a quiet machine as long as patience lasts; says how quiet it got. */
async function waitForIdle({ patience, signal }: Care): Promise<number> {
  const deadline = performance.now() + patience * 1e3;
  let idle = await watchIdleShare();
  while (idle < MIN_IDLE_SHARE && performance.now() < deadline) {
    signal.throwIfAborted();
    idle = await watchIdleShare();
  }
  return idle;
}

interface Reading {
  readonly at: number;
  readonly busyMicros: number;
  readonly clientMicros: number;
  readonly serverMicros: number;
  readonly originMicros: number;
  readonly threads: ReadonlyMap<string, number>;
  readonly residentBytes: number;
}

function read({ pid, originPids = [] }: Asked, client: Client): Reading {
  return {
    at: performance.now(),
    busyMicros: machineTimes().busyMicros,
    clientMicros: ownCpuMicros() + client.cpuMicros(),
    serverMicros: pid === undefined ? 0 : treeCpuMicros(pid),
    originMicros: originPids.reduce((sum, origin) => sum + treeCpuMicros(origin), 0),
    threads: pid === undefined ? new Map() : treeThreadMicros(pid),
    residentBytes: pid === undefined ? 0 : treeResidentBytes(pid),
  };
}

function costOf(before: Reading, after: Reading, requests: number): ServerCost {
  const micros = after.serverMicros - before.serverMicros;
  return {
    cpuMicrosPerRequest: micros / requests,
    cpuSeconds: micros / 1e6,
    residentBytes: after.residentBytes,
    busiestThreadSeconds: busiestThreadMicros(before.threads, after.threads) / 1e6,
  };
}

function connectionsOf(
  { connections }: LoadResult,
  before: Reading,
  after: Reading,
  known: boolean,
): Connections | undefined {
  if (connections === undefined) return undefined;
  const grown = (after.residentBytes - before.residentBytes) / connections.count;
  return { ...connections, bytesEach: known ? grown : undefined };
}

/** What all that takes part has used so far, and the whole machine, in µs. */
export type Spent = Pick<
  Reading,
  'at' | 'busyMicros' | 'clientMicros' | 'serverMicros' | 'originMicros'
>;

/** The share of a machine of so many CPUs that was busy with other things between the two. */
export function foreignShareOf(before: Spent, after: Spent, cpus: number): number {
  const ours = ({ clientMicros, serverMicros, originMicros }: Spent): number =>
    clientMicros + serverMicros + originMicros;
  const busy = after.busyMicros - before.busyMicros;
  const foreign = Math.max(0, busy - (ours(after) - ours(before)));
  const wallMicros = Math.max(1, (after.at - before.at) * 1e3);
  return Math.min(1, foreign / (wallMicros * cpus));
}

async function measureOnce(
  asked: Asked,
  client: Client,
  job: LoadJob,
  { onProgress }: Care,
): Promise<Omit<Measured, 'idleBefore' | 'noisy'>> {
  let before = read(asked, client);
  let after = before;
  const originBefore = await asked.originRequests?.();
  const result = await client.ask(job, {
    begin() {
      before = read(asked, client);
    },
    end() {
      after = read(asked, client);
    },
    progress: onProgress,
  });
  const originAfter = await asked.originRequests?.();
  const known = asked.pid !== undefined;
  return {
    ...result,
    server: known ? costOf(before, after, result.requests) : undefined,
    connections: connectionsOf(result, before, after, known),
    originRequests:
      originBefore === undefined || originAfter === undefined
        ? undefined
        : originAfter - originBefore,
    foreignShare: foreignShareOf(before, after, availableParallelism()),
  };
}

/** Measures a cell; again while the machine is busy with other things, if the workload allows. */
export async function measureCell(
  asked: Asked,
  client: Client,
  job: LoadJob,
  care: Care,
): Promise<Measured> {
  const tries = job.workload.extent === 'time' && care.patience > 0 ? MAX_TRIES : 1;
  for (let attempt = 1; ; attempt += 1) {
    const idleBefore = await waitForIdle(care);
    const measured = await measureOnce(asked, client, job, care);
    // A server that is not ours may be on this machine, and would be taken for somebody else.
    const foreign = asked.pid === undefined ? 0 : measured.foreignShare;
    const noisy = idleBefore < MIN_IDLE_SHARE || foreign > MAX_FOREIGN_SHARE;
    if (!noisy || attempt >= tries) return { ...measured, idleBefore, noisy };
  }
}
