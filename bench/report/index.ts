/** STUB with the exports of colleague D's bench/report/index.ts, which replaces it. */
import { RESULT_FORMAT, type Result } from '../result.ts';

export class ComparisonRefused extends Error {}
export class InvalidResult extends Error {}

export function readResult(text: string): Result {
  const result = JSON.parse(text) as Result;
  if (result.format !== RESULT_FORMAT) throw new InvalidResult(`format ${result.format}`);
  return result;
}

export function renderTable({ cells, verdicts }: Result): string {
  const rows = cells.map(
    ({ target, workload, client, server, perSecond, latency }) =>
      `${workload} ${target} ${client}: ${server?.cpuMicrosPerRequest.toFixed(1) ?? '-'} µs/request, ${Math.round(perSecond)}/s, p99 ${latency?.p99.toFixed(0) ?? '-'} µs`,
  );
  const bars = verdicts.map(
    ({ workload, target, client, statistic, peer, value, unit, holds }) =>
      `${workload} ${target} by ${client}, ${statistic} over ${peer ?? 'nothing'}: ${value?.toFixed(2) ?? '-'} ${unit} ${holds === undefined ? 'not measured' : holds ? 'holds' : 'MISSED'}`,
  );
  return `${[...rows, '', 'Bars', ...bars].join('\n')}\n`;
}

export function renderMarkdown(result: Result): string {
  return `# Benchmark\n\n\`\`\`\n${renderTable(result)}\`\`\`\n`;
}

export function renderHtml(result: Result): string {
  return `<!doctype html><title>Benchmark</title><pre>${renderTable(result)}</pre>\n`;
}

export function compareResults(
  a: Result,
  b: Result,
  { force }: { readonly force: boolean } = { force: false },
): readonly Result[] {
  if (a.conditions.cpu !== b.conditions.cpu && !force) throw new ComparisonRefused('other CPU');
  return [a, b];
}

export function renderComparison(comparison: readonly Result[]): string {
  return comparison.map(renderTable).join('\n');
}
