/** A result as Markdown, for bench/RESULTS.md. */
import type { Result } from '../result.ts';
import { caveatsOf } from './caveats.ts';
import { figureTable, groupTable } from './figure-table.ts';
import { plainText } from './plain-text.ts';
import { type Section, sectionsOf, sectionTitle } from './section.ts';
import {
  type Bar,
  describeBars,
  describeConditions,
  describeVerification,
  summariseBars,
} from './statements.ts';
import type { Column, Table } from './table.ts';

/** Text that Markdown takes literally, also inside a table. */
export function escapeMarkdown(text: string): string {
  return plainText(text)
    .replaceAll(/[\\|`*_[\]]/g, '\\$&')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;');
}

const heading = ({ name, unit }: Column): string => `${name} ${unit}`.trimEnd();

/** Columns are aligned in the source too, for those who read it there. */
export function markdownTable({ columns, rows }: Table): string {
  const texts = [columns.map(heading), ...rows].map((row) => row.map(escapeMarkdown));
  const widths = columns.map((_, column) =>
    Math.max(3, ...texts.map((row) => row[column]?.length ?? 0)),
  );
  const pad = (text: string, column: number): string => {
    const width = widths[column] ?? 0;
    return columns[column]?.align === 'left' ? text.padEnd(width) : text.padStart(width);
  };
  const line = (row: readonly string[]): string => `| ${row.map(pad).join(' | ')} |`;
  const rule = columns.map(({ align }, column) =>
    align === 'left'
      ? '-'.repeat(widths[column] ?? 3)
      : `${'-'.repeat((widths[column] ?? 3) - 1)}:`,
  );
  const [head = [], ...body] = texts;
  return [line(head), `| ${rule.join(' | ')} |`, ...body.map(line)].join('\n');
}

function renderSection(section: Section): string {
  const groups = groupTable(section);
  return [
    `### ${escapeMarkdown(sectionTitle(section))} (\`${plainText(section.workload.id)}\`)`,
    markdownTable(figureTable(section)),
    ...(groups === undefined ? [] : [markdownTable(groups)]),
    escapeMarkdown(describeVerification(section)),
  ].join('\n\n');
}

function renderBar({ workload, client, demand, value, outcome }: Bar): string {
  const word = outcome === 'MISSED' ? '**MISSED**' : outcome;
  const found = value === '' ? word : `${escapeMarkdown(value)} — ${word}`;
  return `- ${escapeMarkdown(`${workload} (${client}): ${demand}`)}: ${found}`;
}

export function renderMarkdown(result: Result): string {
  const bars = describeBars(result);
  return [
    ...caveatsOf(result).map((caveat) => `**${escapeMarkdown(caveat)}**`),
    '## Conditions',
    describeConditions(result)
      .map(({ name, text }) => `- ${escapeMarkdown(`${name}: ${text}`)}`)
      .join('\n'),
    '## Bars',
    summariseBars(bars),
    ...(bars.length === 0 ? [] : [bars.map(renderBar).join('\n')]),
    '## Figures',
    ...sectionsOf(result).map(renderSection),
    '',
  ]
    .join('\n\n')
    .trimEnd()
    .concat('\n');
}
