import { describe, expect, it } from 'vitest';
import { BARS, judge } from '../../../bench/bars.ts';
import { readConditions } from '../../../bench/conditions.ts';
import { parseOptions } from '../../../bench/options.ts';
import { formatResult, formatTable } from '../../../bench/report.ts';
import { spread } from '../../../bench/statistics.ts';
import { TARGETS } from '../../../bench/targets/index.ts';
import { WORKLOADS } from '../../../bench/workloads.ts';
import { makeCell } from './make-cell.ts';

describe('the spread of several rounds', () => {
  it.each([
    [[3], { median: 3, min: 3, max: 3 }],
    [[9, 1, 5], { median: 5, min: 1, max: 9 }],
    [[10, 2, 4, 6], { median: 5, min: 2, max: 10 }],
  ])('of %j', (values, expected) => {
    expect(spread(values)).toEqual(expected);
  });

  it('of nothing is an error', () => {
    expect(() => spread([])).toThrow(RangeError);
  });
});

describe('a bar', () => {
  const bar = {
    workload: 'read-4k-qd32',
    target: 'rootcast-vdisk',
    peer: 'nbdkit-file',
    atMost: 1,
  } as const;

  it('compares the medians of the two', () => {
    const cells = [
      ...[10, 99, 12].map((cost) =>
        makeCell({ target: 'rootcast-vdisk', cpuMicrosPerRequest: cost }),
      ),
      ...[24, 1, 30].map((cost) => makeCell({ cpuMicrosPerRequest: cost })),
      makeCell({ workload: 'read-4k-qd1', cpuMicrosPerRequest: 1 }),
    ];
    expect(judge(cells, [bar])).toEqual([{ ...bar, ratio: 0.5 }]);
  });

  it('has no ratio when one of the two was not measured', () => {
    expect(judge([makeCell({})], [bar])).toEqual([{ ...bar, ratio: undefined }]);
  });

  it('names targets and workloads that exist', () => {
    const targets = TARGETS.map(({ id }) => id);
    for (const { target, peer, workload } of BARS) {
      expect(targets).toEqual(expect.arrayContaining([target, peer]));
      expect(WORKLOADS.map(({ id }) => id)).toContain(workload);
    }
  });
});

describe('the report', () => {
  const options = parseOptions([], []);
  const conditions = readConditions(new Date(0), 'fio-3', { 'nbdkit-file': 'nbdkit 1' }, options);
  const cells = [
    makeCell({ target: 'rootcast-vdisk', cpuMicrosPerRequest: 10 }),
    makeCell({ cpuMicrosPerRequest: 25, noisy: true }),
  ];
  const text = formatResult({ conditions, cells, verdicts: judge(cells) }, TARGETS, WORKLOADS);

  it('shows what Rootcast costs as a share of each, and which cells were noisy', () => {
    const rows = text.split('\n').filter((line) => line.startsWith('|'));
    expect(rows.find((row) => row.includes('| nbdkit file '))).toMatch(
      /25\.0 .*1 of 1 \|.* 0\.40 \|$/,
    );
    expect(rows.find((row) => row.startsWith('| Rootcast vdisk'))).toMatch(/10\.0 .* 1\.00 \|$/);
  });

  it('says of every bar whether it holds, is missed, or was not measured', () => {
    expect(text).toContain(
      'read-4k-qd32: rootcast-vdisk at most 1.00 × nbdkit-file: 0.40 × — holds',
    );
    expect(text).toContain(
      'read-128k-qd8: rootcast-vdisk at most 1.00 × nbdkit-file: not measured',
    );
    const missed = judge([
      makeCell({ target: 'rootcast-vdisk', cpuMicrosPerRequest: 30 }),
      makeCell({}),
    ]);
    expect(formatResult({ conditions, cells, verdicts: missed }, [], [])).toContain(
      '1.50 × — **MISSED**',
    );
  });

  it('aligns its tables', () => {
    expect(formatTable(['a', 'bb'], [['long', '1']])).toBe(
      ['| a    | bb |', '| ---- | -: |', '| long |  1 |'].join('\n'),
    );
  });
});
