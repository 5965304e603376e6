/** A result on the terminal and in the files that were asked for. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { CliError, EXIT_REFUSED } from '../../src/cli/cli-error.ts';
import type { CliIo } from '../../src/cli/index.ts';
import { renderHtml, renderMarkdown, renderTable } from '../report/index.ts';
import type { Result } from '../result.ts';

export interface ReportFiles {
  readonly json?: string;
  readonly markdown?: string;
  readonly html?: string;
}

/** @throws CliError that names the file */
export function writeFile(io: CliIo, path: string, text: string): void {
  const full = resolve(io.cwd, path);
  try {
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, text);
  } catch (error) {
    throw new CliError(EXIT_REFUSED, `cannot write ${full}: ${String(error)}`, { cause: error });
  }
}

export function writeReports(io: CliIo, result: Result, files: ReportFiles): void {
  if (files.json !== undefined) {
    writeFile(io, files.json, `${JSON.stringify(result, null, 2)}\n`);
  }
  if (files.markdown !== undefined) writeFile(io, files.markdown, renderMarkdown(result));
  if (files.html !== undefined) writeFile(io, files.html, renderHtml(result));
  io.stdout(`${renderTable(result)}\n`);
}
