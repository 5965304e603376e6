/** A result for the terminal: the same tables and sentences as Markdown has, drawn. */
import CliTable from 'cli-table3';
import type { Result } from '../result.ts';
import { caveatsOf } from './caveats.ts';
import { figureTable, groupTable } from './figure-table.ts';
import { plainText } from './plain-text.ts';
import { type Section, sectionsOf, sectionTitle } from './section.ts';
import {
  describeBars,
  describeConditions,
  describeVerification,
  summariseBars,
} from './statements.ts';
import { type Table, textColumn } from './table.ts';

/** Drawn without colours: it may go to a file. Units stand on a line of their own, which saves width. */
export function terminalTable({ columns, rows }: Table): string {
  const table = new CliTable({
    head: columns.map(({ name, unit }) => [name, unit].map(plainText).join('\n').trimEnd()),
    colAligns: columns.map(({ align }) => align),
    style: { head: [], border: [], compact: true },
  });
  table.push(...rows.map((row) => row.map(plainText)));
  return table.toString();
}

function renderSection(section: Section): string {
  const groups = groupTable(section);
  return [
    plainText(`${sectionTitle(section)} (${section.workload.id})`),
    terminalTable(figureTable(section)),
    ...(groups === undefined ? [] : [terminalTable(groups)]),
    plainText(describeVerification(section)),
  ].join('\n');
}

export function renderTable(result: Result): string {
  const bars = describeBars(result);
  const barTable: Table = {
    columns: ['workload', 'client', 'bar', 'measured', ''].map(textColumn),
    rows: bars.map((bar) => [bar.workload, bar.client, bar.demand, bar.value, bar.outcome]),
  };
  return [
    describeConditions(result)
      .map(({ name, text }) => plainText(`${name}: ${text}`))
      .join('\n'),
    ...sectionsOf(result).map(renderSection),
    [...(bars.length === 0 ? [] : [terminalTable(barTable)]), summariseBars(bars)].join('\n'),
    ...caveatsOf(result),
    '',
  ].join('\n\n');
}
