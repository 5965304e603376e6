/**
 * What a server is asked before it is measured, discarded, and the same for every server: it fills the page
 * cache and the server's own, and lets a compiler that learns while a program runs (in Node.js, both ends
 * of our cells) come to rest. A storage server runs for months; its first seconds say nothing.
 *
 *   reads           a pass over the whole image, then random reads
 *   writes          the same on a third area of the disk, which no workload writes: for the first time, again and again
 *                   where it can be let go of in between, then over and over
 *   write, flush    the workload itself, on its machines
 *   boots           the trace, again and again, on machines that are not measured
 */
import type { RunOptions } from './conditions.ts';
import { jobFor } from './job-for.ts';
import { WARM_CONNECTIONS, WARM_FIRST_PASSES, WARM_MACHINES } from './limits.ts';
import type { LoadJob } from './load/job.ts';
import type { Setup } from './setups.ts';
import type { Workload } from './workloads.ts';

const READS: Workload = {
  id: 'read-4k-qd32',
  title: 'warm-up',
  access: 'image',
  pattern: 'random-read',
  blockBytes: 4096,
  queueDepth: 32,
  connections: 1,
  machines: 1,
  paced: false,
  extent: 'time',
  fio: false,
};

const PASS: Workload = {
  ...READS,
  pattern: 'sequential-read',
  blockBytes: 131_072,
  queueDepth: 8,
  extent: 'once',
};

/** Measures what a server does before it knows anything: a warm-up would take that away. */
function isCold({ questions }: Setup): boolean {
  return questions.some(({ workload }) => workload.id === 'slow-origin');
}

/** Machines that a server gets beside those that are measured. */
export function spareMachines(setup: Setup, { warmUp }: Pick<RunOptions, 'warmUp'>): number {
  return setup.image === 'trace' && !isCold(setup) && warmUp > 0 ? WARM_MACHINES : 0;
}

/** In order. */
export function warmUpJobs(
  setup: Setup,
  options: RunOptions,
  uriOf: (machine: number) => string,
): LoadJob[] {
  if (isCold(setup)) return [];
  const { warmUp } = options;
  const job = (workload: Workload, firstMachine = 0): LoadJob => ({
    ...jobFor(workload, options, 0, (machine) => uriOf(firstMachine + machine)),
    seconds: warmUp,
    readBack: false,
  });
  if (setup.image === 'trace') {
    const machines = spareMachines(setup, options);
    if (machines === 0) return [];
    const replay: Workload = { ...READS, pattern: 'trace', machines };
    return [{ ...job(replay, setup.machines), traceRepeats: true }];
  }
  const pass = job(PASS);
  if (warmUp === 0) return [pass];
  const flushed = setup.questions.find(({ workload }) => workload.pattern === 'write-flush');
  if (flushed !== undefined) return [pass, job(flushed.workload)];
  // As many connections as will come: each of several workers has a cache of its own to fill.
  const most = Math.max(...setup.questions.map(({ workload }) => workload.connections));
  const reads = job({ ...READS, connections: Math.min(most, WARM_CONNECTIONS) });
  if (setup.access === 'image') return [pass, reads];
  const area = {
    areaOffset: 2 * options.writeBytes,
    areaBytes: options.imageBytes - 2 * options.writeBytes,
  };
  const first = { ...job({ ...READS, pattern: 'random-write', extent: 'once' }), ...area };
  const firsts = Array.from({ length: WARM_FIRST_PASSES }, () => ({ ...first, discard: true }));
  const again = { ...job({ ...READS, pattern: 'random-write' }), ...area };
  return [pass, reads, ...firsts, again];
}
