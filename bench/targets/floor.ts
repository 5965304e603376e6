/** The C server of bench/floor, compiled at each start: what no server can be cheaper than. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { missingPrograms, programVersion } from './programs.ts';
import { findFreePort, runningOn, startServerOnPort } from './server-process.ts';
import type { RunningTarget, Stage, Target } from './target.ts';

const SOURCE = join(import.meta.dirname, '../floor/floor-server.c');
const COMPILER = 'cc';
const FLAGS = ['-O2', '-pthread'];

const run = promisify(execFile);

async function start({ image, scratch }: Stage): Promise<RunningTarget> {
  const program = join(scratch, 'floor-server');
  await run(COMPILER, [...FLAGS, '-o', program, SOURCE]);
  const port = await findFreePort();
  const server = await startServerOnPort(program, [String(port), image], port);
  return runningOn(server, port);
}

export const floor: Target = {
  id: 'floor',
  title: 'floor (C, from memory)',
  accesses: ['image'],
  missing: missingPrograms(COMPILER),
  version: () => `${programVersion(COMPILER)} ${FLAGS.join(' ')}`,
  start,
};
