/**
 * Rootcast's data path in a process of the harness: arrangements that the service cannot be configured
 * to yet. What serves is src's own, as in a worker of the service.
 */
import { join } from 'node:path';
import { missingPrograms } from './programs.ts';
import { rootcastVersion } from './rootcast.ts';
import { LISTENING } from './serve-exports.ts';
import { runningOn, startServer } from './server-process.ts';
import { startBeforeSlowOrigin } from './slow-origin.ts';
import type { StackConfig } from './stack-process.ts';
import type { RunningTarget, Target } from './target.ts';

/** @param program a file of this folder that calls serveExports */
export async function startProcess(
  program: string,
  config: object,
  nameOf: (machine: number) => string,
): Promise<RunningTarget> {
  const path = join(import.meta.dirname, program);
  const args = ['--disable-warning=ExperimentalWarning', path, JSON.stringify(config)];
  const server = await startServer(process.execPath, args, (output) => LISTENING.test(output));
  const port = Number(LISTENING.exec(server.output())?.[1]);
  return runningOn(server, port, nameOf);
}

export const rootcastSlowOrigin: Target = {
  id: 'rootcast-slow-origin',
  title: 'Rootcast machines over a slow origin',
  accesses: ['machines'],
  missing: missingPrograms('nbdkit'),
  version: rootcastVersion,
  start: (stage) =>
    startBeforeSlowOrigin(stage, (origin) => {
      const folder = join(stage.scratch, 'overlays');
      const config: StackConfig = { origin, machines: stage.machines, folder };
      return startProcess('stack-process.ts', config, (machine) => `machine-${machine}`);
    }),
};
