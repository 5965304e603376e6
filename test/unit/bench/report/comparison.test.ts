import { describe, expect, it } from 'vitest';
import { chanceOfSeparation, changeOf } from '../../../../bench/report/change.ts';
import {
  ComparisonRefused,
  compareResults,
  renderComparison,
} from '../../../../bench/report/index.ts';
import type { Cell, Result } from '../../../../bench/result.ts';
import { makeCell, makeLatency, makeRounds } from './make-cell.ts';
import { makeConditions, makeOptions, makeResult } from './make-result.ts';
import { makeSample } from './make-sample.ts';

const FIVE = [10, 11, 12, 13, 14];

const run = (
  cells: readonly Cell[] = makeRounds(FIVE),
  differences: Partial<Result> = {},
): Result => makeResult(cells, differences);

const under = (conditions: Parameters<typeof makeConditions>[0]): Result =>
  run(makeRounds(FIVE), { conditions: makeConditions(conditions) });

const withOptions = (options: Record<string, unknown>): Result =>
  under({ options: makeOptions(options) });

const withCells = (differences: Partial<Cell>): Result => run(makeRounds(FIVE, differences));

/** The last `count` of four rounds are noisy. */
const noisy = (count: number): Result =>
  run([1, 2, 3, 4].map((round) => makeCell({ round, noisy: round > 4 - count })));

function reasons(a: Result, b: Result): readonly string[] {
  try {
    compareResults(a, b);
  } catch (error) {
    if (error instanceof ComparisonRefused) return error.reasons;
    throw error;
  }
  return [];
}

describe('a change', () => {
  it('is a difference when no round of the one lies among those of the other', () => {
    expect(changeOf([10, 11, 12, 13], [5, 6, 7, 8], 'lower')).toEqual({
      before: { median: 11.5, min: 10, max: 13 },
      after: { median: 6.5, min: 5, max: 8 },
      ratio: 6.5 / 11.5,
      low: 5 / 13,
      high: 0.8,
      judgement: 'better',
    });
    expect(changeOf([10, 11, 12, 13], [5, 6, 7, 8], 'higher')?.judgement).toBe('worse');
    expect(changeOf([5, 6, 7, 8], [10, 11, 12, 13], 'lower')?.judgement).toBe('worse');
    expect(changeOf([5, 6, 7, 8], [10, 11, 12, 13], 'higher')?.judgement).toBe('better');
  });

  it('that is smaller than the spread is none', () => {
    expect(changeOf([10, 11, 12, 13], [5, 6, 7, 10], 'lower')?.judgement).toBe('no difference');
    expect(changeOf([10, 10, 10, 10], [10, 10, 10, 10], 'lower')?.judgement).toBe('no difference');
  });

  it('is not judged by so few rounds that chance alone would do it', () => {
    expect(changeOf([10], [5], 'lower')?.judgement).toBe('too few rounds');
    expect(changeOf([10, 11, 12], [5, 6, 7], 'lower')?.judgement).toBe('too few rounds');
    expect(changeOf([10, 11, 12], [4, 5, 6, 7, 8], 'lower')?.judgement).toBe('better');
    expect(chanceOfSeparation(3, 3)).toBeCloseTo(0.1);
    expect(chanceOfSeparation(5, 5)).toBeCloseTo(2 / 252);
  });

  it('is unknown where one of the two has no figure', () => {
    expect(changeOf([undefined], [1], 'lower')).toBeUndefined();
    expect(changeOf([1], [], 'lower')).toBeUndefined();
    expect(changeOf([0, 1], [1, 2], 'lower')).toBeUndefined();
  });
});

describe('two runs', () => {
  it('are compared by CPU, requests and p99 of each server, workload and client', () => {
    const after = [
      ...makeRounds([5, 6, 7, 8, 9], { perSecond: 900, latency: makeLatency(800) }),
      ...makeRounds(FIVE, { client: 'fio' }),
    ];
    const { rows, warnings, notes } = compareResults(run(), run(after));
    expect(warnings).toEqual([]);
    expect(notes).toEqual(['Only the second run has: read-4k-qd32 fio rootcast-vdisk.']);
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({
      workload: { id: 'read-4k-qd32' },
      client: 'rootcast',
      target: { id: 'rootcast-vdisk' },
      changes: {
        'CPU per request': { ratio: 7 / 12, judgement: 'better' },
        'requests per second': { ratio: 1.8, judgement: 'better' },
        p99: { ratio: 2, judgement: 'worse' },
      },
    });
  });

  it('are compared although dates, rounds, output, selection and versions of servers differ', () => {
    const other = run(makeRounds([...FIVE, 15]), {
      conditions: makeConditions({
        date: '2027-01-01T00:00:00Z',
        versions: { 'rootcast-vdisk': 'rootcast 0.2.0' },
        options: makeOptions({
          rounds: 6,
          json: 'x',
          html: 'y',
          only: ['a'],
          patience: 1,
          strict: true,
        }),
      }),
    });
    expect(compareResults(run(), other).notes).toEqual([
      'rootcast-vdisk was rootcast 0.1.0 7048691 in the first run, rootcast 0.2.0 in the second.',
    ]);
  });

  it.each<[string, Result, Result, RegExp]>([
    [
      'another CPU',
      run(),
      under({ cpu: 'Xeon' }),
      /^The CPU model differs: AMD EPYC in the first run, Xeon in the second\.$/,
    ],
    ['more CPUs', run(), under({ cpus: 4 }), /number of CPUs differs: 2 .* 4 /],
    [
      'more memory',
      run(),
      under({ memoryBytes: 32 * 2 ** 30 }),
      /memory differs: 24 GiB .* 32 GiB/,
    ],
    ['another kernel', run(), under({ kernel: '6.1' }), /kernel differs: 6\.18\.44 .* 6\.1 /],
    [
      'another client',
      run(),
      under({ client: 'fio-3.36' }),
      /client differs: .*fio-3\.33 .*fio-3\.36/,
    ],
    [
      'another image',
      run(),
      withOptions({ imageBytes: 2 ** 27 }),
      /image differs: 512 MiB .* 128 MiB/,
    ],
    [
      'another write area',
      run(),
      withOptions({ writeBytes: 2 ** 25 }),
      /option writeBytes differs/,
    ],
    ['longer cells', run(), withOptions({ seconds: 30 }), /option seconds differs: 3 .* 30 /],
    [
      'an option of the first only',
      withOptions({ workers: 2 }),
      run(),
      /option workers differs: 2 .* not given/,
    ],
    [
      'an option of the second only',
      run(),
      withOptions({ workers: 2 }),
      /option workers differs: not given .* 2 /,
    ],
    [
      'a quick run by name',
      withOptions({ quick: true }),
      withOptions({ quick: false }),
      /kind of run differs: quick .* full/,
    ],
    [
      'another question',
      run(),
      run(makeRounds(FIVE), { workloads: [{ id: 'read-4k-qd32', title: '8K' }] }),
      /read-4k-qd32 asks differs: 4K .* 8K /,
    ],
    [
      'other blocks',
      run(),
      withCells({ bytes: 8_192_000 }),
      /requests of read-4k-qd32 differs: 4,096 B .* 8,192 B/,
    ],
    [
      'a busier machine',
      run(),
      withCells({ idleBefore: 0.84 }),
      /idle the machine was differs: 95 % .* 84 %/,
    ],
    [
      'others on the machine',
      withCells({ foreignShare: 0.2 }),
      run(),
      /first run 20 % of the machine went to neither/,
    ],
    ['others on the machine, later', run(), withCells({ foreignShare: 0.2 }), /second run 20 %/],
    ['noise', run(), noisy(2), /second run 2 of 4 measurements were noisy; 25 % at most/],
    ['noise before', noisy(2), run(), /first run 2 of 4/],
    [
      'nothing in common',
      run(),
      withCells({ target: 'nbdkit-file' }),
      /No measurement was made in both runs/,
    ],
  ])('are refused with a sentence: %s', (_, a, b, sentence) => {
    expect(reasons(a, b)).toEqual([expect.stringMatching(sentence)]);
  });

  it('are refused when one was quick without being called so', () => {
    const quick = withOptions({ rounds: 1, seconds: 1 });
    expect(reasons(run(), quick)).toEqual([
      'The kind of run differs: full in the first run, quick in the second.',
      'The option seconds differs: 3 in the first run, 1 in the second.',
    ]);
  });

  it('are compared when they differ by no more than the limits', () => {
    expect(reasons(withCells({ idleBefore: 0.8 }), withCells({ idleBefore: 0.7 }))).toEqual([]);
    expect(reasons(run(), under({ memoryBytes: 24 * 2 ** 30 - 2 ** 27 }))).toEqual([]);
    expect(reasons(noisy(1), noisy(1))).toEqual([]);
    expect(reasons(run(), withCells({ bytes: 4_100_000 }))).toEqual([]);
    expect(reasons(run(), withCells({ foreignShare: 0.15 }))).toEqual([]);
    const elsewhere = withCells({ server: undefined, foreignShare: 0.9 });
    expect(reasons(elsewhere, elsewhere)).toEqual([]);
  });

  it('are compared all the same by force, with the reasons as warnings', () => {
    const other = under({ cpu: 'Xeon', kernel: '6.1' });
    expect(() => compareResults(run(), other)).toThrow(/CPU model differs.*\n.*kernel differs/);
    const forced = compareResults(run(), other, { force: true });
    expect(forced.warnings).toEqual([
      expect.stringContaining('CPU model'),
      expect.stringContaining('kernel'),
    ]);
    expect(forced.rows).toHaveLength(1);
    expect(
      compareResults(run(), withCells({ target: 'nbdkit-file' }), { force: true }).rows,
    ).toEqual([]);
  });

  it('are the same run: nothing differs', () => {
    const sample = makeSample();
    const { rows } = compareResults(sample, sample);
    expect(rows.length).toBeGreaterThan(50);
    const judgements = rows.flatMap(({ changes }) =>
      Object.values(changes).map((change) => change?.judgement ?? 'no difference'),
    );
    expect(new Set(judgements)).toEqual(new Set(['no difference']));
  });
});

describe('a comparison in the terminal', () => {
  it('says figures, ratio, how far it could be, and the judgement', () => {
    const text = renderComparison(compareResults(run(), run(makeRounds([5, 6, 7, 8, 9]))));
    expect(text).toMatch(
      /│ Rootcast vdisk\/V │ CPU per request, µs +│ 12\.0 \(10\.0–14\.0\) │ 7\.00 \(5\.00–9\.00\) │ +0\.58 │ +0\.36–0\.90 │ better +│/,
    );
    expect(text).toContain('CPU per request: 1 better\n');
    expect(text).toContain('p99: 1 no difference\n');
  });

  it('has no line for what was not measured', () => {
    const idle = withCells({ server: undefined, latency: undefined });
    const text = renderComparison(compareResults(idle, idle));
    expect(text).toContain('CPU per request: not measured');
    expect(text).not.toMatch(/│ (CPU per request|p99)/);
  });

  it('begins with the warnings', () => {
    const forced = compareResults(run(), under({ cpu: 'Xeon\u001b[2J' }), { force: true });
    const text = renderComparison(forced);
    expect(text).toMatch(/^WARNING: The CPU model differs: .*Xeon�\[2J/);
  });
});
