/** The bars: what Rootcast may cost at most, as a share of what a peer costs in the same run. */
import type { Cell } from './cell.ts';
import { spread } from './statistics.ts';
import type { WorkloadId } from './workloads.ts';

export interface Bar {
  readonly workload: WorkloadId;
  readonly target: string;
  readonly peer: string;
  readonly atMost: number;
}

export interface Verdict extends Bar {
  /** Undefined when one of the two was not measured. */
  readonly ratio: number | undefined;
}

const READS: readonly WorkloadId[] = ['read-4k-qd32', 'read-128k-qd8'];

export const BARS: readonly Bar[] = READS.flatMap((workload) =>
  ['rootcast-vdisk', 'rootcast-machine'].map((target) => ({
    workload,
    target,
    peer: 'nbdkit-file',
    atMost: 1.0,
  })),
);

function medianCpu(
  cells: readonly Cell[],
  workload: WorkloadId,
  target: string,
): number | undefined {
  const values = cells
    .filter((cell) => cell.workload === workload && cell.target === target)
    .map((cell) => cell.cpuMicrosPerRequest);
  return values.length === 0 ? undefined : spread(values).median;
}

export function judge(cells: readonly Cell[], bars: readonly Bar[] = BARS): Verdict[] {
  return bars.map((bar) => {
    const own = medianCpu(cells, bar.workload, bar.target);
    const peer = medianCpu(cells, bar.workload, bar.peer);
    return { ...bar, ratio: own === undefined || peer === undefined ? undefined : own / peer };
  });
}
