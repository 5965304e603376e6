/** Horizontal bars: the median of each target, with a whisker from minimum to maximum over the rounds. */

import type { Spread } from '../../statistics.ts';
import { figure, figureRange } from '../number-format.ts';
import {
  type Chart,
  chart,
  FIRST_ROW,
  line,
  PLOT_WIDTH,
  ROW_HEIGHT,
  rowLabel,
  SIDE,
  seriesGroup,
  verticalGrid,
} from './chart-frame.ts';
import { element, type Markup } from './element.ts';
import { linearScale, type Scale } from './scale.ts';

export interface BarRow {
  readonly label: string;
  readonly series: number;
  readonly value: Spread;
}

const BAR_TOP = 17;
const BAR_HEIGHT = 12;
const CAP = 3;

function whisker({ min, max }: Spread, scale: Scale, middle: number): Markup[] {
  const [left, right] = [
    SIDE + scale.place(min) * PLOT_WIDTH,
    SIDE + scale.place(max) * PLOT_WIDTH,
  ];
  return [
    line(left, middle, right, middle, 'whisker'),
    line(left, middle - CAP, left, middle + CAP, 'whisker'),
    line(right, middle - CAP, right, middle + CAP, 'whisker'),
  ];
}

/** Undefined when there is nothing to draw. */
export function barChart(title: string, unit: string, rows: readonly BarRow[]): Markup | undefined {
  if (rows.length === 0) return undefined;
  const scale = linearScale(Math.max(...rows.map(({ value }) => value.max)));
  const bottom = FIRST_ROW + rows.length * ROW_HEIGHT;
  const described: Chart = {
    title,
    unit,
    description: rows.map(({ label, value }) => `${label} ${figure(value.median)}`).join(', '),
  };
  const bars = rows.map(({ label, series, value }, index) => {
    const top = FIRST_ROW + index * ROW_HEIGHT;
    const tooltip = `${label}: ${figureRange(value)} ${unit}`;
    const width = scale.place(value.median) * PLOT_WIDTH;
    const bar = { x: SIDE, y: top + BAR_TOP, width, height: BAR_HEIGHT, class: 'bar' };
    return seriesGroup(
      series,
      tooltip,
      rowLabel(top, label, figure(value.median)),
      element('rect', bar),
      value.min === value.max ? undefined : whisker(value, scale, top + BAR_TOP + BAR_HEIGHT / 2),
    );
  });
  return chart(
    described,
    bottom + 18,
    verticalGrid(scale.ticks, scale.place, FIRST_ROW, bottom),
    bars,
  );
}
