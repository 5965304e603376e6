/** `rootcast bench compare`, `rootcast bench report`: what a run said, read again. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { CliError, EXIT_REFUSED } from '../../src/cli/cli-error.ts';
import type { CliIo } from '../../src/cli/index.ts';
import { usageError } from '../options.ts';
import {
  ComparisonRefused,
  compareResults,
  readResult,
  renderComparison,
} from '../report/index.ts';
import type { Result } from '../result.ts';
import { type ReportFiles, writeReports } from './write-reports.ts';

/** @throws CliError that names the file and what is wrong with it */
function readResultFile(io: CliIo, path: string): Result {
  const full = resolve(io.cwd, path);
  try {
    return readResult(readFileSync(full, 'utf8'));
  } catch (error) {
    throw usageError(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export function compareCommand(io: CliIo): Command {
  return new Command('compare')
    .description('one run beside another; refused when their conditions differ')
    .argument('<before.json>', 'result of the first run')
    .argument('<after.json>', 'result of the second run')
    .option('--force', 'compare all the same')
    .action((before: string, after: string, { force }: { readonly force?: true }) => {
      const [first, second] = [readResultFile(io, before), readResultFile(io, after)];
      try {
        const comparison = compareResults(first, second, { force: force === true });
        io.stdout(`${renderComparison(comparison)}\n`);
      } catch (error) {
        if (!(error instanceof ComparisonRefused)) throw error;
        throw new CliError(EXIT_REFUSED, `${error.message}\n(--force compares all the same)`);
      }
    });
}

export function reportCommand(io: CliIo): Command {
  return new Command('report')
    .description('a result as tables, a page or Markdown')
    .argument('<result.json>', 'result of a run')
    .option('--html <file>', 'a page with charts')
    .option('--markdown <file>', 'the tables as Markdown')
    .action((path: string, files: ReportFiles) => {
      writeReports(io, readResultFile(io, path), files);
    });
}
