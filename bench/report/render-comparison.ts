/** A comparison for the terminal. */
import type { Change, Judgement } from './change.ts';
import { type ComparedRow, type Comparison, STATISTICS, type StatisticName } from './comparison.ts';
import { figureRange, ratio } from './number-format.ts';
import { plainText } from './plain-text.ts';
import { clientName } from './section.ts';
import { numberColumn, type Table, textColumn } from './table.ts';
import { terminalTable } from './terminal.ts';

const LEGEND =
  'Medians (minimum–maximum over the rounds); ratio: second over first; "it could be": from the rounds ' +
  'that lie farthest apart.\n"no difference": rounds of the two runs lie among each other, so the ' +
  'difference is smaller than the spread. Of many lines one in a hundred or so differs by chance.';

const UNITS: Readonly<Record<StatisticName, string>> = {
  'CPU per request': 'µs',
  'requests per second': '/s',
  p99: 'µs',
};

/** A line for each figure that both runs have. */
function linesOf({ target, changes, noisy }: ComparedRow): string[][] {
  return STATISTICS.flatMap(({ name }) => {
    const change = changes[name];
    return change === undefined
      ? []
      : [[target.title, ...describeChange(name, change), `${noisy}`]];
  });
}

function describeChange(name: StatisticName, change: Change): string[] {
  const { before, after, low, high, judgement } = change;
  return [
    `${name}, ${UNITS[name]}`,
    figureRange(before),
    figureRange(after),
    ratio(change.ratio),
    `${ratio(low)}–${ratio(high)}`,
    judgement,
  ];
}

function tableOf(rows: readonly ComparedRow[]): Table {
  return {
    columns: [
      textColumn('server'),
      textColumn('figure'),
      numberColumn('first run'),
      numberColumn('second run'),
      numberColumn('ratio'),
      numberColumn('it could be'),
      textColumn('judgement'),
      numberColumn('noisy'),
    ],
    rows: rows.flatMap(linesOf),
  };
}

const headingOf = ({ workload, client }: ComparedRow): string =>
  `${workload.title} — ${clientName(client)} (${workload.id})`;

/** `CPU per request: 3 better, 1 worse, 8 no difference`. */
function summarise({ rows }: Comparison): string {
  return STATISTICS.map(({ name }) => {
    const judgements = rows.flatMap(({ changes }) => changes[name]?.judgement ?? []);
    const counts = (['better', 'worse', 'no difference', 'too few rounds'] as const)
      .map((judgement: Judgement) => ({
        judgement,
        count: judgements.filter((other) => other === judgement).length,
      }))
      .filter(({ count }) => count > 0)
      .map(({ judgement, count }) => `${count} ${judgement}`);
    return `${name}: ${counts.length === 0 ? 'not measured' : counts.join(', ')}`;
  }).join('\n');
}

export function renderComparison(comparison: Comparison): string {
  const sections = Map.groupBy(comparison.rows, headingOf);
  return [
    ...comparison.warnings.map((reason) => plainText(`WARNING: ${reason}`)),
    ...comparison.notes.map((note) => plainText(`note: ${note}`)),
    LEGEND,
    ...[...sections].map(
      ([heading, rows]) => `${plainText(heading)}\n${terminalTable(tableOf(rows))}`,
    ),
    summarise(comparison),
    '',
  ].join('\n\n');
}
