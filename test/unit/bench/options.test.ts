import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { hostAndPort } from '../../../bench/cli/record.ts';
import { checkWrites, shapedWorkloads } from '../../../bench/cli/run.ts';
import { runBenchCli } from '../../../bench/cli/run-bench-cli.ts';
import { byteSize, narrow } from '../../../bench/options.ts';
import { QUICK_TARGETS, quickTarget, quickWorkload } from '../../../bench/quick.ts';
import { TARGETS } from '../../../bench/targets/index.ts';
import { WORKLOADS, type Workload } from '../../../bench/workloads.ts';
import { fakeIo } from '../cli/fake-io.ts';

const folder = mkdtempSync(join(tmpdir(), 'rootcast-bench-options-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function run(
  ...argv: readonly string[]
): Promise<{ code: number; out: string; err: string }> {
  const io = fakeIo({ cwd: folder });
  const code = await runBenchCli(argv, io);
  return { code, out: io.out, err: io.err };
}

const workload = (id: string): Workload => {
  const [found] = WORKLOADS.filter((candidate) => candidate.id === id);
  if (found === undefined) throw new Error(`no workload ${id}`);
  return found;
};

describe('a wrong flag', () => {
  it.each([
    [['peers', '--rounds', '0'], "'--rounds <n>' argument '0' is invalid", 'whole number from 1'],
    [['peers', '--rounds', 'many'], "argument 'many'", 'whole number from 1'],
    [['peers', '--seconds', '0'], "argument '0'", 'number above 0'],
    [['peers', '--patience', ''], '--patience', 'whole number from 0'],
    [
      ['peers', '--image-mib', '16', '--write-mib', '12'],
      '--write-mib 12',
      'too much for --image-mib 16',
    ],
    [['peers', '--only', 'nbdkit-file,nothing'], "there is no 'nothing'", 'rootcast-vdisk'],
    [['peers', '--only', 'floor,boot-100'], '--only floor,boot-100', 'none of these targets'],
    [['peers', '--client', 'dd'], "'dd' is invalid", 'rootcast, fio, both'],
    [['peers', '--speed'], '--speed', 'unknown option'],
    [['run'], 'target', 'missing required argument'],
    [['run', 'nbd://h/x', '--workload', 'boot'], "--workload boot: there is no 'boot'", 'boot-100'],
    [['run', 'nbd://h/x', '--block-size', '1000'], "argument '1000'", 'multiple of 512'],
    [['run', 'nbd://h/x', '--tls-cert', 'c.pem'], '--tls-key', 'both or neither'],
    [['run', 'nbd://h/x', '--machines', '3'], '--machines 3', 'needs a %'],
    [['run', 'iscsi://h/x'], 'iscsi://h/x', 'HOST[:PORT]/IQN/LUN'],
    [['run', 'ftp://h/x'], 'ftp://h/x', 'nbd://'],
    [
      ['run', 'nbd://h/x', '--write', '--workload', 'boot-100', '--trace', 'no.csv'],
      'no.csv',
      'ENOENT',
    ],
    [
      ['record', 'nbd://h/x', '--output', 'x', '--listen', '10809'],
      "argument '10809'",
      'HOST:PORT',
    ],
    [
      ['record', 'repository:local:/tmp', '--output', 'x', '--listen', 'h:1'],
      'repository',
      'NBD URI',
    ],
    [['report', 'nowhere.json'], 'nowhere.json', 'ENOENT'],
    [['frobnicate'], 'frobnicate', 'unknown command'],
  ])('%j is refused: it names the value and what would be right', async (argv, value, right) => {
    const { code, err } = await run(...argv);
    expect(code).toBe(2);
    expect(err).toContain(value);
    expect(err).toContain(right);
  });

  it('in a file of results is refused with the place', async () => {
    writeFileSync(join(folder, 'old.json'), '{"cells": []}');
    const { code, err } = await run('report', 'old.json');
    expect(code).toBe(2);
    expect(err).toContain('old.json: ');
  });

  it('is not --help', async () => {
    const { code, out } = await run('--help');
    expect(code).toBe(0);
    for (const command of ['run', 'peers', 'record', 'compare', 'report']) {
      expect(out).toContain(command);
    }
  });
});

describe('a workload that writes', () => {
  it('is refused on a server that is not ours, with what it would destroy', async () => {
    const { code, err } = await run('run', 'nbd://10.0.0.1/disk', '--workload', 'write-4k-first');
    expect(code).toBe(2);
    expect(err).toContain('overwrite what is on nbd://10.0.0.1/disk');
    expect(err).toContain('--write');
  });

  it('is allowed with --write, and on a volume that is made for it', () => {
    const writing = [workload('write-4k-first')];
    expect(() => checkWrites(writing, ['nbd://h/x'], { write: true })).not.toThrow();
    expect(() => checkWrites(writing, ['repository:local:/tmp'], {})).not.toThrow();
    expect(() => checkWrites([workload('read-4k-qd1')], ['nbd://h/x'], {})).not.toThrow();
    expect(() => checkWrites(writing, ['repository:local:/tmp', 'nbd://h/x'], {})).toThrow(
      'nbd://h/x',
    );
  });
});

describe('an ad-hoc workload', () => {
  const flags = { seconds: 1, rounds: 1, areaMib: 1 };

  it('is random reads of the given shape, and says so', () => {
    const [only, ...rest] = shapedWorkloads({ ...flags, queueDepth: 8, blockSize: 16_384 }, ['x']);
    expect(rest).toEqual([]);
    expect(only).toMatchObject({ pattern: 'random-read', queueDepth: 8, blockBytes: 16_384 });
    expect(only?.title).toBe('random-read, 16 KiB, 8 in flight, 1 connections');
  });

  it('asks as many machines as TARGET has names for', () => {
    const ask = (target: string, machines?: number) =>
      shapedWorkloads(
        { ...flags, workload: ['boot-100'], ...(machines === undefined ? {} : { machines }) },
        [target],
      )[0]?.machines;
    expect(ask('nbd://h/machine/pc-%')).toBe(100);
    expect(ask('nbd://h/machine/pc-%', 7)).toBe(7);
    expect(ask('nbd://h/machine/pc')).toBe(1);
  });
});

describe('what flags mean', () => {
  it('of a size', () => {
    expect(['4096', '4k', '128K', '1m'].map(byteSize)).toEqual([4096, 4096, 131_072, 2 ** 20]);
  });

  it('of an address', () => {
    expect(hostAndPort('0.0.0.0:10809')).toEqual({ host: '0.0.0.0', port: 10_809 });
    expect(hostAndPort('[::1]:0')).toEqual({ host: '::1', port: 0 });
    for (const wrong of ['::1:5', 'h:70000', 'h:', ':1', '[x]:1']) {
      expect(() => hostAndPort(wrong), wrong).toThrow('HOST:PORT');
    }
  });

  it('of --only: it narrows the kind it names and leaves the other alone', () => {
    const targets = [{ id: 'a' }, { id: 'b' }];
    expect(narrow(targets, ['b', 'read-4k-qd1'])).toEqual([{ id: 'b' }]);
    expect(narrow(targets, ['read-4k-qd1'])).toEqual(targets);
  });

  it('of --quick: fewer machines, whose number the title says, and targets that exist', () => {
    expect(quickWorkload(workload('boot-100'))).toMatchObject({
      machines: 10,
      title: expect.stringMatching(/^10 machines boot/),
    });
    expect(quickWorkload(workload('flood-and-boot')).title).toMatch(/^7 machines boot while/);
    expect(quickWorkload(workload('idle-1000'))).toMatchObject({ connections: 100, machines: 1 });
    expect(quickWorkload(workload('read-4k-qd1'))).toMatchObject({
      fio: false,
      title: workload('read-4k-qd1').title,
    });
    const ids = TARGETS.map(({ id }) => id);
    for (const id of QUICK_TARGETS) expect(ids).toContain(id);
    const accesses = (id: string) =>
      TARGETS.filter((target) => target.id === id).map((target) => quickTarget(target).accesses)[0];
    expect(accesses('nbdkit-file')).toContain('image');
    expect(accesses('nbdkit-cow')).not.toContain('image');
    expect(accesses('rootcast-machine')).toContain('image');
  });
});
