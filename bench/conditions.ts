/** What a run was made on: figures without it cannot be compared. */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import type { Options } from './options.ts';

export interface Conditions {
  readonly date: string;
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly distribution: string;
  readonly client: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly options: Options;
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
  client: string,
  versions: Readonly<Record<string, string>>,
  options: Options,
): Conditions {
  return {
    date: date.toISOString(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
    kernel: release(),
    distribution: distribution(),
    client,
    versions,
    options,
  };
}
