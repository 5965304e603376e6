/** nbdkit: its file plugin for reads; with the cow filter in blocks of 4 KiB for overlays. */
import { missingPrograms, programVersion } from './programs.ts';
import { findFreePort, startServerOnPort } from './server-process.ts';
import type { RunningTarget, Stage, Target } from './target.ts';

async function start(args: readonly string[]): Promise<RunningTarget> {
  const port = await findFreePort();
  const listen = ['--foreground', '--ipaddr', '127.0.0.1', '--port', String(port)];
  const server = await startServerOnPort('nbdkit', [...listen, ...args], port);
  return { pid: server.pid, uri: `nbd://127.0.0.1:${port}/`, stop: () => server.stop() };
}

const missing = missingPrograms('nbdkit');

export const nbdkitFile: Target = {
  id: 'nbdkit-file',
  title: 'nbdkit file',
  accesses: ['image'],
  missing,
  version: () => programVersion('nbdkit'),
  start: ({ image }: Stage) => start(['--readonly', 'file', image]),
};

export const nbdkitCow: Target = {
  id: 'nbdkit-cow',
  title: 'nbdkit file + cow 4K',
  accesses: ['image', 'overlay'],
  missing,
  version: () => programVersion('nbdkit'),
  start: ({ image }: Stage) => start(['--filter=cow', 'file', image, 'cow-block-size=4096']),
};
