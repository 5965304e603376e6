import type { Cell } from '../../../bench/cell.ts';

/** A quiet cell; say only what matters to the test. */
export function makeCell(differences: Partial<Cell>): Cell {
  return {
    round: 0,
    target: 'nbdkit-file',
    workload: 'read-4k-qd32',
    cpuMicrosPerRequest: 20,
    requests: 1000,
    perSecond: 50_000,
    p50Micros: 400,
    p99Micros: 900,
    residentBytes: 2 ** 20,
    idleBefore: 0.95,
    foreignShare: 0.01,
    noisy: false,
    ...differences,
  };
}
