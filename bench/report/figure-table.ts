/** The table of a section: the servers beside each other. A column is there when a row has its figure. */
import { type LatencyUnit, latencyUnit } from './latency-unit.ts';
import { figure, figureRange, NOT_MEASURED, percent, ratio } from './number-format.ts';
import {
  busiestThreadShare,
  cpuPerRequest,
  cpuShare,
  flushedWritesPerSecond,
  groupNames,
  has,
  hasLargeBlocks,
  latencyOf,
  over,
  overGroup,
  type Pick,
  perSecond,
} from './row-figures.ts';
import type { Row, Section } from './section.ts';
import { type Column, numberColumn, type Table, textColumn } from './table.ts';

interface FilledColumn {
  readonly column: Column;
  readonly text: (row: Row) => string;
}

/** Undefined: the column is not of use in this section. */
type ColumnRule = (section: Section) => FilledColumn | undefined;

const MB = 1e6;

/** Medians, or medians with minimum and maximum, of a figure in a unit. */
function numbers(
  name: string,
  unit: string,
  pick: Pick,
  write: (value: number) => string = figure,
): ColumnRule {
  return (section) =>
    has(section, pick)
      ? {
          column: numberColumn(name, unit),
          text: (row) => {
            const all = over(row, pick);
            return all === undefined ? NOT_MEASURED : write(all.median);
          },
        }
      : undefined;
}

const withRange =
  (name: string, unit: string, pick: Pick): ColumnRule =>
  (section) =>
    has(section, pick)
      ? {
          column: numberColumn(name, unit),
          text: (row) => {
            const all = over(row, pick);
            return all === undefined ? NOT_MEASURED : figureRange(all);
          },
        }
      : undefined;

/** In the unit that suits the column. */
const latency =
  (name: string, pick: Pick): ColumnRule =>
  (section) => {
    const medians = section.rows.flatMap((row) => over(row, pick)?.median ?? []);
    const unit = latencyUnit(medians);
    const scaled: Pick = (cell) => {
      const value = pick(cell);
      return value === undefined ? undefined : value / unit.micros;
    };
    return numbers(name, unit.name, scaled)(section);
  };

const when =
  (applies: (section: Section) => boolean, rule: ColumnRule): ColumnRule =>
  (section) =>
    applies(section) ? rule(section) : undefined;

const noisy: ColumnRule = () => ({
  column: numberColumn('noisy'),
  text: ({ cells }) => {
    const count = cells.filter((cell) => cell.noisy).length;
    return count === 0 ? '' : `${count} of ${cells.length}`;
  },
});

/** What the reference costs as a share of each: below 1 the reference is cheaper. */
const ratioToReference: ColumnRule = ({ reference }) => {
  const own = reference && over(reference, cpuPerRequest)?.median;
  if (reference === undefined || own === undefined) return undefined;
  return {
    column: numberColumn(`CPU: ${reference.target.title} ÷ this`),
    text: (row) => {
      const cost = over(row, cpuPerRequest)?.median;
      return cost === undefined ? NOT_MEASURED : ratio(own / cost);
    },
  };
};

const usesWorkers = ({ workload: { id } }: Section): boolean =>
  id === 'one-worker' || id === 'two-workers';

const COLUMNS: readonly ColumnRule[] = [
  withRange('CPU', 'µs/request', cpuPerRequest),
  when((section) => !has(section, cpuPerRequest), numbers('CPU', 'of a core', cpuShare, percent)),
  when(usesWorkers, numbers('busiest thread', 'of a core', busiestThreadShare, percent)),
  numbers('requests', '/s', perSecond),
  when(
    hasLargeBlocks,
    numbers('data', 'MB/s', ({ bytesPerSecond }) => bytesPerSecond / MB),
  ),
  withRange('flushed writes', '/s', flushedWritesPerSecond),
  latency('p50', latencyOf('p50')),
  latency('p99', latencyOf('p99')),
  latency('p99.9', latencyOf('p999')),
  numbers('first done', 's', ({ finished }) => finished?.first),
  numbers('median done', 's', ({ finished }) => finished?.median),
  withRange('last done', 's', ({ finished }) => finished?.last),
  numbers('connections', '', ({ connections }) => connections?.count),
  numbers('memory', 'KiB/connection', ({ connections }) =>
    connections?.bytesEach === undefined ? undefined : connections.bytesEach / 2 ** 10,
  ),
  latency('connect p50', ({ connections }) => connections?.connect.p50),
  latency('connect p99', ({ connections }) => connections?.connect.p99),
  withRange('origin', 'requests', ({ originRequests }) => originRequests),
  numbers('RSS', 'MiB', ({ server }) =>
    server === undefined ? undefined : server.residentBytes / 2 ** 20,
  ),
  numbers('idle', 'before', ({ idleBefore }) => idleBefore, percent),
  noisy,
  ratioToReference,
];

export function figureTable(section: Section): Table {
  const filled = COLUMNS.flatMap((rule) => rule(section) ?? []);
  return {
    columns: [textColumn('server'), ...filled.map(({ column }) => column)],
    rows: section.rows.map((row) => [row.target.title, ...filled.map(({ text }) => text(row))]),
  };
}

/** What each kind of request, or each group of machines, saw; undefined where all were alike. */
export function groupTable(section: Section): Table | undefined {
  const pairs = section.rows.flatMap((row) => groupNames(row).map((name) => ({ row, name })));
  if (pairs.length === 0) return undefined;
  const percentiles = (['p50', 'p99', 'p999'] as const).map((key) => {
    const values = pairs.map(
      ({ row, name }) => overGroup(row, name, ({ latency: of }) => of[key])?.median,
    );
    const unit = latencyUnit(values.filter((value) => value !== undefined));
    return { unit, title: key === 'p999' ? 'p99.9' : key, values };
  });
  const median = (row: Row, name: string, pick: Parameters<typeof overGroup>[2]): string =>
    figure(overGroup(row, name, pick)?.median ?? Number.NaN);
  return {
    columns: [
      textColumn('server'),
      textColumn('group'),
      numberColumn('requests', '/s'),
      numberColumn('data', 'MB/s'),
      ...percentiles.map(({ title, unit }) => numberColumn(title, unit.name)),
    ],
    rows: pairs.map(({ row, name }, index) => [
      row.target.title,
      name,
      median(row, name, ({ requests }, { seconds }) => requests / seconds),
      median(row, name, ({ bytes }, { seconds }) => bytes / seconds / MB),
      ...percentiles.map(({ unit, values }) => inUnit(values[index], unit)),
    ]),
  };
}

const inUnit = (micros: number | undefined, unit: LatencyUnit): string =>
  micros === undefined ? NOT_MEASURED : figure(micros / unit.micros);
