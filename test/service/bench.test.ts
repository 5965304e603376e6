/** The benchmark works, on the real program and its peers. Never what it measures: machines are noisy. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeImage } from '../../bench/image.ts';
import type { Result } from '../../bench/result.ts';
import { parseTrace } from '../../bench/trace.ts';
import { connectNbd } from '../../src/nbd/index.ts';
import { describeWith, program } from '../support/requires.ts';
import { ServiceProcess } from '../support/service-process.ts';

const PROGRAM = resolve(import.meta.dirname, '../../bin/rootcast');
const run = promisify(execFile);

const folder = mkdtempSync(join(tmpdir(), 'rootcast-bench-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function readResult(name: string): Result {
  return JSON.parse(readFileSync(join(folder, name), 'utf8')) as Result;
}

const needs = [
  program('fio', 'fio'),
  program('nbdkit', 'nbdkit'),
  program('qemu-storage-daemon', 'qemu-system-common'),
];

/** Programs that were started with something of this folder. */
function programsOf(path: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      } catch {
        return ''; // gone meanwhile
      }
    })
    .filter((line) => line.includes(path));
}

describeWith([program('nbdkit', 'nbdkit')], 'rootcast bench peers that is stopped', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    'by %s leaves no server and no folder',
    async (signal) => {
      const place = join(folder, signal);
      mkdirSync(place);
      const args = [
        '--quick',
        '--image-mib',
        '16',
        '--write-mib',
        '4',
        '--only',
        'nbdkit-file,read-4k-qd1',
      ];
      const env = { ...process.env, TMPDIR: place };
      const child = spawn(PROGRAM, ['bench', 'peers', ...args], { env, stdio: 'pipe' });
      const exited = once(child, 'exit');
      child.stdout.resume();
      child.stderr.resume();
      await expect.poll(() => programsOf(place).length, { timeout: 60_000 }).toBeGreaterThan(0);
      child.kill(signal);
      expect(await exited).toEqual([1, null]);
      expect(readdirSync(place)).toEqual([]);
      expect(programsOf(place)).toEqual([]);
    },
  );
});

describeWith(needs, 'rootcast bench peers', () => {
  const ours = ['rootcast-vdisk', 'rootcast-machine'];
  const targets = [...ours, 'nbdkit-file', 'qsd-qcow2'];
  const workloads = ['read-4k-qd32', 'write-4k-first', 'flush-1', 'boot-100', 'idle-1000'];
  const wanted = [
    'read-4k-qd32 rootcast-vdisk rootcast',
    'read-4k-qd32 rootcast-vdisk fio',
    'read-4k-qd32 nbdkit-file rootcast',
    'read-4k-qd32 nbdkit-file fio',
    'write-4k-first rootcast-machine rootcast',
    'write-4k-first rootcast-machine fio',
    'flush-1 rootcast-machine rootcast',
    'flush-1 qsd-qcow2 rootcast',
    'boot-100 rootcast-machine rootcast',
    'boot-100 qsd-qcow2 rootcast',
    'idle-1000 rootcast-vdisk rootcast',
    'idle-1000 nbdkit-file rootcast',
  ];
  let stdout = '';
  let result: Result;

  beforeAll(async () => {
    const small = ['--quick', '--seconds', '0.3', '--image-mib', '16', '--write-mib', '4'];
    const only = ['--only', [...targets, ...workloads].join(',')];
    const files = ['--json', join(folder, 'run.json'), '--html', join(folder, 'run.html')];
    ({ stdout } = await run(PROGRAM, ['bench', 'peers', ...small, ...only, ...files]));
    result = readResult('run.json');
  });

  it('measures targets under the workloads they take part in, by both clients', () => {
    const measured = result.cells.map((cell) => `${cell.workload} ${cell.target} ${cell.client}`);
    expect(measured).toEqual(expect.arrayContaining(wanted));
    for (const cell of result.cells) {
      const name = `${cell.target} ${cell.workload} ${cell.client}`;
      expect(cell.requests, name).toBeGreaterThan(0);
      expect(cell.server?.residentBytes, name).toBeGreaterThan(2 ** 20);
    }
  });

  it('verifies every byte that our own client reads, and what it wrote', () => {
    for (const { workload, client, requests, bytes, verified, finished } of result.cells) {
      const checks = client === 'rootcast' && workload !== 'idle-1000';
      if (!checks) expect(verified).toBeUndefined();
      else if (workload !== 'read-4k-qd32') expect(verified?.bytes).toBeGreaterThan(0);
      else expect(verified?.bytes).toBe(bytes);
      if (workload === 'boot-100') expect([finished?.machines, requests]).toEqual([10, 11_680]);
    }
  });

  it('says under which conditions, judges, and says that a quick run is no verdict', () => {
    const { conditions, verdicts } = result;
    expect(conditions.clients.fio).toMatch(/^fio/);
    expect(conditions.options).toMatchObject({ quick: true, rounds: 1, seconds: 0.3 });
    expect(Object.keys(conditions.versions).sort()).toEqual([...targets].sort());
    const judged = verdicts.filter(({ value }) => value !== undefined);
    expect(judged.map(({ workload, client }) => `${workload} ${client}`)).toEqual(
      expect.arrayContaining(['read-4k-qd32 rootcast', 'read-4k-qd32 fio', 'boot-100 rootcast']),
    );
    expect(stdout).toContain('no verdict');
  });

  it('writes results that can be reported and compared', async () => {
    const [json, html] = [join(folder, 'run.json'), join(folder, 'again.html')];
    await run(PROGRAM, ['bench', 'report', json, '--html', html]);
    expect(readFileSync(html, 'utf8')).toContain('<html');
    const compared = await run(PROGRAM, ['bench', 'compare', json, json, '--force']);
    expect(compared.stdout).toContain('read-4k-qd32');
  });
});

describe('rootcast bench', () => {
  let service: ServiceProcess;

  beforeAll(async () => {
    const image = join(folder, 'image.raw');
    writeImage(image, 8 * 2 ** 20);
    service = await ServiceProcess.start();
    await service.json('vdisk', 'import', image, '--name', 'disk');
    await service.json('machine', 'add', 'pc', '--mac', '02:00:00:00:00:01', '--vdisk', 'disk');
  });
  afterAll(() => service.remove());

  it('run measures a running service, writes only where it may, and a repository', async () => {
    const machine = service.uri('machine/pc');
    const refused = run(PROGRAM, ['bench', 'run', machine, '--workload', 'mix-80-20']);
    await expect(refused).rejects.toMatchObject({ code: 2 });

    const volumes = join(folder, 'volumes');
    mkdirSync(volumes);
    const repository = `repository:local:${volumes}`;
    const flags = ['--workload', 'read-4k-qd32,mix-80-20', '--seconds', '0.2', '--write'];
    const files = ['--area-mib', '8', '--json', join(folder, 'named.json')];
    await run(PROGRAM, ['bench', 'run', machine, repository, ...flags, ...files]);
    const { cells } = readResult('named.json');
    expect(cells.map(({ workload, target }) => `${workload} ${target}`)).toEqual([
      `read-4k-qd32 ${machine}`,
      `read-4k-qd32 ${repository}`,
      `mix-80-20 ${machine}`,
      `mix-80-20 ${repository}`,
    ]);
    for (const { target, requests, verified } of cells) {
      expect(requests).toBeGreaterThan(0);
      if (target === repository) expect(verified?.bytes).toBeGreaterThan(0);
    }
    expect(readdirSync(volumes)).toEqual([]);
  });

  it('record writes down what a machine asks, to be replayed', async () => {
    const trace = join(folder, 'recorded.csv');
    const recording = execFile(PROGRAM, [
      'bench',
      'record',
      service.uri('machine/pc'),
      '--listen',
      '127.0.0.1:0',
      '--output',
      trace,
    ]);
    const left = new Promise<number | null>((settle) => recording.once('close', settle));
    const uri = await new Promise<string>((settle) => {
      let said = '';
      recording.stderr?.on('data', (text: string) => {
        said += text;
        const found = / at (nbd:\S+)/.exec(said)?.[1];
        if (found !== undefined) settle(found);
      });
    });
    const client = await connectNbd(uri);
    await client.read(Buffer.alloc(4096), 8192);
    await client.write(Buffer.alloc(8192, 1), 0);
    await client.flush();
    await client.disconnect();
    expect(await left).toBe(0);
    const requests = parseTrace(readFileSync(trace, 'utf8'));
    expect(requests.map(({ kind }) => kind)).toEqual(['read', 'write', 'flush']);

    const replay = ['--workload', 'boot-1-paced', '--trace', trace, '--write'];
    const json = join(folder, 'replayed.json');
    await run(PROGRAM, ['bench', 'run', service.uri('machine/pc'), ...replay, '--json', json]);
    expect(readResult('replayed.json').cells[0]?.requests).toBe(3);
  });
});
