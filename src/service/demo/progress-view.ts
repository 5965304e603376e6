/** Shows machines coming up: a table that is redrawn on a terminal, a line per news anywhere else. */
export interface MachineRow {
  readonly name: string;
  readonly kind: string;
  readonly state: string;
  /** The last thing that is known to have happened. */
  readonly stage: string;
  readonly bytesRead: number;
  readonly cacheUsedBytes: number;
  readonly elapsedMs: number;
}

export interface Screen {
  write(text: string): void;
  readonly isTTY: boolean;
}

const WIDTHS = [10, 11, 9, 24, 11, 12, 8] as const;
const HEADINGS = ['machine', 'firmware', 'state', 'stage', 'read', 'write cache', 'elapsed'];

export class ProgressView {
  readonly #screen: Screen;
  /** Lines of the table on the terminal, to be drawn over. */
  #drawn = 0;
  readonly #told = new Map<string, string>();

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /** A line of its own, above whatever table comes next. */
  say(text: string): void {
    this.#drawn = 0;
    this.#screen.write(`${text}\n`);
  }

  show(rows: readonly MachineRow[]): void {
    if (this.#screen.isTTY) this.#draw(rows);
    else for (const row of rows) this.#tell(row);
  }

  #draw(rows: readonly MachineRow[]): void {
    const lines = [HEADINGS, ...rows.map(cells)].map(columns);
    const up = this.#drawn === 0 ? '' : `\u001b[${this.#drawn}A`;
    this.#screen.write(up + lines.map((line) => `\u001b[2K${line}\n`).join(''));
    this.#drawn = lines.length;
  }

  #tell(row: MachineRow): void {
    const news = `${row.state}: ${row.stage}`;
    if (this.#told.get(row.name) === news) return;
    this.#told.set(row.name, news);
    const read = `${formatMiB(row.bytesRead)} read`;
    const cache = `${formatMiB(row.cacheUsedBytes)} in its write cache`;
    this.#screen.write(
      `  ${row.name} (${row.kind}) ${formatSeconds(row.elapsedMs)} ${news}; ${read}, ${cache}\n`,
    );
  }
}

function cells(row: MachineRow): string[] {
  return [
    row.name,
    row.kind,
    row.state,
    row.stage,
    formatMiB(row.bytesRead),
    formatMiB(row.cacheUsedBytes),
    formatSeconds(row.elapsedMs),
  ];
}

function columns(texts: readonly string[]): string {
  return `  ${texts.map((text, at) => text.padEnd(WIDTHS[at] ?? 0)).join(' ')}`.trimEnd();
}

export function formatMiB(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

export function formatSeconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(0)} s`;
}
