/** A figure over the time of one measurement, a line for each target. */
import type { Interval } from '../../result.ts';
import { figure } from '../number-format.ts';
import { chart, line, SIDE, seriesGroup, textAt, tickText, WIDTH } from './chart-frame.ts';
import { element, type Markup } from './element.ts';
import { dashOf } from './palette.ts';
import { linearScale, logScale, type Scale } from './scale.ts';

export interface TimelineSeries {
  readonly label: string;
  readonly series: number;
  readonly intervals: readonly Interval[];
}

export interface TimelineChart {
  readonly title: string;
  readonly unit: string;
  readonly scale: 'linear' | 'log';
  readonly pick: (interval: Interval) => number;
}

interface Point {
  readonly at: number;
  /** Undefined: nothing to show then (no request ended); the line has a gap. */
  readonly value: number | undefined;
}

const TOP = 8;
const BOTTOM = 188;
const HEIGHT = 220;
/** Room for the ticks' figures. */
const LEFT = 44;
const RIGHT = WIDTH - SIDE;

/** With more points than these a point is narrower than a finger or a mouse can hit. */
const MAX_HOVER_POINTS = 60;

function pointsOf({ intervals }: TimelineSeries, { scale, pick }: TimelineChart): readonly Point[] {
  return intervals.map((interval) => {
    const value = pick(interval);
    const shown = Number.isFinite(value) && (scale === 'linear' || value > 0);
    return { at: interval.at + interval.seconds / 2, value: shown ? value : undefined };
  });
}

interface Axes {
  readonly x: (seconds: number) => number;
  readonly y: (value: number) => number;
  readonly time: Scale;
  readonly values: Scale;
}

function axesOf(kind: TimelineChart['scale'], end: number, values: readonly number[]): Axes {
  const time = linearScale(end, 5);
  const largest = Math.max(0, ...values);
  const scale = kind === 'linear' ? linearScale(largest) : logScale(Math.min(...values), largest);
  // Time ends where the measurement does, not at the next round number.
  const x = (seconds: number): number => LEFT + Math.min(1, seconds / end) * (RIGHT - LEFT);
  return { x, y: (value) => BOTTOM - scale.place(value) * (BOTTOM - TOP), time, values: scale };
}

/** Gaps stay gaps. */
function path(points: readonly Point[], { x, y }: Axes): string {
  let isDrawing = false;
  const steps: string[] = [];
  for (const { at, value } of points) {
    if (value !== undefined) {
      steps.push(`${isDrawing ? 'L' : 'M'}${x(at).toFixed(1)} ${y(value).toFixed(1)}`);
    }
    isDrawing = value !== undefined;
  }
  return steps.join('');
}

/** With tooltips, when there are not too many; a point between two gaps is no line, and is drawn always. */
function marks(points: readonly Point[], axes: Axes, label: string, unit: string): Markup[] {
  return points.flatMap(({ at, value }, index) => {
    const isLone = points[index - 1]?.value === undefined && points[index + 1]?.value === undefined;
    if (value === undefined || (points.length > MAX_HOVER_POINTS && !isLone)) return [];
    const tooltip = `${label}, ${figure(at)} s: ${figure(value)} ${unit}`;
    const className = isLone ? 'point lone' : 'point';
    const place = { cx: axes.x(at), cy: axes.y(value), r: 2.5, class: className };
    return [element('circle', place, element('title', {}, tooltip))];
  });
}

function grid({ x, y, time, values }: Axes, end: number): Markup[] {
  return [
    ...values.ticks.flatMap((tick) => [
      line(LEFT, y(tick), RIGHT, y(tick), 'grid'),
      textAt(LEFT - 6, y(tick) + 4, tickText(tick), 'end', 'tick'),
    ]),
    ...time.ticks
      .filter((tick) => tick <= end * 1.001)
      .map((tick) => textAt(x(tick), BOTTOM + 16, `${tickText(tick)} s`, 'middle', 'tick')),
    line(LEFT, BOTTOM, RIGHT, BOTTOM, 'axis'),
  ];
}

/** Undefined when no target has a line. */
export function timelineChart(
  described: TimelineChart,
  series: readonly TimelineSeries[],
): Markup | undefined {
  const lines = series.map((one) => ({ ...one, points: pointsOf(one, described) }));
  const values = lines.flatMap(({ points }) => points.flatMap(({ value }) => value ?? []));
  if (values.length === 0) return undefined;
  const end = Math.max(
    ...series.flatMap(({ intervals }) => intervals.map(({ at, seconds }) => at + seconds)),
  );
  const axes = axesOf(described.scale, end, values);
  const { title, unit } = described;
  const drawn = lines.map(({ label, series: index, points }) =>
    seriesGroup(
      index,
      label,
      element('path', {
        d: path(points, axes),
        class: 'line',
        'stroke-dasharray': dashOf(index),
      }),
      marks(points, axes, label, unit),
    ),
  );
  return chart(
    {
      title,
      unit: described.scale === 'log' ? `${unit}, logarithmic` : unit,
      description: `over ${figure(end)} seconds for ${lines.map(({ label }) => label).join(', ')}`,
    },
    HEIGHT,
    grid(axes, end),
    drawn,
  );
}
