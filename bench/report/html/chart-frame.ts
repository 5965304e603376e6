/**
 * What all charts have in common. They are drawn 400 units wide and shown about as wide, several beside
 * each other on a large screen and one below the other on a phone, so that their text keeps its size.
 */
import { figure } from '../number-format.ts';
import { type Child, element, type Markup } from './element.ts';
import { seriesClass } from './palette.ts';

export const WIDTH = 400;

/** Room at both sides, for half of a tick's text. */
export const SIDE = 16;

export const PLOT_WIDTH = WIDTH - 2 * SIDE;

export interface Chart {
  readonly title: string;
  readonly unit: string;
  /** In words, for those who do not see it. */
  readonly description: string;
}

/** A figure with its title above and the drawing below; an empty drawing is left out by the caller. */
export function chart(
  { title, unit, description }: Chart,
  height: number,
  ...drawing: Child[]
): Markup {
  const svg = element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${WIDTH} ${height}`,
      role: 'img',
      'aria-label': `${title}: ${description}`,
    },
    ...drawing,
  );
  const caption = element('figcaption', {}, title, element('span', { class: 'unit' }, ` ${unit}`));
  return element('figure', {}, caption, svg);
}

export const textAt = (
  x: number,
  y: number,
  text: string,
  anchor: 'start' | 'middle' | 'end',
  className?: string,
): Markup => element('text', { x, y, 'text-anchor': anchor, class: className }, text);

export const line = (x1: number, y1: number, x2: number, y2: number, className: string): Markup =>
  element('line', { x1, y1, x2, y2, class: className });

/** Vertical lines at the ticks, and the ticks' figures below. */
export function verticalGrid(
  ticks: readonly number[],
  place: (value: number) => number,
  top: number,
  bottom: number,
): Markup[] {
  return ticks.flatMap((tick) => {
    const x = SIDE + place(tick) * PLOT_WIDTH;
    return [
      line(x, top, x, bottom, 'grid'),
      textAt(x, bottom + 14, tickText(tick), 'middle', 'tick'),
    ];
  });
}

/** `0`, `0.5`, `20`, `1,500`, `20k`: short, since ticks stand close. */
export function tickText(tick: number): string {
  if (tick >= 1e6) return `${Number((tick / 1e6).toPrecision(3))}M`;
  if (tick >= 10_000) return `${Number((tick / 1000).toPrecision(3))}k`;
  return tick >= 1000 ? figure(tick) : String(Number(tick.toPrecision(3)));
}

/** About as wide as a letter and a digit are, of the text that is 12 high. */
const LETTER_WIDTH = 6.8;

/** As much of a name as there is room for; the whole one stands in the tooltip. */
export function shorten(text: string, width: number): string {
  const letters = [...text];
  const room = Math.max(1, Math.floor(width / LETTER_WIDTH));
  return letters.length <= room ? text : `${letters.slice(0, room - 1).join('')}…`;
}

/** What belongs to one target: coloured as it is everywhere, and hidden with it. */
export const seriesGroup = (series: number, tooltip: string, ...children: Child[]): Markup =>
  element('g', { class: seriesClass(series) }, element('title', {}, tooltip), ...children);

export const ROW_HEIGHT = 36;
export const FIRST_ROW = 6;

/** The line above a row's marks: whose they are, and the figure. */
export const rowLabel = (top: number, label: string, value: string): Markup[] => [
  textAt(
    SIDE,
    top + 12,
    shorten(label, PLOT_WIDTH - (value.length + 1) * LETTER_WIDTH),
    'start',
    'label',
  ),
  textAt(WIDTH - SIDE, top + 12, value, 'end', 'value'),
];
