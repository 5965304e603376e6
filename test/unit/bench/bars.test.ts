import { describe, expect, it } from 'vitest';
import { BARS, BEST, judge } from '../../../bench/bars.ts';
import type { Cell, Verdict } from '../../../bench/result.ts';
import { TARGETS } from '../../../bench/targets/index.ts';
import { WORKLOADS } from '../../../bench/workloads.ts';
import { makeCell } from './report/make-cell.ts';

function cost(micros: number, busiest = 1): NonNullable<Cell['server']> {
  return {
    cpuMicrosPerRequest: micros,
    cpuSeconds: 1,
    residentBytes: 2 ** 20,
    busiestThreadSeconds: busiest,
  };
}

function barsOf(workload: string, statistic: string, peer?: string) {
  const found = BARS.filter(
    (bar) =>
      bar.workload === workload &&
      bar.statistic.name === statistic &&
      (peer === undefined || bar.peer === peer),
  );
  expect(found).toHaveLength(1);
  return found;
}

function only(verdicts: readonly Verdict[]): Verdict {
  expect(verdicts).toHaveLength(1);
  return verdicts[0] as Verdict;
}

const QD32 = { workload: 'read-4k-qd32', client: 'rootcast' } as const;

describe('a bar', () => {
  const [bar] = barsOf('read-4k-qd32', 'CPU per request', 'nbdkit-file');
  const bars = bar === undefined ? [] : [bar];

  it('compares the medians of the two', () => {
    const cells = [
      ...[10, 99, 12].map((micros) =>
        makeCell({ ...QD32, target: 'rootcast-vdisk', server: cost(micros) }),
      ),
      ...[24, 1, 30].map((micros) =>
        makeCell({ ...QD32, target: 'nbdkit-file', server: cost(micros) }),
      ),
      makeCell({ ...QD32, workload: 'read-4k-qd1', target: 'nbdkit-file', server: cost(1) }),
    ];
    expect(only(judge(cells, bars))).toMatchObject({ value: 0.5, holds: true, unit: '×' });
  });

  it('is judged for each client that asked, with its own figures', () => {
    const cells = (['rootcast', 'fio'] as const).flatMap((client) => [
      makeCell({
        ...QD32,
        client,
        target: 'rootcast-vdisk',
        server: cost(client === 'fio' ? 12 : 5),
      }),
      makeCell({ ...QD32, client, target: 'nbdkit-file', server: cost(20) }),
    ]);
    expect(judge(cells, bars).map(({ client, value, holds }) => [client, value, holds])).toEqual([
      ['rootcast', 0.25, true],
      ['fio', 0.6, false],
    ]);
  });

  it('has no value when one of the two was not measured', () => {
    const cells = [makeCell({ ...QD32, target: 'rootcast-vdisk', server: cost(10) })];
    expect(only(judge(cells, bars))).toMatchObject({ value: undefined, holds: undefined });
    expect(only(judge([], bars))).toMatchObject({ value: undefined, holds: undefined });
  });

  it('against the best peer names the one it was', () => {
    const qd1 = { ...QD32, workload: 'read-4k-qd1' } as const;
    const cells = [
      makeCell({ ...qd1, target: 'rootcast-vdisk', server: cost(20) }),
      makeCell({ ...qd1, target: 'rootcast-machine', server: cost(1) }),
      makeCell({ ...qd1, target: 'floor', server: cost(2) }),
      makeCell({ ...qd1, target: 'nbdkit-file', server: cost(25) }),
      makeCell({ ...qd1, target: 'qsd-raw', server: cost(16) }),
    ];
    const verdict = only(judge(cells, barsOf('read-4k-qd1', 'CPU per request', BEST)));
    expect(verdict).toMatchObject({ peer: 'qsd-raw', value: 1.25, holds: false });
  });

  it('can be a least, a figure of its own, or against another workload', () => {
    const flush = { ...QD32, workload: 'flush-32' } as const;
    const flushes = [
      makeCell({ ...flush, target: 'rootcast-machine', perSecond: 5100 }),
      makeCell({ ...flush, target: 'qsd-qcow2', perSecond: 1000 }),
    ];
    expect(only(judge(flushes, barsOf('flush-32', 'flushed writes per second')))).toMatchObject({
      atLeast: 5,
      atMost: undefined,
      value: 5.1,
      holds: true,
    });

    const connect = { mean: 1, p50: 1, p90: 1, p99: 1, p999: 1, max: 1 };
    const idle = makeCell({
      ...QD32,
      workload: 'idle-1000',
      target: 'rootcast-vdisk',
      connections: { count: 1000, bytesEach: 70 * 1024, connect },
    });
    expect(
      only(
        judge(
          [idle],
          BARS.filter(({ workload }) => workload === 'idle-1000'),
        ),
      ),
    ).toMatchObject({ peer: undefined, value: 70, unit: 'KiB', holds: false });

    const two = [
      makeCell({
        ...QD32,
        workload: 'two-workers',
        target: 'rootcast-2-workers',
        requests: 200,
        server: cost(5, 1),
      }),
      makeCell({
        ...QD32,
        workload: 'one-worker',
        target: 'rootcast-1-worker',
        requests: 100,
        server: cost(5, 1),
      }),
    ];
    const workers = BARS.filter(({ workload }) => workload === 'two-workers');
    expect(only(judge(two, workers))).toMatchObject({ value: 2, holds: true });
  });

  it('names targets and workloads that exist', () => {
    const targets = [BEST, undefined, ...TARGETS.map(({ id }) => id)];
    const workloads = WORKLOADS.map(({ id }) => id);
    for (const { target, peer, workload, peerWorkload } of BARS) {
      expect(targets).toContain(target);
      expect(targets).toContain(peer);
      expect(workloads).toContain(workload);
      if (peerWorkload !== undefined) expect(workloads).toContain(peerWorkload);
    }
  });
});
