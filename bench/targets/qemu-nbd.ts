/** qemu-nbd with a fresh qcow2 overlay over the raw image, as its users run it (64 KiB clusters). */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { missingPrograms, programVersion } from './programs.ts';
import { findFreePort, startServerOnPort } from './server-process.ts';
import type { RunningTarget, Stage, Target } from './target.ts';

async function start({ image, scratch }: Stage): Promise<RunningTarget> {
  const overlay = join(scratch, 'overlay.qcow2');
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', image, '-F', 'raw', overlay]);
  const port = await findFreePort();
  const server = await startServerOnPort(
    'qemu-nbd',
    [
      '--bind',
      '127.0.0.1',
      '--port',
      String(port),
      '--persistent',
      '--shared=8',
      '-f',
      'qcow2',
      overlay,
    ],
    port,
  );
  return { pid: server.pid, uri: `nbd://127.0.0.1:${port}/`, stop: () => server.stop() };
}

export const qemuNbdOverlay: Target = {
  id: 'qemu-nbd-qcow2',
  title: 'qemu-nbd qcow2 overlay',
  accesses: ['image', 'overlay'],
  missing: missingPrograms('qemu-nbd', 'qemu-img'),
  version: () => programVersion('qemu-nbd'),
  start,
};
