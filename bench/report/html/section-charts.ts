/** The charts of a section, as far as there are figures for them. */
import type { Interval } from '../../result.ts';
import { latencyUnit } from '../latency-unit.ts';
import {
  cpuPerRequest,
  flushedWritesPerSecond,
  groupNames,
  hasLargeBlocks,
  medianRound,
  over,
  overGroup,
  type Pick,
  perSecond,
} from '../row-figures.ts';
import type { Row, Section } from '../section.ts';
import { barChart } from './bar-chart.ts';
import type { Markup } from './element.ts';
import { type MarkRow, markChart } from './mark-chart.ts';
import { type TimelineChart, timelineChart } from './timeline-chart.ts';

const PERCENTILES = ['p50', 'p90', 'p99', 'p999'] as const;
const PERCENTILE_NAMES = ['p50', 'p90', 'p99', 'p99.9'];

type Drawn = Markup | undefined;

function bars(section: Section, title: string, unit: string, pick: Pick): Drawn {
  const rows = section.rows.flatMap((row) => {
    const value = over(row, pick);
    return value === undefined ? [] : [{ label: row.target.title, series: row.series, value }];
  });
  return barChart(title, unit, rows);
}

/** Rows of latencies, in one unit that suits them all; a row without all of them is left out. */
function latencyMarks(title: string, rows: readonly MarkRow[]): Drawn {
  const unit = latencyUnit(rows.flatMap(({ values }) => values));
  return markChart(
    { title, unit: unit.name, scale: 'log', marks: PERCENTILE_NAMES },
    rows.map((row) => ({ ...row, values: row.values.map((value) => value / unit.micros) })),
  );
}

const markRow = (row: Row, label: string, medians: readonly (number | undefined)[]): MarkRow[] => {
  const values = medians.filter((value) => value !== undefined);
  return values.length < medians.length ? [] : [{ label, series: row.series, values }];
};

function percentiles({ rows }: Section): Drawn {
  return latencyMarks(
    'Latency',
    rows.flatMap((row) =>
      markRow(
        row,
        row.target.title,
        PERCENTILES.map((name) => over(row, ({ latency }) => latency?.[name])?.median),
      ),
    ),
  );
}

/** A chart for each group, so that the targets stand beside each other. */
function groups({ rows }: Section): Drawn[] {
  const names = [...new Set(rows.flatMap(groupNames))];
  return names.map((name) =>
    latencyMarks(
      `Latency of ${name}`,
      rows.flatMap((row) =>
        markRow(
          row,
          row.target.title,
          PERCENTILES.map((key) => overGroup(row, name, ({ latency }) => latency[key])?.median),
        ),
      ),
    ),
  );
}

function finished({ rows }: Section): Drawn {
  return markChart(
    { title: 'Machines done', unit: 's', scale: 'linear', marks: ['first', 'median', 'last'] },
    rows.flatMap((row) =>
      markRow(
        row,
        row.target.title,
        (['first', 'median', 'last'] as const).map(
          (name) => over(row, ({ finished: done }) => done?.[name])?.median,
        ),
      ),
    ),
  );
}

/** What is left over at the end is a moment with a request or two: their rate would be a spike. */
function withoutRest(intervals: readonly Interval[]): readonly Interval[] {
  const [before, last] = intervals.slice(-2);
  const isRest = before !== undefined && last !== undefined && last.seconds < before.seconds / 2;
  return isRest ? intervals.slice(0, -1) : intervals;
}

/** Over the time of the median round. */
function timelines(section: Section): Drawn[] {
  const series = section.rows.map((row) => ({
    label: row.target.title,
    series: row.series,
    intervals: withoutRest(medianRound(row)?.intervals ?? []),
  }));
  const all = series.flatMap(({ intervals }) => intervals);
  const large = hasLargeBlocks(section);
  const throughput: TimelineChart = {
    title: 'Throughput over time',
    unit: large ? 'MB/s' : 'requests/s',
    scale: 'linear',
    pick: large
      ? ({ bytes, seconds }) => bytes / seconds / 1e6
      : ({ requests, seconds }) => requests / seconds,
  };
  const latency = (name: 'p50' | 'p99'): TimelineChart => {
    const unit = latencyUnit(all.map((interval) => interval[name]));
    return {
      title: `${name} over time`,
      unit: unit.name,
      scale: 'log',
      pick: (interval) => interval[name] / unit.micros,
    };
  };
  return [throughput, latency('p50'), latency('p99')].map((one) => timelineChart(one, series));
}

/** What a connection costs that only stands there. */
function connections(section: Section): Drawn[] {
  return [
    bars(section, 'Memory of a connection', 'KiB', ({ connections: idle }) =>
      idle?.bytesEach === undefined ? undefined : Math.max(0, idle.bytesEach) / 2 ** 10,
    ),
    latencyMarks(
      'Time to connect',
      section.rows.flatMap((row) =>
        markRow(
          row,
          row.target.title,
          PERCENTILES.map((name) => over(row, (cell) => cell.connections?.connect[name])?.median),
        ),
      ),
    ),
  ];
}

export function sectionCharts(section: Section): readonly Markup[] {
  return [
    bars(section, 'Server CPU per request', 'µs', cpuPerRequest),
    bars(section, 'Requests', 'per second', perSecond),
    bars(section, 'Flushed writes', 'per second', flushedWritesPerSecond),
    finished(section),
    percentiles(section),
    ...groups(section),
    ...timelines(section),
    ...connections(section),
  ].flatMap((drawn) => drawn ?? []);
}
