/** The sentences of a report that are the same in every format: conditions, bars, what was verified. */
import type { Conditions } from '../conditions.ts';
import type { Result, Verdict } from '../result.ts';
import { byteCount, figure, ratio } from './number-format.ts';
import { verifiedBytes } from './row-figures.ts';
import { type Section, targetsOf } from './section.ts';

export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** Options that say where the report goes, not what is measured. */
const OUTPUT_OPTIONS = ['json', 'markdown', 'html', 'strict', 'help', 'compare', 'force'];

/** `rounds 5`, `image 512 MiB`; undefined for what is off or not given. */
function describeOption(name: string, value: unknown): string | undefined {
  if (OUTPUT_OPTIONS.includes(name) || value === undefined || value === false) return undefined;
  if (value === true) return name;
  if (Array.isArray(value)) return value.length === 0 ? undefined : `${name} ${value.join(', ')}`;
  if (typeof value === 'number' && name.endsWith('Bytes')) {
    return `${name.slice(0, -'Bytes'.length)} ${byteCount(value)}`;
  }
  return typeof value === 'number' || typeof value === 'string' ? `${name} ${value}` : undefined;
}

const METHOD =
  'medians (minimum–maximum) over the rounds; CPU: user + system time of the server’s process tree; ' +
  'idle: share of the machine just before a measurement; noisy: measurements for which the machine did ' +
  'not become quiet';

export function describeConditions(result: Result): readonly Statement[] {
  const { conditions } = result;
  const titles = new Map(targetsOf(result).map(({ id, title }) => [id, title]));
  const noisy = result.cells.filter((cell) => cell.noisy).length;
  return [
    { name: 'date', text: conditions.date },
    {
      name: 'machine',
      text: `${conditions.cpus} × ${conditions.cpu}, ${byteCount(conditions.memoryBytes)}`,
    },
    { name: 'system', text: `Linux ${conditions.kernel}, ${conditions.distribution}` },
    { name: 'client', text: conditions.client },
    ...Object.entries(conditions.versions).map(([id, version]) => ({
      name: titles.get(id) ?? id,
      text: version,
    })),
    { name: 'options', text: describeOptions(conditions) },
    { name: 'noise', text: `${noisy} of ${result.cells.length} measurements were noisy` },
    { name: 'method', text: METHOD },
  ];
}

function describeOptions({ options }: Conditions): string {
  return Object.entries(options)
    .flatMap(([name, value]) => describeOption(name, value) ?? [])
    .join('; ');
}

export type Outcome = 'holds' | 'MISSED' | 'not measured';

export interface Bar {
  readonly workload: string;
  readonly client: string;
  /** `CPU per request of A at most 1.00 × that of B`. */
  readonly demand: string;
  readonly value: string;
  readonly outcome: Outcome;
}

function outcomeOf({ value, holds }: Verdict): Outcome {
  if (value === undefined || holds === undefined) return 'not measured';
  return holds ? 'holds' : 'MISSED';
}

/** Ratios have two decimals; absolute figures three digits. */
const inUnit = (value: number, unit: string): string =>
  `${unit === '×' ? ratio(value) : figure(value)} ${unit}`.trimEnd();

function demandOf(verdict: Verdict, titleOf: (id: string) => string): string {
  const { atMost, atLeast, unit, peer } = verdict;
  const bounds = [
    ...(atMost === undefined ? [] : [`at most ${inUnit(atMost, unit)}`]),
    ...(atLeast === undefined ? [] : [`at least ${inUnit(atLeast, unit)}`]),
  ].join(', ');
  const beside = peer === undefined ? '' : ` that of ${titleOf(peer)}`;
  return `${verdict.statistic} of ${titleOf(verdict.target)} ${bounds}${beside}`;
}

export function describeBars(result: Result): readonly Bar[] {
  const titles = new Map(targetsOf(result).map(({ id, title }) => [id, title]));
  const titleOf = (id: string): string => titles.get(id) ?? id;
  return result.verdicts.map((verdict) => ({
    workload: verdict.workload,
    client: verdict.client,
    demand: demandOf(verdict, titleOf),
    value: verdict.value === undefined ? '' : inUnit(verdict.value, verdict.unit),
    outcome: outcomeOf(verdict),
  }));
}

/** `3 of 5 bars hold, 1 is missed, 1 was not measured`. */
export function summariseBars(bars: readonly Bar[]): string {
  if (bars.length === 0) return 'There are no bars.';
  const count = (outcome: Outcome): number => bars.filter((bar) => bar.outcome === outcome).length;
  return (
    `Of ${bars.length} bars ${count('holds')} hold, ${count('MISSED')} missed, ` +
    `${count('not measured')} not measured.`
  );
}

/** Whose answers were compared with what they must be, and how many bytes of them, over all rounds. */
export function describeVerification({ rows }: Section): string {
  const verified = rows.flatMap((row) => {
    const bytes = verifiedBytes(row);
    return bytes === undefined ? [] : [`${row.target.title} ${byteCount(bytes)}`];
  });
  if (verified.length === 0) return 'Verified: nothing; the answers were not compared.';
  const rest = rows.filter((row) => verifiedBytes(row) === undefined);
  const others =
    rest.length === 0 ? '' : `; not verified: ${rest.map(({ target }) => target.title).join(', ')}`;
  return `Verified: ${verified.join(', ')}${others}.`;
}
