/** What was recorded, as `/rrd_updates` and `/host_rrd` tell it (xen-api rrd_updates.ml, rrdtool's xport and dump). */
import { RRD_SAMPLE_SECONDS } from './limits.ts';
import { ARCHIVES, type Archive, lastSlot, type Series } from './series.ts';

export interface Column {
  readonly name: string;
  readonly series: Series;
}

export interface ExportedRows {
  /** Seconds since the epoch: of the first row, and of the last. */
  readonly start: number;
  readonly end: number;
  readonly step: number;
  readonly legend: readonly string[];
  /** The newest first. */
  readonly rows: readonly { readonly t: number; readonly values: readonly number[] }[];
}

/**
 * @param wanted.start seconds since the epoch, or before the last sample if negative
 * @param wanted.interval seconds of a row, at least
 */
export function exportRows(
  columns: readonly Column[],
  sample: number,
  wanted: { readonly start: number; readonly interval: number },
): ExportedRows {
  const last = sample * RRD_SAMPLE_SECONDS;
  const start = wanted.start < 0 ? last + wanted.start : wanted.start;
  const archive = archiveFor(last, start, wanted.interval);
  const { step } = archive;
  const newest = lastSlot(archive, sample);
  const rows: { t: number; values: number[] }[] = [];
  const oldest = Math.max(1, newest - archive.rows + 1, Math.ceil(start / step));
  for (let slot = newest; slot >= oldest; slot--) {
    rows.push({ t: slot * step, values: columns.map(({ series }) => series.at(archive, slot)) });
  }
  return {
    start: Math.floor(start / step) * step + step,
    ...{ end: newest * step, step, rows },
    legend: columns.map(({ name }) => name),
  };
}

/** The one whose rows are asked for; else the finest that goes back far enough, else the one that goes back furthest. */
function archiveFor(last: number, start: number, interval: number): Archive {
  const exact = ARCHIVES.find(({ step }) => step === interval);
  if (exact !== undefined) return exact;
  const coarse = ARCHIVES.filter(({ step }) => step >= interval);
  const found = coarse.find(({ step, rows }) => last - step * rows <= start);
  return found ?? (ARCHIVES.at(-1) as Archive);
}

/** Numbers are texts: JSON has no NaN (since xapi 23.31). */
export function exportJson({ start, end, step, legend, rows }: ExportedRows): string {
  const meta = { start, step, end, rows: rows.length, columns: legend.length, legend };
  const data = rows.map(({ t, values }) => ({ t, values: values.map(numberText) }));
  return JSON.stringify({ meta, data });
}

export function exportXml({ start, end, step, legend, rows }: ExportedRows): string {
  const entries = legend.map((name) => tag('entry', escaped(name))).join('');
  const meta = [
    ['start', start],
    ['step', step],
    ['end', end],
    ['rows', rows.length],
    ['columns', legend.length],
    ['legend', entries],
  ].map(([name, content]) => tag(String(name), String(content)));
  const data = rows.map(({ t, values }) =>
    tag('row', tag('t', String(t)) + values.map((value) => tag('v', numberText(value))).join('')),
  );
  return `${HEAD}${tag('xport', tag('meta', meta.join('')) + tag('data', data.join('')))}`;
}

export interface DumpedSource extends Column {
  readonly last: number;
}

/** All archives of some figures, as rrdtool dumps them (version 0003); rows the oldest first. */
export function dumpXml(sources: readonly DumpedSource[], sample: number): string {
  const head = [
    tag('version', '0003'),
    tag('step', String(RRD_SAMPLE_SECONDS)),
    tag('lastupdate', String(sample * RRD_SAMPLE_SECONDS)),
  ];
  const figures = sources.map(({ name, last }) => {
    const value = numberText(last);
    const facts = { name: escaped(name), type: 'GAUGE', minimal_heartbeat: '300.0000', min: '0.0' };
    const all = { ...facts, max: 'Infinity', last_ds: value, value, unknown_sec: '0' };
    return tag(
      'ds',
      Object.entries(all)
        .map(([key, text]) => tag(key, text))
        .join(''),
    );
  });
  const archives = ARCHIVES.map((archive) => archiveXml(archive, sources, sample));
  return `${HEAD}${tag('rrd', [...head, ...figures, ...archives].join(''))}`;
}

function archiveXml(archive: Archive, sources: readonly DumpedSource[], sample: number): string {
  const rows = rowsOf(archive, sources, sample).map((values) =>
    tag('row', values.map((value) => tag('v', numberText(value))).join('')),
  );
  const samples = archive.step / RRD_SAMPLE_SECONDS;
  return tag(
    'rra',
    tag('cf', 'AVERAGE') +
      tag('pdp_per_row', String(samples)) +
      tag('params', tag('xff', '0.5000')) +
      tag('database', rows.join('')),
  );
}

/** The same as JSON. */
export function dumpJson(sources: readonly DumpedSource[], sample: number): string {
  return JSON.stringify({
    version: '0003',
    step: RRD_SAMPLE_SECONDS,
    lastupdate: sample * RRD_SAMPLE_SECONDS,
    ds: sources.map(({ name, last }) => ({
      ...{ name, type: 'GAUGE', minimal_heartbeat: '300.0000', min: '0.0', max: 'Infinity' },
      ...{ last_ds: numberText(last), value: numberText(last), unknown_sec: 0 },
    })),
    rra: ARCHIVES.map((archive) => ({
      cf: 'AVERAGE',
      pdp_per_row: archive.step / RRD_SAMPLE_SECONDS,
      params: { xff: '0.5000' },
      database: rowsOf(archive, sources, sample).map((values) => values.map(numberText)),
    })),
  });
}

function rowsOf(archive: Archive, sources: readonly Column[], sample: number): readonly number[][] {
  const newest = lastSlot(archive, sample);
  return Array.from({ length: archive.rows }, (_, index) => {
    const slot = newest - archive.rows + 1 + index;
    return sources.map(({ series }) => series.at(archive, slot));
  });
}

const HEAD = '<?xml version="1.0"?>';

const tag = (name: string, content: string): string => `<${name}>${content}</${name}>`;

/** As xapi writes it (rrd_utils.ml, f_to_s): four digits. */
function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  return value.toFixed(4);
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
