/** The C programs of bench/floor, compiled at each start: what no server can be cheaper than. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { missingPrograms, programVersion } from './programs.ts';
import { findFreePort, runningOn, startServerOnPort } from './server-process.ts';
import type { RunningTarget, Stage, Target } from './target.ts';

const SOURCES = join(import.meta.dirname, '../floor');
const COMPILER = 'cc';
const FLAGS = ['-O2', '-pthread'];

const run = promisify(execFile);

/** @returns the path of the program in `folder` */
export async function compileFloor(
  name: 'floor-server' | 'durable-floor' | 'sparse-floor' | 'open-floor',
  folder: string,
): Promise<string> {
  const program = join(folder, name);
  await run(COMPILER, [...FLAGS, '-o', program, join(SOURCES, `${name}.c`)]);
  return program;
}

async function start(
  name: 'floor-server' | 'durable-floor' | 'sparse-floor',
  { image, scratch }: Stage,
  more: readonly string[],
): Promise<RunningTarget> {
  const program = await compileFloor(name, scratch);
  const port = await findFreePort();
  const server = await startServerOnPort(program, [String(port), image, ...more], port);
  return runningOn(server, port, (machine) => `machine-${machine}`);
}

const common = {
  missing: missingPrograms(COMPILER),
  version: () => `${programVersion(COMPILER)} ${FLAGS.join(' ')}`,
};

export const floor: Target = {
  ...common,
  id: 'floor',
  title: 'floor (C, from memory)',
  accesses: ['image'],
  start: (stage) => start('floor-server', stage, []),
};

/** Of servers that wait for more than one client in a thread. */
export const pollFloor: Target = {
  ...common,
  id: 'floor-poll',
  title: 'floor (C, an event loop)',
  accesses: ['image'],
  start: (stage) => start('floor-server', stage, ['poll']),
};

/** Of writes to a disk of one's own: each goes to its place in a sparse file. */
export const sparseFloor: Target = {
  ...common,
  id: 'floor-sparse',
  title: 'floor (C, a sparse file)',
  accesses: ['overlay'],
  start: (stage) => start('sparse-floor', stage, [join(stage.scratch, 'written')]),
};

/** Of flushed writes: each goes to stable storage once, and many share a sync. */
export const durableFloor: Target = {
  ...common,
  id: 'floor-durable',
  title: 'floor (C, memory and a log)',
  accesses: ['persistent'],
  start: (stage) => start('durable-floor', stage, [join(stage.scratch, 'log')]),
};
