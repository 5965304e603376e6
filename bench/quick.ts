/** `--quick`: does everything work? Few targets, few machines, little time; never a verdict. */
import type { Target } from './targets/index.ts';
import type { Workload, WorkloadId } from './workloads.ts';

/** One of each kind, when --only names no target. */
export const QUICK_TARGETS: readonly string[] = [
  'floor',
  'rootcast-vdisk',
  'nbdkit-file',
  'rootcast-machine',
  'qsd-qcow2',
  'nbdkit-cow',
];

/** It must only work. */
export const QUICK_WARM_UP_SECONDS = 0.25;

const READS_THROUGH_OVERLAY = 'rootcast-machine';

/** Machines, or connections, instead of the many of a full run. */
const FEWER: Readonly<Partial<Record<WorkloadId, number>>> = {
  'flush-32': 8,
  'boot-100': 10,
  'flood-and-boot': 8,
  'idle-1000': 100,
};

/** fio's start takes as long as what it measures; here it only has to show that it can. */
const QUICK_FIO: readonly WorkloadId[] = ['read-4k-qd32', 'write-4k-first'];

export function quickWorkload(workload: Workload): Workload {
  const fio = workload.fio && QUICK_FIO.includes(workload.id);
  const fewer = FEWER[workload.id];
  if (fewer === undefined) return { ...workload, fio };
  const idle = workload.pattern === 'idle';
  // The number that a title begins with; of a flood, those that boot.
  const shown = workload.pattern === 'flood-and-trace' ? fewer - 1 : fewer;
  return {
    ...workload,
    fio,
    title: workload.title.replace(/^\d+/, String(shown)),
    ...(idle ? { connections: fewer } : { machines: fewer }),
  };
}

/** Servers of overlays are asked about overlays only; one of ours stands for reads through one. */
export function quickTarget(target: Target): Target {
  if (!target.accesses.includes('overlay') || target.id === READS_THROUGH_OVERLAY) return target;
  return { ...target, accesses: target.accesses.filter((access) => access !== 'image') };
}

export const QUICK_NOTE =
  'This was a quick run: a check that everything works. Its figures are no verdict.\n';
