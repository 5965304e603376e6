/** The figures as Markdown. */
import type { Figures } from './measure.ts';
import type { Options } from './options.ts';
import type { Quantiles } from './statistics.ts';

export interface Result {
  readonly date: string;
  readonly cpu: string;
  readonly cpus: number;
  readonly kernel: string;
  readonly node: string;
  readonly options: Options;
  /** Resident memory of the service with the same machines and no overlays, in bytes. */
  readonly bareBytes: number;
  readonly figures: readonly Figures[];
}

/** What the overlays of `figures` cost the service in memory, in bytes. */
export const metadataBytes = ({ bareBytes }: Result, { readyBytes }: Figures): number =>
  readyBytes - bareBytes;

const BAR_BYTES = 2 ** 30;
const BAR_OPEN_MS = 5;
const BAR_RESTART_MS = 10_000;

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
const kib = (bytes: number): string => `${(bytes / 2 ** 10).toFixed(0)} KiB`;
const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
const spread = ({ p50, p99, max }: Quantiles): string =>
  [p50, p99, max].map((ms) => ms.toFixed(2)).join(' / ');

export function formatResult(result: Result): string {
  const { options, figures } = result;
  const empty = figures.find(({ distribution }) => distribution === 'empty');
  const perMachine = (bytes: number): string => kib(bytes / options.machines);
  const rows: readonly (readonly [string, (each: Figures) => string])[] = [
    ['map pages in use, a machine', (each) => each.pagesPerMachine.toFixed(0)],
    ['overlay metadata in memory, all machines', (each) => mib(metadataBytes(result, each))],
    ['… a machine', (each) => perMachine(metadataBytes(result, each))],
    [
      '… a machine, beyond an empty overlay',
      (each) => (empty ? perMachine(each.readyBytes - empty.readyBytes) : '—'),
    ],
    ['RSS of the service, ready', (each) => mib(each.readyBytes)],
    ['RSS of the service, all connected', (each) => mib(each.connectedBytes)],
    ['start to ready', (each) => seconds(each.readyMs)],
    ['recoverOverlay, ms p50 / p99 / max', (each) => spread(each.recoverMs)],
    ['… in C, the least that it takes here', (each) => (each.floorMs ? spread(each.floorMs) : '—')],
    ['recoverOverlay after a restart of the host', (each) => spread(each.rebootedRecoverMs)],
    ['connect and open over NBD, ms p50 / p99 / max', (each) => spread(each.connectMs)],
    ['kill -9 to ready', (each) => seconds(each.restartMs)],
    ['kill -9 to all connected again', (each) => seconds(each.reconnectedMs)],
  ];
  const header = ['', ...figures.map(({ distribution }) => distribution)];
  const lines = [
    header,
    header.map((_, column) => (column === 0 ? '---' : '---:')),
    ...rows.map(([title, of]) => [title, ...figures.map(of)]),
  ].map((cells) => `| ${cells.join(' | ')} |`);
  return `${[
    `${options.machines} machines, a vDisk of ${options.diskBytes / 2 ** 30} GiB, ` +
      `${options.written * 100} % of each written; ${result.date}, ` +
      `${result.cpus} × ${result.cpu}, Linux ${result.kernel}, Node.js ${result.node}`,
    'The data volumes are sparse files without data; the map volumes say what would be there.',
    lines.join('\n'),
    formatBars(result),
  ].join('\n\n')}\n`;
}

/** The bar is for the clustered distribution; undefined ones were not measured. */
function formatBars(result: Result): string {
  const figures = result.figures.find(({ distribution }) => distribution === 'clustered');
  if (figures === undefined) return 'The bar is for `clustered`, which was not measured.';
  const bytes = metadataBytes(result, figures);
  const open = figures.recoverMs;
  const holds = (isSo: boolean): string => (isSo ? 'holds' : '**MISSED**');
  return [
    `- overlay metadata at most 1 GiB in all: ${mib(bytes)} — ${holds(bytes <= BAR_BYTES)}`,
    `- each opens in less than ${BAR_OPEN_MS} ms: p99 ${open.p99.toFixed(2)} ms, longest ${open.max.toFixed(2)} ms — ${holds(open.p99 < BAR_OPEN_MS)}`,
    `- kill -9 to all connected in less than ${BAR_RESTART_MS / 1000} s: ${seconds(figures.reconnectedMs)} — ${holds(figures.reconnectedMs < BAR_RESTART_MS)}`,
  ].join('\n');
}
