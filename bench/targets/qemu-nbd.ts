/** qemu-nbd as its users run it: the raw image read-only, or a fresh qcow2 overlay over it. */
import { missingPrograms, programVersion } from './programs.ts';
import { createOverlays } from './qcow2-overlays.ts';
import { findFreePort, HOST, runningOn, startServerOnPort } from './server-process.ts';
import type { RunningTarget, Stage, Target } from './target.ts';

async function start(args: readonly string[]): Promise<RunningTarget> {
  const port = await findFreePort();
  // --shared=0: as many clients as come.
  const listen = ['--bind', HOST, '--port', String(port), '--persistent', '--shared=0'];
  return runningOn(await startServerOnPort('qemu-nbd', [...listen, ...args], port), port);
}

const version = () => programVersion('qemu-nbd');

export const qemuNbdRaw: Target = {
  id: 'qemu-nbd-raw',
  title: 'qemu-nbd raw',
  accesses: ['image'],
  missing: missingPrograms('qemu-nbd'),
  version,
  start: ({ image }) => start(['--read-only', '--format=raw', image]),
};

export const qemuNbdOverlay: Target = {
  id: 'qemu-nbd-qcow2',
  title: 'qemu-nbd qcow2 overlay',
  accesses: ['image', 'overlay'],
  missing: missingPrograms('qemu-nbd', 'qemu-img'),
  version,
  start: ({ image, scratch }: Stage) =>
    start(['--format=qcow2', ...createOverlays(image, 1, scratch)]),
};
