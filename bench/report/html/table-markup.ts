/** A table in HTML; wide ones scroll by themselves, not the page. */
import type { Column, Table } from '../table.ts';
import { type Child, element, type Markup } from './element.ts';

/** A heading of more letters may take several lines. */
const LONG_HEADING = 14;

const classes = (...names: (string | false)[]): string | undefined =>
  names.filter((name) => name !== false).join(' ') || undefined;

function headingCell({ name, unit, align }: Column): Markup {
  const isLong = name.length > LONG_HEADING && align === 'right';
  const className = classes(align === 'left' && 'left', isLong && 'long');
  const unitMarkup = unit === '' ? undefined : element('span', { class: 'unit' }, unit);
  return element('th', { scope: 'col', class: className }, name, unitMarkup);
}

/**
 * @param cell the content and class of a cell, where it is more than its text
 */
export function tableMarkup(
  { columns, rows }: Table,
  cell: (text: string, column: number, row: number) => { content: Child; class?: string } = (
    content,
  ) => ({ content }),
): Markup {
  const body = rows.map((row, rowIndex) =>
    element(
      'tr',
      {},
      row.map((text, index) => {
        const { content, class: own } = cell(text, index, rowIndex);
        const className = classes(columns[index]?.align === 'left' && 'left', own ?? false);
        return element('td', { class: className }, content);
      }),
    ),
  );
  const table = element(
    'table',
    {},
    element('thead', {}, element('tr', {}, columns.map(headingCell))),
    element('tbody', {}, body),
  );
  return element('div', { class: 'scroll' }, table);
}
