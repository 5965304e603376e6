import type { Cell, Latency } from '../../../../bench/result.ts';

/** Percentiles that lie apart as those of a server do. */
export function makeLatency(p50: number): Latency {
  return {
    mean: p50 * 1.1,
    p50,
    p90: p50 * 1.6,
    p99: p50 * 3,
    p999: p50 * 9,
    max: p50 * 20,
  };
}

/** A quiet cell of our own client with nothing but what every cell has; say what matters to the test. */
export function makeCell(differences: Partial<Cell> = {}): Cell {
  return {
    round: 0,
    target: 'rootcast-vdisk',
    workload: 'read-4k-qd32',
    client: 'rootcast',
    requests: 1000,
    bytes: 4_096_000,
    seconds: 2,
    perSecond: 500,
    bytesPerSecond: 2_048_000,
    latency: makeLatency(400),
    intervals: [],
    groups: [],
    server: {
      cpuMicrosPerRequest: 20,
      cpuSeconds: 0.02,
      residentBytes: 64 * 2 ** 20,
      busiestThreadSeconds: 0.02,
    },
    verified: undefined,
    finished: undefined,
    connections: undefined,
    originRequests: undefined,
    idleBefore: 0.95,
    foreignShare: 0.01,
    noisy: false,
    ...differences,
  };
}

/** Rounds that cost so many µs of CPU each. */
export function makeRounds(costs: readonly number[], differences: Partial<Cell> = {}): Cell[] {
  return costs.map((cost, round) =>
    makeCell({
      round,
      server: {
        cpuMicrosPerRequest: cost,
        cpuSeconds: (cost * 1000) / 1e6,
        residentBytes: 64 * 2 ** 20,
        busiestThreadSeconds: (cost * 1000) / 1e6,
      },
      ...differences,
    }),
  );
}
