/** From a job to the slots that do it. */
import { paceTrace, type TraceRequest, traceDiskBytes } from '../trace.ts';
import type { Pattern } from '../workloads.ts';
import { JobError, type LoadJob } from './job.ts';
import type { Machine } from './machine.ts';
import {
  type Area,
  everyPlaceOnce,
  type Places,
  Random,
  randomPlaces,
  sequentialPlaces,
  stripedPlaces,
} from './places.ts';
import type { Recorder } from './recorder.ts';
import {
  blocksScript,
  MIX_UNIT,
  mixScript,
  traceScript,
  type Until,
  writeFlushScript,
} from './scripts.ts';
import type { Slot } from './slot.ts';

const KIB = 1024;
/** What the machine that floods writes. */
const FLOOD_DEPTH = 32;
const FLOOD_BLOCK = 4 * KIB;

export interface Work {
  readonly slots: readonly Slot[];
  /** Of these the time of each to its end is told; empty where the clock ends the work. */
  readonly toTheEnd: readonly Slot[];
}

/** @throws JobError when not one block fits */
function areaOf(machine: Machine, job: LoadJob, blockBytes: number): Area {
  const rest = machine.size - job.areaOffset;
  const bytes = job.areaBytes === 0 ? rest : Math.min(rest, job.areaBytes);
  const blocks = Math.floor(bytes / blockBytes);
  if (blocks < 1) {
    throw new JobError(
      `${machine.name} has ${machine.size} bytes: no room for a block of ${blockBytes} bytes at ${job.areaOffset}`,
    );
  }
  return { offset: job.areaOffset, blocks, blockBytes };
}

function writes(pattern: Pattern): boolean {
  return pattern !== 'random-read' && pattern !== 'sequential-read' && pattern !== 'idle';
}

/** @throws JobError when the disk cannot do what the job wants */
export function checkMachine(machine: Machine, job: LoadJob, trace: readonly TraceRequest[]): void {
  const { pattern } = job.workload;
  if (writes(pattern) && !machine.canWrite) {
    throw new JobError(`${machine.name} is read-only, and ${pattern} writes`);
  }
  if (pattern === 'write-flush' && !machine.canFlush) {
    throw new JobError(`${machine.name} offers no flush, and write-flush needs it`);
  }
  const needed = traceDiskBytes(trace);
  if (machine.size < needed) {
    throw new JobError(
      `${machine.name} has ${machine.size} bytes, and the trace needs a disk of ${needed}`,
    );
  }
}

function blockPlaces(
  job: LoadJob,
  area: Area,
  random: Random,
  slots: number,
): { kind: 'read' | 'write'; places: Places } {
  const { pattern, extent } = job.workload;
  const once = extent === 'once';
  switch (pattern) {
    case 'sequential-read':
    case 'sequential-write':
      return {
        kind: pattern === 'sequential-read' ? 'read' : 'write',
        places: sequentialPlaces(area, !once),
      };
    case 'random-write':
      return {
        kind: 'write',
        places: once ? everyPlaceOnce(area, random) : stripedPlaces(area, random, slots),
      };
    case 'random-read':
    case 'write-flush':
    case 'mix':
    case 'trace':
    case 'flood-and-trace':
    case 'idle':
      return {
        kind: 'read',
        places: once ? everyPlaceOnce(area, random) : randomPlaces(area, random),
      };
  }
}

/** Slots of a pattern that knows only blocks. */
function blockSlots(
  machine: Machine,
  job: LoadJob,
  random: Random,
  until: Until,
  recorder: Recorder,
  start: number,
): Slot[] {
  const { blockBytes, queueDepth, connections, pattern } = job.workload;
  const count = queueDepth * connections;
  if (pattern === 'write-flush') {
    const places = stripedPlaces(areaOf(machine, job, blockBytes), random, count);
    return machine.slots(queueDepth, blockBytes, start, () =>
      writeFlushScript(blockBytes, places, until, recorder),
    );
  }
  if (pattern === 'mix') {
    const places = stripedPlaces(areaOf(machine, job, MIX_UNIT), random, count);
    const script = mixScript(places, random, until, recorder);
    return machine.slots(queueDepth, MIX_UNIT, start, () => script);
  }
  const { kind, places } = blockPlaces(job, areaOf(machine, job, blockBytes), random, count);
  const script = blocksScript(kind, blockBytes, places, until, recorder);
  return machine.slots(queueDepth, blockBytes, start, () => script);
}

function traceSlots(
  machines: readonly Machine[],
  job: LoadJob,
  trace: readonly TraceRequest[],
  recorder: Recorder,
  start: number,
  group: string | undefined,
): Slot[] {
  const { paced } = job.workload;
  const requests = paced ? paceTrace(trace) : trace;
  const longest = requests.reduce(
    (most, request) => Math.max(most, request.kind === 'flush' ? 0 : request.length),
    0,
  );
  const deadline = start + job.seconds * 1e3;
  const again: Until | undefined = job.traceRepeats ? (now) => now >= deadline : undefined;
  return machines.flatMap((machine) =>
    machine.slots(1, longest, start, () =>
      traceScript(requests, { paced, again, group }, recorder),
    ),
  );
}

/** Until is asked only while the others still boot. */
function floodSlots(
  machine: Machine,
  job: LoadJob,
  until: Until,
  recorder: Recorder,
  start: number,
): Slot[] {
  const area = areaOf(machine, { ...job, areaOffset: 0, areaBytes: 0 }, FLOOD_BLOCK);
  const places = stripedPlaces(area, new Random(job.seed), FLOOD_DEPTH);
  const script = blocksScript('write', FLOOD_BLOCK, places, until, recorder, 'flooding');
  return machine.slots(FLOOD_DEPTH, FLOOD_BLOCK, start, () => script);
}

/** @param isOver asked by what has no end of its own */
export function planWork(
  machines: readonly Machine[],
  job: LoadJob,
  trace: readonly TraceRequest[],
  recorder: Recorder,
  start: number,
  isOver: () => boolean,
): Work {
  const { pattern, extent } = job.workload;
  const deadline = start + job.seconds * 1e3;
  const until: Until = extent === 'time' ? (now) => now >= deadline : () => false;
  switch (pattern) {
    case 'trace': {
      const slots = traceSlots(machines, job, trace, recorder, start, undefined);
      return { slots, toTheEnd: slots };
    }
    case 'flood-and-trace': {
      const [flooding, ...booting] = machines;
      if (flooding === undefined) throw new JobError('flood-and-trace needs machines');
      const toTheEnd = traceSlots(booting, job, trace, recorder, start, 'booting');
      const flood = floodSlots(flooding, job, isOver, recorder, start);
      return { slots: [...flood, ...toTheEnd], toTheEnd };
    }
    case 'random-read':
    case 'sequential-read':
    case 'random-write':
    case 'sequential-write':
    case 'write-flush':
    case 'mix':
    case 'idle': {
      const slots = machines.flatMap((machine, index) =>
        blockSlots(machine, job, new Random(job.seed * 10_007 + index), until, recorder, start),
      );
      return { slots, toTheEnd: [] };
    }
  }
}
