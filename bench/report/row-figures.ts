/** The figures of a row: what its rounds say together, where they say anything. */
import type { Cell, Group, Latency } from '../result.ts';
import { type Spread, spread } from '../statistics.ts';
import type { Row, Section } from './section.ts';

/** Undefined: this cell has no such figure. */
export type Pick = (cell: Cell) => number | undefined;

/** From here on bytes per second say more than requests per second alone. */
const LARGE_BLOCK_BYTES = 16 * 2 ** 10;

/** Over the values that there are; undefined when there are none. */
export function spreadOf(values: readonly (number | undefined)[]): Spread | undefined {
  const measured = values.filter((value) => value !== undefined).filter(Number.isFinite);
  return measured.length === 0 ? undefined : spread(measured);
}

export const over = (row: Row, pick: Pick): Spread | undefined => spreadOf(row.cells.map(pick));

export const has = (section: Section, pick: Pick): boolean =>
  section.rows.some((row) => over(row, pick) !== undefined);

/** Where nothing was requested there is nothing to divide by. */
export const cpuPerRequest: Pick = ({ requests, server }) =>
  requests === 0 ? undefined : server?.cpuMicrosPerRequest;

export const perSecond: Pick = (cell) => (cell.requests === 0 ? undefined : cell.perSecond);

export const latencyOf =
  (name: keyof Latency): Pick =>
  ({ latency }) =>
    latency?.[name];

/** Share of one core that the server took. */
export const cpuShare: Pick = ({ server, seconds }) =>
  server === undefined ? undefined : server.cpuSeconds / seconds;

/** Share of one core that the server's busiest thread took. */
export const busiestThreadShare: Pick = ({ server, seconds }) =>
  server === undefined ? undefined : server.busiestThreadSeconds / seconds;

const groupNamed = (cell: Cell, name: string): Group | undefined =>
  cell.groups.find((group) => group.name === name);

/** A write and its flush are one request, unless the cell counts the flushes by themselves. */
export const flushedWritesPerSecond: Pick = (cell) => {
  if (cell.workload !== 'flush-1' && cell.workload !== 'flush-32') return undefined;
  const flushes = groupNamed(cell, 'flush');
  return flushes === undefined ? cell.perSecond : flushes.requests / cell.seconds;
};

export function hasLargeBlocks(section: Section): boolean {
  const size = spreadOf(
    section.rows.flatMap(({ cells }) => cells.map(({ bytes, requests }) => bytes / requests)),
  );
  return size !== undefined && size.median >= LARGE_BLOCK_BYTES;
}

/** Names of the groups of a row, in the order in which they first appear. */
export function groupNames(row: Row): readonly string[] {
  return [...new Set(row.cells.flatMap(({ groups }) => groups.map(({ name }) => name)))];
}

/** A figure of one group over the rounds. */
export function overGroup(
  row: Row,
  name: string,
  pick: (group: Group, cell: Cell) => number,
): Spread | undefined {
  return spreadOf(
    row.cells.map((cell) => {
      const group = groupNamed(cell, name);
      return group === undefined ? undefined : pick(group, cell);
    }),
  );
}

/** The round in the middle by requests per second (of an even number the slower of the two). */
export function medianRound(row: Row): Cell | undefined {
  const sorted = [...row.cells].sort((a, b) => a.perSecond - b.perSecond);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

/** Bytes that were compared with what they must be, over all rounds; undefined: none were. */
export function verifiedBytes(row: Row): number | undefined {
  const counts = row.cells.flatMap(({ verified }) =>
    verified === undefined ? [] : [verified.bytes],
  );
  return counts.length === 0 ? undefined : counts.reduce((sum, bytes) => sum + bytes, 0);
}
