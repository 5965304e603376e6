/** What stands at the top of the page: the bars, and CPU per request of all targets in all workloads. */
import type { Result } from '../../result.ts';
import { figure, NOT_MEASURED, ratio } from '../number-format.ts';
import { cpuPerRequest, over } from '../row-figures.ts';
import { type Section, sectionTitle, targetsOf } from '../section.ts';
import { type Bar, describeBars, type Outcome, summariseBars } from '../statements.ts';
import { numberColumn, type Table, textColumn } from '../table.ts';
import { element, type Markup } from './element.ts';
import { tableMarkup } from './table-markup.ts';

/** A sign and a word: never the colour alone. */
const OUTCOMES: Readonly<Record<Outcome, { readonly sign: string; readonly class: string }>> = {
  holds: { sign: '✓', class: 'holds' },
  MISSED: { sign: '✗', class: 'missed' },
  'not measured': { sign: '–', class: 'absent' },
};

export function barsMarkup(result: Result): Markup {
  const bars = describeBars(result);
  const summary = element('p', {}, summariseBars(bars));
  if (bars.length === 0) return summary;
  const columns = [
    ...['verdict', 'workload', 'bar'].map(textColumn),
    numberColumn('measured'),
    textColumn('client'),
  ];
  const rows = bars.map((bar) => [bar.outcome, bar.workload, bar.demand, bar.value, bar.client]);
  const outcome = (bar: Bar | undefined) => OUTCOMES[bar?.outcome ?? 'not measured'];
  // The verdict comes first, so that a phone shows it.
  const table = tableMarkup({ columns, rows }, (text, column, row) => {
    if (column === 2) return { content: text, class: 'wrap' };
    if (column !== 0) return { content: text };
    const { sign, class: className } = outcome(bars[row]);
    return { content: `${sign} ${text}`, class: className };
  });
  return element('div', {}, summary, table);
}

export const sectionId = ({ workload, client }: Section): string => `${workload.id}-${client}`;

/** A workload a line, a target a column: its CPU per request, and the reference's over it. */
export function overviewMarkup(result: Result, sections: readonly Section[]): Markup | undefined {
  const measured = sections.filter(({ rows }) =>
    rows.some((row) => over(row, cpuPerRequest) !== undefined),
  );
  if (measured.length === 0) return undefined;
  const targets = targetsOf(result);
  const table: Table = {
    columns: [textColumn('workload'), ...targets.map(({ title }) => numberColumn(title))],
    rows: measured.map((section) => [
      sectionTitle(section),
      ...targets.map(({ id }) => overviewCell(section, id)),
    ]),
  };
  return tableMarkup(table, (text, column, row) => {
    const section = measured[row];
    if (column !== 0 || section === undefined) return { content: text };
    return { content: element('a', { href: `#${sectionId(section)}` }, text) };
  });
}

function overviewCell({ rows, reference }: Section, target: string): string {
  const row = rows.find(({ target: { id } }) => id === target);
  const cost = row && over(row, cpuPerRequest)?.median;
  if (cost === undefined) return row === undefined ? '' : NOT_MEASURED;
  const own = reference && over(reference, cpuPerRequest)?.median;
  return own === undefined || row === reference
    ? figure(cost)
    : `${figure(cost)} (${ratio(own / cost)})`;
}
