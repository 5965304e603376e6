/**
 * Rootcast as its users run it: `bin/rootcast serve` on an empty data folder, the image imported and a
 * machine added through the CLI. `vdisk/bench` is the shared image itself, `machine/bench` the same
 * through a machine's overlay.
 */
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Access } from '../workloads.ts';
import { startServer } from './server-process.ts';
import type { RunningTarget, Stage, Target } from './target.ts';

const PROJECT = resolve(import.meta.dirname, '../..');
const PROGRAM = join(PROJECT, 'bin/rootcast');
const VDISK = 'bench';
const MACHINE = 'bench';

const run = promisify(execFile);

async function start({ image, scratch }: Stage, exportName: string): Promise<RunningTarget> {
  const data = join(scratch, 'data');
  const listen = ['--http', '127.0.0.1:0', '--nbd', '127.0.0.1:0'];
  const server = await startServer(PROGRAM, ['serve', '--data', data, ...listen], (output) =>
    /^ready$/m.test(output),
  );
  const cli = (...args: readonly string[]) => run(PROGRAM, [...args, '--data', data]);
  try {
    await cli('vdisk', 'import', image, '--name', VDISK);
    await cli('machine', 'add', MACHINE, '--mac', '02:00:00:00:00:01', '--vdisk', VDISK);
    const nbd = /^nbd (nbd:\/\/\S+)$/m.exec(server.output())?.[1];
    if (nbd === undefined) throw new Error('it did not say where it serves NBD');
    return { pid: server.pid, uri: `${nbd}/${exportName}`, stop: () => server.stop() };
  } catch (error) {
    await server.stop();
    throw new Error(`${String(error)}\n${server.output()}`, { cause: error });
  }
}

/** The commit, with `-dirty` behind it when the tree differs; undefined outside a clone. */
function commit(): string | undefined {
  try {
    const args = ['describe', '--always', '--dirty', '--exclude=*'];
    return execFileSync('git', args, { cwd: PROJECT, encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return undefined;
  }
}

function version(): string {
  const text = readFileSync(join(PROJECT, 'package.json'), 'utf8');
  const release = `rootcast ${(JSON.parse(text) as { version: string }).version}`;
  return `${[release, commit()].filter((part) => part !== undefined).join(' ')}, Node.js ${process.version}`;
}

const target = (
  id: string,
  title: string,
  accesses: readonly Access[],
  exportName: string,
): Target => ({
  id,
  title,
  accesses,
  missing: undefined,
  version,
  start: (stage) => start(stage, exportName),
});

export const rootcastVdisk = target(
  'rootcast-vdisk',
  'Rootcast vdisk/V',
  ['image'],
  `vdisk/${VDISK}`,
);

export const rootcastMachine = target(
  'rootcast-machine',
  'Rootcast machine/NAME',
  ['image', 'overlay'],
  `machine/${MACHINE}`,
);
