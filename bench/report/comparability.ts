/** Whether two runs may be compared: a sentence for each thing that was different besides the server. */
import type { Conditions } from '../conditions.ts';
import { MAX_FOREIGN_SHARE } from '../limits.ts';
import type { Cell, Result } from '../result.ts';
import { isQuick } from './caveats.ts';
import {
  MAX_IDLE_DIFFERENCE,
  MAX_MEMORY_DIFFERENCE,
  MAX_NOISY_SHARE,
  MAX_REQUEST_SIZE_DIFFERENCE,
} from './limits.ts';
import { byteCount, figure, percent } from './number-format.ts';
import { spreadOf } from './row-figures.ts';

/**
 * Options that do not change what is measured: where the report goes, which part is measured, how often
 * (the spread says it), and how long a cell waits for a quiet machine (the noise says it).
 */
const HARMLESS_OPTIONS = [
  'json',
  'markdown',
  'html',
  'strict',
  'help',
  'compare',
  'force',
  'only',
  'rounds',
  'patience',
];

/** These have sentences of their own. */
const NAMED_OPTIONS = ['imageBytes', 'quick'];

/** Relative to the larger one. */
const apart = (a: number, b: number): number =>
  a === b ? 0 : Math.abs(a - b) / Math.max(Math.abs(a), Math.abs(b));

const differs = (what: string, a: string, b: string): string =>
  `${what} differs: ${a} in the first run, ${b} in the second.`;

function machineReasons(a: Conditions, b: Conditions): string[] {
  const reasons: string[] = [];
  if (a.cpu !== b.cpu) reasons.push(differs('The CPU model', a.cpu, b.cpu));
  if (a.cpus !== b.cpus) reasons.push(differs('The number of CPUs', `${a.cpus}`, `${b.cpus}`));
  if (apart(a.memoryBytes, b.memoryBytes) > MAX_MEMORY_DIFFERENCE) {
    reasons.push(differs('The memory', byteCount(a.memoryBytes), byteCount(b.memoryBytes)));
  }
  if (a.kernel !== b.kernel) reasons.push(differs('The kernel', a.kernel, b.kernel));
  if (a.client !== b.client) reasons.push(differs('The client', a.client, b.client));
  return reasons;
}

const show = (value: unknown): string =>
  value === undefined ? 'not given' : typeof value === 'string' ? value : JSON.stringify(value);

function optionReasons(a: Conditions, b: Conditions): string[] {
  const first: Readonly<Record<string, unknown>> = { ...a.options };
  const second: Readonly<Record<string, unknown>> = { ...b.options };
  const reasons: string[] = [];
  if (isQuick(first) !== isQuick(second)) {
    const kind = (quick: boolean): string => (quick ? 'quick' : 'full');
    reasons.push(differs('The kind of run', kind(isQuick(first)), kind(isQuick(second))));
  }
  if (a.options.imageBytes !== b.options.imageBytes) {
    const sizes = [a, b].map(({ options }) => byteCount(options.imageBytes));
    reasons.push(differs('The size of the image', sizes[0] ?? '', sizes[1] ?? ''));
  }
  for (const name of new Set([...Object.keys(first), ...Object.keys(second)])) {
    if (HARMLESS_OPTIONS.includes(name) || NAMED_OPTIONS.includes(name)) continue;
    if (JSON.stringify(first[name]) !== JSON.stringify(second[name])) {
      reasons.push(differs(`The option ${name}`, show(first[name]), show(second[name])));
    }
  }
  return reasons;
}

const medianOf = (cells: readonly Cell[], pick: (cell: Cell) => number): number | undefined =>
  spreadOf(cells.map(pick))?.median;

function loadReasons(a: Result, b: Result): string[] {
  const reasons: string[] = [];
  const idle = [a, b].map(({ cells }) => medianOf(cells, ({ idleBefore }) => idleBefore));
  const [first, second] = idle;
  // Rounded, so that 90 % and 80 % are ten points apart also in binary fractions.
  if (
    first !== undefined &&
    second !== undefined &&
    Math.round(Math.abs(first - second) * 1000) / 1000 > MAX_IDLE_DIFFERENCE
  ) {
    reasons.push(differs('How idle the machine was', percent(first), percent(second)));
  }
  for (const [name, { cells }] of [
    ['first', a],
    ['second', b],
  ] as const) {
    // Whose process we do not know is counted among the others, wherever it runs.
    const ours = cells.filter(({ server }) => server !== undefined);
    const foreign = medianOf(ours, ({ foreignShare }) => foreignShare);
    if (foreign !== undefined && foreign > MAX_FOREIGN_SHARE) {
      reasons.push(
        `In the ${name} run ${percent(foreign)} of the machine went to neither server nor client; ` +
          `${percent(MAX_FOREIGN_SHARE)} at most can be compared.`,
      );
    }
    const noisy = cells.filter((cell) => cell.noisy).length;
    if (noisy > cells.length * MAX_NOISY_SHARE) {
      reasons.push(
        `In the ${name} run ${noisy} of ${cells.length} measurements were noisy; ` +
          `${percent(MAX_NOISY_SHARE)} at most can be compared.`,
      );
    }
  }
  return reasons;
}

/** A workload of the same name may have been changed: its title says how deep and how large. */
function workloadReasons(a: Result, b: Result): string[] {
  const titles = new Map(b.workloads.map(({ id, title }) => [id, title]));
  return a.workloads.flatMap(({ id, title }) => {
    const other = titles.get(id);
    if (other !== undefined && other !== title) {
      return [differs(`What ${id} asks`, title, other)];
    }
    const sizes = [a, b].map(({ cells }) =>
      medianOf(
        cells.filter(({ workload }) => workload === id),
        ({ bytes, requests }) => bytes / requests,
      ),
    );
    const [first, second] = sizes;
    if (first === undefined || second === undefined) return [];
    return apart(first, second) > MAX_REQUEST_SIZE_DIFFERENCE
      ? [differs(`The size of the requests of ${id}`, `${figure(first)} B`, `${figure(second)} B`)]
      : [];
  });
}

/** Sentences; none: the two may be compared. */
export function reasonsNotToCompare(a: Result, b: Result): readonly string[] {
  return [
    ...machineReasons(a.conditions, b.conditions),
    ...optionReasons(a.conditions, b.conditions),
    ...workloadReasons(a, b),
    ...loadReasons(a, b),
  ];
}
