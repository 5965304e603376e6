/** Two runs beside each other: what became of each server's figures from the first to the second. */
import type { ClientKind, Result } from '../result.ts';
import type { WorkloadId } from '../workloads.ts';
import { type Change, changeOf } from './change.ts';
import { reasonsNotToCompare } from './comparability.ts';
import { cpuPerRequest, latencyOf, type Pick, perSecond } from './row-figures.ts';
import { type Named, type Row, type Section, sectionsOf } from './section.ts';

export type StatisticName = 'CPU per request' | 'requests per second' | 'p99';

interface Statistic {
  readonly name: StatisticName;
  readonly pick: Pick;
  readonly betterWhen: 'lower' | 'higher';
}

export const STATISTICS: readonly Statistic[] = [
  { name: 'CPU per request', pick: cpuPerRequest, betterWhen: 'lower' },
  { name: 'requests per second', pick: perSecond, betterWhen: 'higher' },
  { name: 'p99', pick: latencyOf('p99'), betterWhen: 'lower' },
];

export interface ComparedRow {
  readonly workload: Named<WorkloadId>;
  readonly client: ClientKind;
  readonly target: Named;
  /** Undefined: not measured in one of the two. */
  readonly changes: Readonly<Record<StatisticName, Change | undefined>>;
  /** Measurements of both that were noisy. */
  readonly noisy: number;
}

export interface Comparison {
  /** What forbade the comparison, when it was made all the same. */
  readonly warnings: readonly string[];
  /** What is good to know: other versions, parts that only one run has. */
  readonly notes: readonly string[];
  readonly rows: readonly ComparedRow[];
}

/** The two were made under different conditions: their ratios would say nothing about the server. */
export class ComparisonRefused extends Error {
  override readonly name = 'ComparisonRefused';
  /** A sentence each. */
  readonly reasons: readonly string[];

  constructor(reasons: readonly string[]) {
    super(`the runs cannot be compared:\n${reasons.map((reason) => `- ${reason}`).join('\n')}`);
    this.reasons = reasons;
  }
}

const key = ({ workload, client }: Section, { target }: Row): string =>
  `${workload.id} ${client} ${target.id}`;

const rowsOf = (result: Result): Map<string, { section: Section; row: Row }> =>
  new Map(
    sectionsOf(result).flatMap((section) =>
      section.rows.map((row) => [key(section, row), { section, row }] as const),
    ),
  );

function compareRow({ workload, client }: Section, before: Row, after: Row): ComparedRow {
  const change = ({ pick, betterWhen }: Statistic): Change | undefined =>
    changeOf(before.cells.map(pick), after.cells.map(pick), betterWhen);
  const [cpu, rate, p99] = STATISTICS.map(change);
  return {
    workload,
    client,
    target: after.target,
    changes: { 'CPU per request': cpu, 'requests per second': rate, p99 },
    noisy: [...before.cells, ...after.cells].filter((cell) => cell.noisy).length,
  };
}

function versionNotes(a: Result, b: Result): string[] {
  return Object.entries(b.conditions.versions).flatMap(([id, version]) => {
    const other = a.conditions.versions[id];
    return other === undefined || other === version
      ? []
      : [`${id} was ${other} in the first run, ${version} in the second.`];
  });
}

function onlyIn(
  name: string,
  own: Iterable<string>,
  other: ReadonlyMap<string, unknown>,
): string[] {
  const missing = [...own].filter((id) => !other.has(id));
  return missing.length === 0 ? [] : [`Only the ${name} run has: ${missing.join('; ')}.`];
}

/**
 * @param force compare all the same, and keep the reasons against it as warnings
 * @throws ComparisonRefused when the two were made under different conditions
 */
export function compareResults(
  a: Result,
  b: Result,
  { force }: { readonly force: boolean } = { force: false },
): Comparison {
  const before = rowsOf(a);
  const after = rowsOf(b);
  const rows = [...after].flatMap(([id, { section, row }]) => {
    const other = before.get(id);
    return other === undefined ? [] : [compareRow(section, other.row, row)];
  });
  const nothing = rows.length === 0 ? ['No measurement was made in both runs.'] : [];
  const reasons = [...reasonsNotToCompare(a, b), ...nothing];
  if (reasons.length > 0 && !force) throw new ComparisonRefused(reasons);
  return {
    warnings: reasons,
    notes: [
      ...versionNotes(a, b),
      ...onlyIn('first', before.keys(), after),
      ...onlyIn('second', after.keys(), before),
    ],
    rows,
  };
}
