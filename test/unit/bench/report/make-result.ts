import type { Conditions } from '../../../../bench/conditions.ts';
import { type Cell, RESULT_FORMAT, type Result } from '../../../../bench/result.ts';

export function makeConditions(differences: Partial<Conditions> = {}): Conditions {
  return {
    date: '2026-11-23T00:14:47.758Z',
    cpu: 'AMD EPYC',
    cpus: 2,
    memoryBytes: 24 * 2 ** 30,
    kernel: '6.18.44',
    distribution: 'Debian GNU/Linux 12 (bookworm)',
    client: 'rootcast load, fio-3.33',
    clients: { rootcast: 'rootcast load', fio: 'fio-3.33' },
    loadAverage: [0.3, 0.4, 0.5],
    versions: { 'rootcast-vdisk': 'rootcast 0.1.0 7048691', 'nbdkit-file': 'nbdkit 1.32.5' },
    options: makeOptions(),
    ...differences,
  };
}

/** The benchmark's options are no matter of the report, besides those that the JSON must have. */
export function makeOptions(
  differences: Readonly<Record<string, unknown>> = {},
): Conditions['options'] {
  const options = {
    rounds: 5,
    seconds: 3,
    warmUp: 3,
    patience: 20,
    imageBytes: 512 * 2 ** 20,
    writeBytes: 192 * 2 ** 20,
    only: [],
    strict: false,
    help: false,
    ...differences,
  };
  return options as unknown as Conditions['options'];
}

/** With names for what the cells are of, and two more. */
export function makeResult(cells: readonly Cell[], differences: Partial<Result> = {}): Result {
  return {
    format: RESULT_FORMAT,
    conditions: makeConditions(),
    targets: [
      { id: 'rootcast-vdisk', title: 'Rootcast vdisk/V' },
      { id: 'nbdkit-file', title: 'nbdkit file' },
      { id: 'rootcast-machine', title: 'Rootcast machine/NAME' },
    ],
    workloads: [
      { id: 'read-4k-qd32', title: '4K random read, QD32' },
      { id: 'flush-32', title: '4K write and flush, 32 machines' },
      { id: 'boot-100', title: 'Boot of 100 machines' },
      { id: 'idle-1000', title: '1,000 idle connections' },
    ],
    cells,
    verdicts: [],
    ...differences,
  };
}
