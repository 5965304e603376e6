/**
 * The demo: simulated machines all the way through; real ones until somebody presses Ctrl-C (the boots
 * themselves are debian-boot.test.ts).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFailed, test } from 'vitest';
import { ensureDebianImage } from '../../src/service/demo/index.ts';
import { describeWith } from '../support/requires.ts';
import { BOOT_NEEDS } from './support/boot-lab.ts';
import { linkProgramsExcept } from './support/program-folder.ts';

const ROOTCAST = fileURLToPath(new URL('../../bin/rootcast', import.meta.url));

interface DemoRun {
  readonly code: number | null;
  readonly output: string;
  /** What it left in its folder for temporary files, and processes that still use that folder. */
  readonly left: readonly string[];
}

/** Runs the demo with a PATH and a folder for temporary files of its own; `stopAt` presses Ctrl-C. */
async function demo(path: string, stopAt?: RegExp): Promise<DemoRun> {
  const folder = mkdtempSync(join(tmpdir(), 'rootcast-demo-test-'));
  const child = spawn(ROOTCAST, ['serve', '--demo'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: path, TMPDIR: folder },
  });
  let output = '';
  let stopped = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (stopAt?.test(output) === true && !stopped) {
        stopped = true;
        child.kill('SIGINT');
      }
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  const left = [...readdirSync(folder), ...(await processesWith(folder))];
  rmSync(folder, { recursive: true, force: true });
  return { code, output, left };
}

/** Process ids of this host's processes whose command line has `text`. */
async function processesWith(text: string): Promise<string[]> {
  const child = spawn('pgrep', ['-f', text]);
  let found = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    found += part;
  });
  await once(child, 'close');
  return found.split('\n').filter((line) => line !== '');
}

describe('the demo without the programs for real machines', () => {
  test('says what is missing, simulates and says so, and leaves nothing behind', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rootcast-demo-path-'));
    try {
      linkProgramsExcept(folder, /^(qemu-|mmdebstrap)/);
      const { code, output, left } = await demo(folder);
      onTestFailed(() => console.error(output));
      expect(output).toContain('qemu-system-x86_64 (Debian package qemu-system-x86)');
      expect(output).toMatch(/apt-get install .*qemu-system-x86/);
      expect(output).toContain('SIMULATED');
      expect(output.match(/: replaying, [1-9]0 %/g)?.length).toBeGreaterThan(4);
      // A machine may be seen with its boot replayed twice: still connected, and then off.
      const replayed = output.matchAll(/(\S+) \(simulated\).*: boot replayed; 32\.5 MiB read/g);
      expect(new Set([...replayed].map(([, name]) => name)).size).toBe(4);
      expect(output).toContain('No machine was booted');
      expect(code).toBe(0);
      expect(left).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describeWith(BOOT_NEEDS, 'the demo with real machines', () => {
  test('Ctrl-C ends the machines, the service and the network', async () => {
    await ensureDebianImage();
    const started = await demo(process.env['PATH'] ?? '', /ada \(bios\)/);
    expect(started.output).toContain('cleaning up');
    expect(started.code).toBe(130);
    expect(started.left).toEqual([]);
  });
});
