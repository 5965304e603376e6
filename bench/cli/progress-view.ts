/** Progress of a run on standard error: a live bar in a terminal, lines elsewhere. */
import { MultiBar, Presets } from 'cli-progress';
import type { CliIo } from '../../src/cli/index.ts';
import type { LoadProgress } from '../load/job.ts';
import type { Cell } from '../result.ts';

export interface ProgressView {
  /** A server has its turn. */
  turn(text: string): void;
  /** What is measured from here on. */
  question(text: string): void;
  progress(progress: LoadProgress): void;
  cell(cell: Cell): void;
  /** Something that must be seen. */
  note(text: string): void;
  stop(): void;
}

const MB = 1e6;

function cellLine(cell: Cell): string {
  const cpu =
    cell.server === undefined ? '' : `${cell.server.cpuMicrosPerRequest.toFixed(1)} µs/request, `;
  const idle = Math.round(cell.idleBefore * 100);
  const foreign = Math.round(cell.foreignShare * 100);
  const noise = `idle before ${idle} %, others meanwhile ${foreign} %${cell.noisy ? ', NOISY' : ''}`;
  const rate = `${Math.round(cell.perSecond)}/s`;
  return `  ${cell.workload} by ${cell.client}: ${cpu}${rate} (${noise})\n`;
}

function progressText({ phase, perSecond, bytesPerSecond, p99 }: LoadProgress): string {
  if (phase !== 'measuring') return phase;
  const megabytes = (bytesPerSecond / MB).toFixed(0);
  return `${Math.round(perSecond)}/s, ${megabytes} MB/s, p99 ${Math.round(p99)} µs`;
}

function lines(io: CliIo): ProgressView {
  return {
    turn: (text) => io.stderr(`${text}\n`),
    question: () => undefined,
    progress: () => undefined,
    cell: (cell) => io.stderr(cellLine(cell)),
    note: (text) => io.stderr(`${text}\n`),
    stop: () => undefined,
  };
}

function live(stream: NodeJS.WritableStream, cells: number): ProgressView {
  const bars = new MultiBar(
    {
      format: '{bar} {value}/{total} {turn}, {question}: {progress}',
      barsize: 20,
      hideCursor: true,
      stream,
    },
    Presets.shades_classic,
  );
  const now = { turn: 'starting', question: 'warming up', progress: '' };
  const bar = bars.create(cells, 0, now);
  return {
    turn(text) {
      Object.assign(now, { turn: text, question: 'warming up', progress: '' });
      bar.update(now);
    },
    question(text) {
      Object.assign(now, { question: text, progress: '' });
      bar.update(now);
    },
    progress(progress) {
      now.progress = progressText(progress);
      bar.update(now);
    },
    cell(cell) {
      bars.log(cellLine(cell));
      bar.increment(1, now);
    },
    note: (text) => bars.log(`${text}\n`),
    stop: () => bars.stop(),
  };
}

/** @param cells how many there will be */
export function progressView(io: CliIo, cells: number): ProgressView {
  return io.terminal === undefined ? lines(io) : live(io.terminal, cells);
}
