/** One job from its connections to its result. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Finished } from '../result.ts';
import { parseTrace, type TraceRequest } from '../trace.ts';
import { DiskModel } from './disk-model.ts';
import { Histogram } from './histogram.ts';
import {
  checkJob,
  JobError,
  type LoadJob,
  type LoadProgress,
  type LoadResult,
  type TlsFiles,
} from './job.ts';
import { Machine } from './machine.ts';
import { openDisk, REPOSITORY_PREFIX } from './open-disk.ts';
import { Recorder } from './recorder.ts';
import { checkMachine, planWork, type Work } from './workload-slots.ts';

/** Connections that are opened, and machines that are read back, at a time. */
const AT_ONCE = 16;
/** A server has done what a new connection costs it after so long. */
const SETTLE_MS = 500;

/** What the parent needs to know in between; each resolves when it has what it wanted to know. */
export interface Stages {
  /** Everything is connected, nothing was asked yet. */
  ready(): Promise<void>;
  /** The measurement is over, everything is still connected. */
  measured(): Promise<void>;
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const item = items[next];
      next += 1;
      if (item !== undefined) await work(item);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

function finishedOf(seconds: readonly number[]): Finished | undefined {
  const sorted = [...seconds].sort((a, b) => a - b);
  const [first, last] = [sorted[0], sorted.at(-1)];
  const median = sorted[Math.floor((sorted.length - 1) / 2)];
  if (first === undefined || median === undefined || last === undefined) return undefined;
  return { machines: sorted.length, first, median, last };
}

function checkedBytes(machines: readonly Machine[]): number {
  return machines.reduce((sum, { model }) => sum + model.checkedBytes, 0);
}

/** Jobs one after the other; what the machines wrote is remembered from one to the next. */
export class JobRunner {
  readonly #tls: TlsFiles;
  readonly #models = new Map<string, DiskModel>();
  #machines: readonly Machine[] = [];
  #phase: LoadProgress['phase'] = 'connecting';
  #recorder = new Recorder(performance.now());
  #started = performance.now();
  #told = { at: performance.now(), requests: 0, bytes: 0 };

  constructor(tls: TlsFiles) {
    this.#tls = tls;
  }

  progress(): LoadProgress {
    const now = performance.now();
    const { requests, bytes, histogram } = this.#recorder;
    const seconds = Math.max(1e-3, (now - this.#told.at) / 1e3);
    const report = {
      phase: this.#phase,
      seconds: (now - this.#started) / 1e3,
      requests,
      bytes,
      perSecond: (requests - this.#told.requests) / seconds,
      bytesPerSecond: (bytes - this.#told.bytes) / seconds,
      p99: histogram.percentile(0.99),
      verifiedBytes: checkedBytes(this.#machines),
    };
    this.#told = { at: now, requests, bytes };
    return report;
  }

  /** @throws JobError, Fault, BlockError, or Error at the first byte that is not what it must be */
  async run(job: LoadJob, stages: Stages): Promise<LoadResult> {
    checkJob(job);
    this.#begin('connecting');
    const trace = job.trace === undefined ? [] : parseTrace(readFileSync(job.trace, 'utf8'));
    return job.workload.pattern === 'idle'
      ? this.#runIdle(job, stages)
      : this.#runRequests(job, trace, stages);
  }

  #begin(phase: LoadProgress['phase']): number {
    const now = performance.now();
    this.#phase = phase;
    this.#recorder = new Recorder(now);
    this.#started = now;
    this.#told = { at: now, requests: 0, bytes: 0 };
    return now;
  }

  #modelOf(uri: string, machine: number, imageKnown: boolean): DiskModel {
    // A repository gets a new volume, with the image's content, for every job.
    const isVolume = uri.startsWith(REPOSITORY_PREFIX);
    const kept = isVolume ? undefined : this.#models.get(uri);
    const model = kept ?? new DiskModel(machine, imageKnown || isVolume);
    this.#models.set(uri, model);
    return model;
  }

  async #runRequests(
    job: LoadJob,
    trace: readonly TraceRequest[],
    stages: Stages,
  ): Promise<LoadResult> {
    const { queueDepth } = job.workload;
    const machines: Machine[] = [];
    this.#machines = machines;
    try {
      const connections = job.workload.connections;
      await inParallel([...job.uris.entries()], async ([index, uri]) => {
        // A slot more than is in flight, so that no request waits for the client itself.
        const room = Math.max(64, queueDepth + 1);
        const disk = await openDisk(uri, this.#tls, connections, room, job.volumeBytes);
        machines[index] = new Machine(
          job.uris.length === 1 ? uri : `machine ${index} (${uri})`,
          this.#modelOf(uri, index, job.imageKnown),
          disk,
        );
      });
      for (const machine of machines) checkMachine(machine, job, trace);
      if (job.discard) {
        const { areaOffset, areaBytes } = job;
        await inParallel(machines, (machine) => machine.discard(areaOffset, areaBytes));
      }
      const checkedBefore = checkedBytes(machines);
      await stages.ready();
      const finished = await this.#measure(machines, job, trace);
      const recorder = this.#recorder;
      await stages.measured();
      this.#phase = 'verifying';
      if (job.readBack) await inParallel(machines, (machine) => machine.readBack());
      return this.#result(recorder, finished, checkedBytes(machines) - checkedBefore);
    } finally {
      await Promise.allSettled(machines.map((machine) => machine?.close()));
    }
  }

  /** @returns seconds to the end of each that has one */
  async #measure(
    machines: readonly Machine[],
    job: LoadJob,
    trace: readonly TraceRequest[],
  ): Promise<number[]> {
    const start = this.#begin('measuring');
    const recorder = this.#recorder;
    let left = Number.POSITIVE_INFINITY;
    const work: Work = planWork(machines, job, trace, recorder, start, () => left === 0);
    left = work.toTheEnd.length;
    const finished: number[] = [];
    await Promise.all(
      work.slots.map(async (slot) => {
        await slot.run();
        if (!work.toTheEnd.includes(slot)) return;
        left -= 1;
        finished.push((slot.now - start) / 1e3);
      }),
    );
    return finished;
  }

  #result(recorder: Recorder, finished: readonly number[], checked: number): LoadResult {
    const { requests, bytes, seconds } = recorder;
    if (requests === 0) throw new Error('no request was completed');
    return {
      requests,
      bytes,
      seconds,
      perSecond: requests / seconds,
      bytesPerSecond: bytes / seconds,
      latency: recorder.histogram.latency(),
      intervals: recorder.intervals(),
      groups: recorder.groups(),
      verified: checked === 0 ? undefined : { bytes: checked },
      finished: finishedOf(finished),
      connections: undefined,
    };
  }

  /** Opens connections that ask nothing; they stand until the parent has looked at the server. */
  async #runIdle(job: LoadJob, stages: Stages): Promise<LoadResult> {
    if (job.uris.some((uri) => uri.startsWith(REPOSITORY_PREFIX))) {
      throw new JobError('idle connections are those of NBD: a repository has none');
    }
    const connect = new Histogram();
    const open: { close(): Promise<void> }[] = [];
    const wanted = Array.from({ length: job.workload.connections }, (_, index) => {
      return job.uris[index % job.uris.length] ?? '';
    });
    await stages.ready();
    const start = this.#begin('measuring');
    try {
      await inParallel(wanted, async (uri) => {
        const began = performance.now();
        const disk = await openDisk(uri, this.#tls, 1, 1, job.volumeBytes);
        const now = performance.now();
        open.push(disk);
        connect.record((now - began) * 1e3);
        this.#recorder.record(began, now, 0);
      });
      const seconds = (performance.now() - start) / 1e3;
      await sleep(SETTLE_MS);
      await stages.measured();
      return {
        requests: open.length,
        bytes: 0,
        seconds,
        perSecond: open.length / seconds,
        bytesPerSecond: 0,
        latency: undefined,
        intervals: this.#recorder.intervals(),
        groups: [],
        verified: undefined,
        finished: undefined,
        connections: { count: open.length, connect: connect.latency() },
      };
    } finally {
      await Promise.allSettled(open.map((disk) => disk.close()));
    }
  }
}
