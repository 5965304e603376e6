/** `--quick`: does everything work? Few targets, few machines, little time; never a verdict. */
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

export const QUICK_NOTE =
  'This was a quick run: a check that everything works. Its figures are no verdict.\n';
