/** What the load generator is told for one workload of a run. */
import { join } from 'node:path';
import type { RunOptions } from './conditions.ts';
import type { LoadJob } from './load/job.ts';
import { replaysTrace, type Workload } from './workloads.ts';

/** The trace that boots are replayed from. */
export const TRACE = join(import.meta.dirname, 'traces/debian-boot.csv');

export function jobFor(
  workload: Workload,
  options: RunOptions,
  round: number,
  uriOf: (machine: number) => string,
): LoadJob {
  // The first touch of the large blocks needs an area that the small ones have not touched.
  const second = workload.pattern === 'sequential-write';
  const once = workload.extent === 'once';
  return {
    workload,
    uris: Array.from({ length: workload.machines }, (_, machine) => uriOf(machine)),
    seconds: options.seconds,
    areaOffset: second ? options.writeBytes : 0,
    areaBytes: once && !replaysTrace(workload) ? options.writeBytes : 0,
    discard: false,
    seed: round + 1,
    imageKnown: true,
    readBack: true,
    trace: replaysTrace(workload) ? TRACE : undefined,
    traceRepeats: false,
    volumeBytes: options.imageBytes,
  };
}
