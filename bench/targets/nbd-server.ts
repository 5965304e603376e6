/**
 * nbd-server, the reference implementation: the image read-only, and with copyonwrite, where every
 * connection has an overlay of its own that ends with it.
 *
 * Its -d serves one client and leaves, so it runs as a daemon. Without `filesize` version 3.24 may
 * export nothing. With copyonwrite 3.24 lets worker threads corrupt each other's writes (several in flight,
 * and blocks come back as others), so there it gets one thread. Since the overlay ends with the
 * connection, it takes no part where one workload follows on what another wrote.
 */
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Access } from '../workloads.ts';
import { missingPrograms, programVersion } from './programs.ts';
import { findFreePort, HOST, runningOn, startServerOnPort } from './server-process.ts';
import type { RunningTarget, Stage, Target } from './target.ts';

const exportOf = (machine: number): string => `machine-${machine}`;

/** Lines of its configuration, beside what every start has; `disk`: of each export. */
interface Settings {
  readonly generic: readonly string[];
  readonly disk: readonly string[];
}

async function start(stage: Stage, settings: Settings): Promise<RunningTarget> {
  const { image, scratch, machines } = stage;
  const port = await findFreePort();
  const config = join(scratch, 'nbd-server.conf');
  const pidFile = join(scratch, 'nbd-server.pid');
  const { size } = statSync(image);
  const lines = [
    ...['[generic]', `port = ${port}`, `listenaddr = ${HOST}`, ...settings.generic],
    ...Array.from({ length: machines }, (_, machine) => [
      ...[`[${exportOf(machine)}]`, `exportname = ${image}`, `filesize = ${size}`],
      ...settings.disk,
    ]).flat(),
  ];
  writeFileSync(config, `${lines.join('\n')}\n`);
  const args = ['-C', config, '-p', pidFile];
  const server = await startServerOnPort('nbd-server', args, port, { pidFile });
  return runningOn(server, port, exportOf);
}

const target = (
  id: string,
  title: string,
  accesses: readonly Access[],
  settings: (stage: Stage) => Settings,
): Target => ({
  id,
  title,
  accesses,
  missing: missingPrograms('nbd-server'),
  version: () => programVersion('nbd-server'),
  start: (stage) => start(stage, settings(stage)),
});

export const nbdServer = target('nbd-server', 'nbd-server', ['image'], () => ({
  generic: [],
  disk: ['readonly = true'],
}));

export const nbdServerCow = target(
  'nbd-server-cow',
  'nbd-server copyonwrite',
  ['machines'],
  ({ scratch }) => ({
    generic: ['max_threads = 1'],
    disk: ['copyonwrite = true', 'flush = true', `cowdir = ${scratch}`],
  }),
);
