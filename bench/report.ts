/** The result of a run as tables (Markdown, which the terminal can show too) and as JSON. */
import type { Verdict } from './bars.ts';
import type { Cell } from './cell.ts';
import type { Conditions } from './conditions.ts';
import { type Spread, spread } from './statistics.ts';
import type { Workload } from './workloads.ts';

export interface Result {
  readonly conditions: Conditions;
  readonly cells: readonly Cell[];
  readonly verdicts: readonly Verdict[];
}

interface Named {
  readonly id: string;
  readonly title: string;
}

const MIB = 2 ** 20;

function number(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString('en-US');
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

const range = ({ median, min, max }: Spread): string =>
  `${number(median)} (${number(min)}–${number(max)})`;

const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** A Markdown table with columns aligned for the terminal; the first column is text. */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const pad = (text: string, column: number): string =>
    column === 0 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0);
  const line = (cells: readonly string[]): string => `| ${cells.map(pad).join(' | ')} |`;
  const rule = widths.map((width, column) =>
    column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  return [line(header), `| ${rule.join(' | ')} |`, ...rows.map(line)].join('\n');
}

const HEADER = ['server', 'CPU µs/request', 'IOPS', 'p50 µs', 'p99 µs', 'RSS MiB', 'idle', 'noisy'];

function formatRow(title: string, cells: readonly Cell[], first: number | undefined): string[] {
  const over = (pick: (cell: Cell) => number): Spread => spread(cells.map(pick));
  const cpu = over((cell) => cell.cpuMicrosPerRequest);
  const ratio = first === undefined ? '—' : (first / cpu.median).toFixed(2);
  const noisy = cells.filter((cell) => cell.noisy).length;
  return [
    title,
    range(cpu),
    number(over((cell) => cell.perSecond).median),
    number(over((cell) => cell.p50Micros).median),
    number(over((cell) => cell.p99Micros).median),
    number(over((cell) => cell.residentBytes / MIB).median),
    percent(over((cell) => cell.idleBefore).median),
    noisy === 0 ? '' : `${noisy} of ${cells.length}`,
    ratio,
  ];
}

/** One table: the servers beside each other, and what `own` costs as a share of each. */
function formatWorkload(
  workload: Workload,
  targets: readonly Named[],
  cells: readonly Cell[],
): string {
  const rows = targets.flatMap((target) => {
    const own = cells.filter(
      ({ workload: id, target: of }) => id === workload.id && of === target.id,
    );
    return own.length === 0 ? [] : [{ target, own }];
  });
  const reference = rows.find(({ target }) => target.id.startsWith('rootcast'));
  const first = reference && spread(reference.own.map((cell) => cell.cpuMicrosPerRequest)).median;
  const table = formatTable(
    [...HEADER, reference ? `${reference.target.title} ÷ this` : 'ratio'],
    rows.map(({ target, own }) => formatRow(target.title, own, first)),
  );
  return `### ${workload.title} (\`${workload.id}\`)\n\n${table}`;
}

function formatVerdict({ workload, target, peer, atMost, ratio }: Verdict): string {
  const bar = `${workload}: ${target} at most ${atMost.toFixed(2)} × ${peer}`;
  if (ratio === undefined) return `- ${bar}: not measured`;
  return `- ${bar}: ${ratio.toFixed(2)} × — ${ratio <= atMost ? 'holds' : '**MISSED**'}`;
}

function formatConditions(conditions: Conditions): string {
  const { options } = conditions;
  return [
    `- ${conditions.date}, ${conditions.cpus} × ${conditions.cpu}, ${Math.round(conditions.memoryBytes / 2 ** 30)} GiB`,
    `- Linux ${conditions.kernel}, ${conditions.distribution}`,
    `- client: ${conditions.client} (engine nbd), loopback TCP, one connection`,
    ...Object.entries(conditions.versions).map(([id, version]) => `- ${id}: ${version}`),
    `- ${options.rounds} interleaved rounds, fresh server and overlay each, ${options.seconds} s a read cell; ` +
      `image of ${options.imageBytes / MIB} MiB random bytes in the page cache; writes touch ${options.writeBytes / MIB} MiB`,
    '- medians (minimum–maximum); CPU: user + system of the server process tree; idle: share of the machine ' +
      'just before the cell; noisy: cells for which the machine did not become quiet',
  ].join('\n');
}

export function formatResult(
  result: Result,
  targets: readonly Named[],
  workloads: readonly Workload[],
): string {
  const tables = workloads
    .filter(({ id }) => result.cells.some((cell) => cell.workload === id))
    .map((workload) => formatWorkload(workload, targets, result.cells));
  return [
    '## Conditions',
    formatConditions(result.conditions),
    '## Figures',
    ...tables,
    '## Bars',
    result.verdicts.map(formatVerdict).join('\n'),
    '',
  ].join('\n\n');
}
