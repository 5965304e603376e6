/** One measurement: one workload against one freshly started server. */
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClientJob, runFio } from './fio.ts';
import { IDLE_WATCH_MS, MAX_FOREIGN_SHARE, MAX_TRIES, MIN_IDLE_SHARE } from './limits.ts';
import { machineTimes, ownCpuMicros, treeCpuMicros, treeResidentBytes } from './procfs.ts';
import type { WorkloadId } from './workloads.ts';

export interface Cell {
  readonly round: number;
  readonly target: string;
  readonly workload: WorkloadId;
  /** User and system time of the server's process tree, divided by the requests completed. */
  readonly cpuMicrosPerRequest: number;
  readonly requests: number;
  readonly perSecond: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
  /** Of the server's tree, after the workload. */
  readonly residentBytes: number;
  /** Share of the machine that was idle just before, 0 … 1. */
  readonly idleBefore: number;
  /** Share of the machine's time that went to neither server nor client meanwhile, 0 … 1. */
  readonly foreignShare: number;
  /** The machine was busy with other things, and stayed so: read the figures with care. */
  readonly noisy: boolean;
}

type Measured = Omit<Cell, 'round' | 'target' | 'workload' | 'idleBefore' | 'noisy'>;

async function watchIdleShare(): Promise<number> {
  const before = machineTimes();
  await sleep(IDLE_WATCH_MS);
  const after = machineTimes();
  const idle = after.idleMicros - before.idleMicros;
  const busy = after.busyMicros - before.busyMicros;
  return idle + busy === 0 ? 1 : idle / (idle + busy);
}

/** Waits for a quiet machine, so many seconds at most; says how quiet it got. */
async function waitForIdle(patience: number): Promise<number> {
  const deadline = performance.now() + patience * 1e3;
  let idle = await watchIdleShare();
  while (idle < MIN_IDLE_SHARE && performance.now() < deadline) idle = await watchIdleShare();
  return idle;
}

async function measureOnce(fio: string, pid: number, job: ClientJob): Promise<Measured> {
  const machineBefore = machineTimes();
  const serverBefore = treeCpuMicros(pid);
  const clientBefore = ownCpuMicros();
  const started = performance.now();
  const client = await runFio(fio, job);
  const wallMicros = (performance.now() - started) * 1e3;
  const serverCpu = treeCpuMicros(pid) - serverBefore;
  const busy = machineTimes().busyMicros - machineBefore.busyMicros;
  const clientCpu = ownCpuMicros() - clientBefore;
  const foreign = Math.max(0, busy - serverCpu - clientCpu);
  return {
    cpuMicrosPerRequest: serverCpu / client.requests,
    requests: client.requests,
    perSecond: client.perSecond,
    p50Micros: client.p50Micros,
    p99Micros: client.p99Micros,
    residentBytes: treeResidentBytes(pid),
    foreignShare: foreign / (wallMicros * availableParallelism()),
  };
}

/** Measures a cell; again while the machine is busy with other things, if the workload allows. */
export async function measureCell(
  fio: string,
  pid: number,
  job: ClientJob,
  patience: number,
): Promise<Omit<Cell, 'round' | 'target'>> {
  const tries = job.workload.extent === 'time' && patience > 0 ? MAX_TRIES : 1;
  for (let attempt = 1; ; attempt++) {
    const idleBefore = await waitForIdle(patience);
    const measured = await measureOnce(fio, pid, job);
    const noisy = idleBefore < MIN_IDLE_SHARE || measured.foreignShare > MAX_FOREIGN_SHARE;
    if (!noisy || attempt >= tries) {
      return { workload: job.workload.id, ...measured, idleBefore, noisy };
    }
  }
}
