/** The benchmark of many machines works. Never what it measures: machines are noisy. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import type { Result } from '../../bench/scale/report.ts';
import { floor } from '../../bench/targets/floor.ts';

const MAIN = resolve(import.meta.dirname, '../../bench/scale/main.ts');
const run = promisify(execFile);

describe('the benchmark of many machines', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rootcast-scale-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('opens all of them in every distribution, before and after a kill', async () => {
    const [json, markdown] = [join(folder, 'run.json'), join(folder, 'run.md')];
    const small = ['--machines', '20', '--disk-gib', '8', '--json', json, '--markdown', markdown];
    const { stdout } = await run(process.execPath, [MAIN, ...small]);
    const { figures, bareBytes } = JSON.parse(readFileSync(json, 'utf8')) as Result;
    const measured = figures.map(({ distribution }) => distribution);
    expect(measured).toEqual(['empty', 'clustered', 'extents', 'uniform']);
    expect(bareBytes).toBeGreaterThan(2 ** 20);
    for (const each of figures) {
      expect(each.readyBytes, each.distribution).toBeGreaterThan(2 ** 20);
      expect(each.reconnectedMs, each.distribution).toBeGreaterThan(each.restartMs);
      expect(each.connectMs.max).toBeGreaterThan(0);
      expect(each.recoverMs.max).toBeGreaterThan(0);
      if (floor.missing === undefined) expect(each.floorMs?.max).toBeGreaterThan(0);
    }
    const pages = figures.map(({ pagesPerMachine }) => pagesPerMachine);
    // 164 MiB written: a few groups of 128 MiB, or every one of 64.
    expect(pages[0]).toBe(0);
    expect(pages[1]).toBeGreaterThanOrEqual(4);
    expect(pages[1]).toBeLessThan(8);
    expect(pages[3]).toBe(64);
    expect(stdout).toBe(readFileSync(markdown, 'utf8'));
    expect(stdout).toContain('overlay metadata at most 1 GiB');
  });

  it('refuses what it does not know', async () => {
    await expect(run(process.execPath, [MAIN, '--machines', '0'])).rejects.toThrow('whole number');
    await expect(run(process.execPath, [MAIN, '--only', 'neat'])).rejects.toThrow("no 'neat'");
  });
});
