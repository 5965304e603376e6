/**
 * The end of every test run: each skipped test by name with its reason, what failed and why (last, because
 * often only the end of a log is kept), then the counts as `N passed, N failed, N skipped` alone on the last line. Under `npm test` the line is left to
 * scripts/test.sh (which also knows whether the checks passed): it gets the numbers through a file.
 */
import { writeFileSync } from 'node:fs';
import type { Reporter, TestCase, TestModule, Vitest } from 'vitest/node';

export interface Counts {
  readonly passed: number;
  /** Tests, and besides them every hook, file or stray promise that failed outside a test. */
  readonly failed: number;
  readonly skipped: number;
}

export interface Skip {
  readonly name: string;
  readonly reason: string;
}

const NO_REASON = 'NO REASON GIVEN';
const HOOK_FAILED = 'what its suite needs could not be set up (see FAILED)';
const REASON_IN_TITLE = /\[skipped: ([^\]]+)\]/;

/** The reason is in the title (`describeWith`) or the note of `context.skip(note)`. */
export function skipReason(title: string, note: string | undefined): string {
  return REASON_IN_TITLE.exec(title)?.[1] ?? note ?? NO_REASON;
}

export function formatCounts(counts: Counts): string {
  return `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
}

/** Skips that share a reason are listed under it once. */
export function formatSkips(skips: readonly Skip[]): string[] {
  const byReason = new Map<string, string[]>();
  for (const skip of skips) {
    const names = byReason.get(skip.reason) ?? [];
    names.push(skip.name);
    byReason.set(skip.reason, names);
  }
  const lines: string[] = [];
  for (const [reason, names] of byReason) {
    lines.push(`skipped, ${reason}:`, ...names.map((name) => `  - ${name}`));
  }
  return lines;
}

/** What a failure says of itself in the summary; vitest has printed it whole before. */
const LINES_OF_FAILURE = 12;

export interface Failure {
  readonly name: string;
  readonly message: string;
}

export function formatFailures(failures: readonly Failure[]): string[] {
  return failures.flatMap(({ name, message }) => [
    `FAILED ${name}`,
    ...message
      .split('\n')
      .slice(0, LINES_OF_FAILURE)
      .map((line) => `  ${line}`),
  ]);
}

interface Thrown {
  readonly message: string;
  readonly stack?: string | undefined;
}

function failuresOf(name: string, errors: readonly Thrown[]): Failure[] {
  return errors.map(({ message, stack }) => {
    const frame = stack?.split('\n').find((line) => /\/(src|test)\//.test(line));
    return { name, message: frame === undefined ? message : `${message}\n${frame.trim()}` };
  });
}

function failuresOutsideTests(module: TestModule): Failure[] {
  const failures = failuresOf(module.relativeModuleId, module.errors());
  for (const suite of module.children.allSuites()) {
    failures.push(...failuresOf(`${module.relativeModuleId} > ${suite.fullName}`, suite.errors()));
  }
  return failures;
}

/** A suite whose hook failed skips its tests: that is the reason, and the hook is among the failures. */
function hookFailed(test: TestCase): boolean {
  for (let at = test.parent; at.type === 'suite'; at = at.parent) {
    if (at.errors().length > 0) return true;
  }
  return false;
}

function describeSkip(module: TestModule, test: TestCase): Skip {
  const result = test.result();
  const note = result.state === 'skipped' ? result.note : undefined;
  const title = `${module.relativeModuleId} > ${test.fullName}`;
  const reason = skipReason(title, note ?? (hookFailed(test) ? HOOK_FAILED : undefined));
  return { name: title.replace(REASON_IN_TITLE, '').replace(/\s+/g, ' ').trim(), reason };
}

export default class Report implements Reporter {
  /** Tests that `-t` left out were not asked for: they are counted, but there is nothing to explain. */
  #narrowed = false;

  onInit(vitest: Vitest): void {
    this.#narrowed = vitest.config.testNamePattern !== undefined;
  }

  onTestRunEnd(modules: readonly TestModule[], strayErrors: readonly Thrown[]): void {
    let passed = 0;
    const failures = failuresOf('(outside any test)', strayErrors);
    const skips: Skip[] = [];
    for (const module of modules) {
      failures.push(...failuresOutsideTests(module));
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') passed += 1;
        else if (result.state === 'failed') {
          const name = `${module.relativeModuleId} > ${test.fullName}`;
          // One test is one failure, however much it threw.
          failures.push(
            failuresOf(name, result.errors)[0] ?? { name, message: 'no error was told' },
          );
        } else skips.push(describeSkip(module, test)); // 'pending': the run was cut short
      }
    }
    const failed = failures.length;
    if (failed > 0 || passed === 0) process.exitCode = 1;
    const explained = this.#narrowed ? skips.filter(({ reason }) => reason !== NO_REASON) : skips;
    this.#print({ passed, failed, skipped: skips.length }, explained, failures);
  }

  #print(counts: Counts, skips: readonly Skip[], failures: readonly Failure[]): void {
    const lines = ['', `seed ${process.env['ROOTCAST_SEED'] ?? 'unknown'} (ROOTCAST_SEED)`];
    lines.push(...formatSkips(skips), ...formatFailures(failures));
    const countsFile = process.env['ROOTCAST_TEST_COUNTS'];
    if (countsFile === undefined) lines.push(formatCounts(counts));
    else writeFileSync(countsFile, `${counts.passed} ${counts.failed} ${counts.skipped}\n`);
    process.stdout.write(`${lines.join('\n')}\n`);
  }
}
