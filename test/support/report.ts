/**
 * The end of every test run: each skipped test by name with its reason, then the counts as
 * `N passed, N failed, N skipped` alone on the last line. Under `npm test` the line is left to
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

function errorsOutsideTests(module: TestModule): number {
  let errors = module.errors().length;
  for (const suite of module.children.allSuites()) errors += suite.errors().length;
  return errors;
}

function describeSkip(module: TestModule, test: TestCase): Skip {
  const result = test.result();
  const note = result.state === 'skipped' ? result.note : undefined;
  const title = `${module.relativeModuleId} > ${test.fullName}`;
  const reason = skipReason(title, note);
  return { name: title.replace(REASON_IN_TITLE, '').replace(/\s+/g, ' ').trim(), reason };
}

export default class Report implements Reporter {
  /** Tests that `-t` left out were not asked for: they are counted, but there is nothing to explain. */
  #narrowed = false;

  onInit(vitest: Vitest): void {
    this.#narrowed = vitest.config.testNamePattern !== undefined;
  }

  onTestRunEnd(modules: readonly TestModule[], strayErrors: readonly unknown[]): void {
    let passed = 0;
    let failed = strayErrors.length;
    const skips: Skip[] = [];
    for (const module of modules) {
      failed += errorsOutsideTests(module);
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') passed += 1;
        else if (state === 'failed') failed += 1;
        else skips.push(describeSkip(module, test)); // 'pending': the run was cut short
      }
    }
    if (failed > 0 || passed === 0) process.exitCode = 1;
    const explained = this.#narrowed ? skips.filter(({ reason }) => reason !== NO_REASON) : skips;
    this.#print({ passed, failed, skipped: skips.length }, explained);
  }

  #print(counts: Counts, skips: readonly Skip[]): void {
    const lines = ['', `seed ${process.env['ROOTCAST_SEED'] ?? 'unknown'} (ROOTCAST_SEED)`];
    lines.push(...formatSkips(skips));
    const countsFile = process.env['ROOTCAST_TEST_COUNTS'];
    if (countsFile === undefined) lines.push(formatCounts(counts));
    else writeFileSync(countsFile, `${counts.passed} ${counts.failed} ${counts.skipped}\n`);
    process.stdout.write(`${lines.join('\n')}\n`);
  }
}
