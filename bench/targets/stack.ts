/** Rootcast's data path in stack-process.ts: what the service itself cannot be configured to yet. */
import { join } from 'node:path';
import { missingPrograms } from './programs.ts';
import { rootcastVersion } from './rootcast.ts';
import { runningOn, startServer } from './server-process.ts';
import { startBeforeSlowOrigin } from './slow-origin.ts';
import type { StackConfig } from './stack-process.ts';
import type { RunningTarget, Target } from './target.ts';

const PROGRAM = join(import.meta.dirname, 'stack-process.ts');
const LISTENING = /^listening on port (\d+)$/m;

async function startStack(config: StackConfig): Promise<RunningTarget> {
  const args = ['--disable-warning=ExperimentalWarning', PROGRAM, JSON.stringify(config)];
  const server = await startServer(process.execPath, args, (output) => LISTENING.test(output));
  const port = Number(LISTENING.exec(server.output())?.[1]);
  return runningOn(server, port, (machine) => `machine-${machine}`);
}

export const rootcastSlowOrigin: Target = {
  id: 'rootcast-slow-origin',
  title: 'Rootcast machines over a slow origin',
  accesses: ['machines'],
  missing: missingPrograms('nbdkit'),
  version: rootcastVersion,
  start: (stage) =>
    startBeforeSlowOrigin(stage, (origin) =>
      startStack({ origin, machines: stage.machines, folder: join(stage.scratch, 'overlays') }),
    ),
};
