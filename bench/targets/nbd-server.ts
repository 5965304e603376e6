/**
 * nbd-server, the reference implementation: the image read-only, and with copyonwrite, where every
 * connection has an overlay of its own that ends with it.
 *
 * Its -d serves one client and leaves, so it runs as a daemon. Without `filesize` version 3.24 may
 * export nothing.
 */
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Access } from '../workloads.ts';
import { missingPrograms, programVersion } from './programs.ts';
import { findFreePort, HOST, runningOn, startServerOnPort } from './server-process.ts';
import type { RunningTarget, Stage, Target } from './target.ts';

const EXPORT = 'bench';

async function start({ image, scratch }: Stage, lines: readonly string[]): Promise<RunningTarget> {
  const port = await findFreePort();
  const config = join(scratch, 'nbd-server.conf');
  const pidFile = join(scratch, 'nbd-server.pid');
  const generic = ['[generic]', `port = ${port}`, `listenaddr = ${HOST}`];
  const disk = [`[${EXPORT}]`, `exportname = ${image}`, `filesize = ${statSync(image).size}`];
  writeFileSync(config, `${[...generic, ...disk, ...lines].join('\n')}\n`);
  const args = ['-C', config, '-p', pidFile];
  const server = await startServerOnPort('nbd-server', args, port, { pidFile });
  return runningOn(server, port, () => EXPORT);
}

const target = (
  id: string,
  title: string,
  accesses: readonly Access[],
  lines: (stage: Stage) => readonly string[],
): Target => ({
  id,
  title,
  accesses,
  missing: missingPrograms('nbd-server'),
  version: () => programVersion('nbd-server'),
  start: (stage) => start(stage, lines(stage)),
});

export const nbdServer = target('nbd-server', 'nbd-server', ['image'], () => ['readonly = true']);

export const nbdServerCow = target(
  'nbd-server-cow',
  'nbd-server copyonwrite',
  ['overlay', 'machines'],
  ({ scratch }) => ['copyonwrite = true', `cowdir = ${scratch}`],
);
