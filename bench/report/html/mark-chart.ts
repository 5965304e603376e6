/** Several marks on one line for each row: percentiles of a latency, or when machines were done. */
import { figure } from '../number-format.ts';
import {
  chart,
  FIRST_ROW,
  line,
  PLOT_WIDTH,
  ROW_HEIGHT,
  rowLabel,
  SIDE,
  seriesGroup,
  textAt,
  verticalGrid,
} from './chart-frame.ts';
import { element, type Markup } from './element.ts';
import { linearScale, logScale, type Scale } from './scale.ts';

export interface MarkRow {
  readonly label: string;
  readonly series: number;
  /** As many as the chart has names for. */
  readonly values: readonly number[];
}

export interface MarkChart {
  readonly title: string;
  readonly unit: string;
  readonly scale: 'linear' | 'log';
  /** In ascending order; at most as many as there are shapes. */
  readonly marks: readonly string[];
}

const MARKS_AT = 24;
const SIZE = 4.5;

/** Told apart by their form, since the colour is the target's. */
const SHAPES: readonly ((x: number, y: number) => Markup)[] = [
  (x, y) => element('circle', { cx: x, cy: y, r: SIZE, class: 'mark' }),
  (x, y) =>
    polygon(
      [
        [x, y - SIZE],
        [x + SIZE, y],
        [x, y + SIZE],
        [x - SIZE, y],
      ],
      'mark hollow',
    ),
  (x, y) =>
    polygon(
      [
        [x - SIZE, y - SIZE],
        [x + SIZE, y - SIZE],
        [x + SIZE, y + SIZE],
        [x - SIZE, y + SIZE],
      ],
      'mark',
    ),
  (x, y) =>
    polygon(
      [
        [x, y - SIZE],
        [x + SIZE, y + SIZE],
        [x - SIZE, y + SIZE],
      ],
      'mark hollow',
    ),
];

function polygon(points: readonly (readonly [number, number])[], className: string): Markup {
  const written = points.map((point) => point.map((at) => at.toFixed(1)).join(',')).join(' ');
  return element('polygon', { points: written, class: className });
}

function scaleOf(kind: MarkChart['scale'], values: readonly number[]): Scale {
  const positive = values.filter((value) => value > 0);
  switch (kind) {
    case 'linear':
      return linearScale(Math.max(0, ...values));
    case 'log':
      return logScale(Math.min(...positive), Math.max(...positive));
  }
}

/** Which form stands for which figure. */
function legend(marks: readonly string[], y: number): Markup[] {
  const step = PLOT_WIDTH / marks.length;
  return marks.flatMap((name, index) => {
    const x = SIDE + index * step + SIZE;
    const shape = SHAPES[index]?.(x, y - 4);
    return [...(shape === undefined ? [] : [shape]), textAt(x + 9, y, name, 'start', 'tick')];
  });
}

/** Undefined when there is nothing to draw. */
export function markChart(described: MarkChart, rows: readonly MarkRow[]): Markup | undefined {
  if (rows.length === 0) return undefined;
  const { title, unit, marks } = described;
  const scale = scaleOf(
    described.scale,
    rows.flatMap(({ values }) => values),
  );
  const bottom = FIRST_ROW + rows.length * ROW_HEIGHT;
  const place = (value: number): number => SIDE + scale.place(value) * PLOT_WIDTH;
  const told = (values: readonly number[]): string =>
    values.map((value, index) => `${marks[index] ?? ''} ${figure(value)}`).join(', ');
  const drawn = rows.map(({ label, series, values }, index) => {
    const top = FIRST_ROW + index * ROW_HEIGHT;
    const y = top + MARKS_AT;
    const ends = [Math.min(...values), Math.max(...values)].map(place);
    return seriesGroup(
      series,
      `${label}: ${told(values)} ${unit}`,
      rowLabel(top, label, values.map(figure).join(' · ')),
      line(ends[0] ?? SIDE, y, ends[1] ?? SIDE, y, 'range'),
      values.map((value, mark) => SHAPES[mark]?.(place(value), y)),
    );
  });
  return chart(
    {
      title,
      unit: described.scale === 'log' ? `${unit}, logarithmic` : unit,
      description: rows.map(({ label, values }) => `${label} ${told(values)}`).join('; '),
    },
    bottom + 38,
    verticalGrid(scale.ticks, scale.place, FIRST_ROW, bottom),
    drawn,
    element('g', { class: 'shapes' }, legend(marks, bottom + 32)),
  );
}
