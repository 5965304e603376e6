/** Figures and tables for people. */
import Table from 'cli-table3';

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

export function bytes(count: number): string {
  let value = count;
  let unit = 'B';
  for (const next of UNITS) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return unit === 'B' || value >= 100
    ? `${Math.floor(value)} ${unit}`
    : `${value.toFixed(1)} ${unit}`;
}

export function duration(ms: number | null): string {
  if (ms === null) return '-';
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.floor((ms % 60_000) / 1000)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** In UTC, to the second. */
export function time(iso: string | null): string {
  return iso === null ? '-' : iso.replace('T', ' ').replace(/\.\d+Z$/, 'Z');
}

const PLAIN_CHARS = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};

/** Columns with a heading; no frames and no colours, so that grep and awk can read it. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return 'none\n';
  return draw([head.map((title) => title.toUpperCase()), ...rows]);
}

/** One line for each fact. */
export function facts(rows: readonly (readonly [string, string])[]): string {
  return draw(rows.map(([name, value]) => [`${name}:`, value]));
}

function draw(rows: readonly (readonly string[])[]): string {
  const drawn = new Table({
    chars: PLAIN_CHARS,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  for (const row of rows) drawn.push(row.map(visible));
  return `${drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')}\n`;
}

/** Text that came from elsewhere must not move the cursor of whoever reads it. */
function visible(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, '?');
}
