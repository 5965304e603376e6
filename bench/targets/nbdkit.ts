/**
 * nbdkit: its file and memory plugins for reads; file with the cow filter in blocks of 4 KiB for one
 * overlay (all connections of a cow filter share it).
 */
import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import { promisify } from 'node:util';
import { missingPrograms, programVersion } from './programs.ts';
import { findFreePort, HOST, runningOn, startServerOnPort } from './server-process.ts';
import type { RunningTarget, Stage, Target } from './target.ts';

const run = promisify(execFile);

/** @param scratch where the cow filter keeps its overlay */
export async function startNbdkit(
  args: readonly string[],
  scratch: string,
): Promise<RunningTarget> {
  const port = await findFreePort();
  const listen = ['--foreground', '--ipaddr', HOST, '--port', String(port)];
  const server = await startServerOnPort('nbdkit', [...listen, ...args], port, {
    environment: { TMPDIR: scratch },
  });
  return runningOn(server, port);
}

async function startMemory({ image, scratch }: Stage): Promise<RunningTarget> {
  const running = await startNbdkit(['memory', String(statSync(image).size)], scratch);
  try {
    await run('nbdcopy', [image, running.uri(0)]);
    return running;
  } catch (error) {
    await running.stop();
    throw error;
  }
}

const version = () => programVersion('nbdkit');

export const nbdkitFile: Target = {
  id: 'nbdkit-file',
  title: 'nbdkit file',
  accesses: ['image'],
  missing: missingPrograms('nbdkit'),
  version,
  start: ({ image, scratch }) => startNbdkit(['--readonly', 'file', image], scratch),
};

export const nbdkitMemory: Target = {
  id: 'nbdkit-memory',
  title: 'nbdkit memory',
  accesses: ['image'],
  missing: missingPrograms('nbdkit', 'nbdcopy'),
  version,
  start: startMemory,
};

export const nbdkitCow: Target = {
  id: 'nbdkit-cow',
  title: 'nbdkit file + cow 4K',
  accesses: ['image', 'overlay'],
  missing: missingPrograms('nbdkit'),
  version,
  start: ({ image, scratch }) =>
    startNbdkit(['--filter=cow', 'file', image, 'cow-block-size=4096'], scratch),
};
