/** The benchmark works, on the real program and its peers. Never what it measures: machines are noisy. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import type { Result } from '../../bench/report.ts';
import { TARGETS } from '../../bench/targets/index.ts';
import { WORKLOADS } from '../../bench/workloads.ts';
import { describeWith, program } from '../support/requires.ts';

const MAIN = resolve(import.meta.dirname, '../../bench/main.ts');
const run = promisify(execFile);

const needs = [
  program('fio', 'fio'),
  program('nbdkit', 'nbdkit'),
  program('qemu-nbd', 'qemu-utils'),
];

describeWith(needs, 'the benchmark', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rootcast-bench-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('measures every target under every workload it takes part in', async () => {
    const json = join(folder, 'run.json');
    const small = ['--quick', '--image-mib', '16', '--write-mib', '4'];
    const { stdout } = await run(process.execPath, [MAIN, ...small, '--json', json]);
    const { cells, verdicts, conditions } = JSON.parse(readFileSync(json, 'utf8')) as Result;

    const measured = cells.map(({ target, workload }) => `${target} ${workload}`);
    const wanted = TARGETS.flatMap((target) =>
      WORKLOADS.filter(({ access }) => target.accesses.includes(access)).map(
        (workload) => `${target.id} ${workload.id}`,
      ),
    );
    expect(new Set(measured)).toEqual(new Set(wanted));
    for (const cell of cells) {
      expect(cell.requests, `${cell.target} ${cell.workload}`).toBeGreaterThan(100);
      expect(cell.residentBytes).toBeGreaterThan(2 ** 20);
    }
    expect(verdicts.every(({ ratio }) => ratio !== undefined && ratio > 0)).toBe(true);
    expect(Object.keys(conditions.versions)).toEqual(TARGETS.map(({ id }) => id));
    expect(stdout).toContain('## Bars');
  });
});
