/** What a run was made on: figures without it cannot be compared. */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';

/** How the run was made, as far as it changes the figures. */
export interface RunOptions {
  readonly rounds: number;
  /** Per cell that is measured by time. */
  readonly seconds: number;
  /** Seconds for which every server is warmed up after each start (warm-up.ts). */
  readonly warmUp: number;
  /** How long a cell waits for a quiet machine, in seconds; 0 takes the machine as it is. */
  readonly patience: number;
  readonly imageBytes: number;
  /** The area that the write workloads touch. */
  readonly writeBytes: number;
  /** A check that everything works: fewer machines, less time. Its figures are no verdict. */
  readonly quick: boolean;
}

export interface Conditions {
  readonly date: string;
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** One, five and fifteen minutes before the run, as the kernel says it. */
  readonly loadAverage: readonly number[];
  readonly kernel: string;
  readonly distribution: string;
  /** The clients in words. */
  readonly client: string;
  /** Version of every client that took part. */
  readonly clients: { readonly rootcast?: string; readonly fio?: string };
  /** Version of every target that took part, by its id. */
  readonly versions: Readonly<Record<string, string>>;
  readonly options: RunOptions;
}

function distribution(): string {
  try {
    const text = readFileSync('/etc/os-release', 'utf8');
    return /^PRETTY_NAME="?([^"\n]*)/m.exec(text)?.[1] ?? 'unknown';
  } catch {
    return 'unknown';
  }
}

export function readConditions(
  date: Date,
  clients: Conditions['clients'],
  versions: Conditions['versions'],
  options: RunOptions,
): Conditions {
  return {
    date: date.toISOString(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
    loadAverage: loadavg(),
    kernel: release(),
    distribution: distribution(),
    client: Object.values(clients).join('; '),
    clients,
    versions,
    options,
  };
}
