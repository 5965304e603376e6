/**
 * qemu-storage-daemon: one process that serves many exports, each machine's a qcow2 file over the image.
 * It is the peer that does what Rootcast does: many machines, each with its own writes, on stable storage
 * when flushed. Each overlay opens its backing file itself, as its header says: with one node below a
 * thousand overlays version 7.2 takes half a minute to start, so a second.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { missingPrograms, programVersion } from './programs.ts';
import { createOverlays } from './qcow2-overlays.ts';
import { findFreePort, HOST, runningOn, startServer } from './server-process.ts';
import { startBeforeSlowOrigin } from './slow-origin.ts';
import type { RunningTarget, Stage, Target } from './target.ts';

/** `key=value,…`, in which a comma of a value is doubled. */
function options(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key}=${value.replaceAll(',', ',,')}`)
    .join(',');
}

const exportOf = (machine: number): string => `machine-${machine}`;

/** One node and its export. */
function diskArguments(
  machine: number,
  writable: 'on' | 'off',
  driver: Readonly<Record<string, string>>,
): string[] {
  const [name, node] = [exportOf(machine), `node-${machine}`];
  const served = { type: 'nbd', id: `export-${machine}`, 'node-name': node, writable, name };
  return ['--blockdev', options({ ...driver, 'node-name': node }), '--export', options(served)];
}

async function start(disks: readonly string[], scratch: string): Promise<RunningTarget> {
  const port = await findFreePort();
  const address = { 'addr.type': 'inet', 'addr.host': HOST, 'addr.port': String(port) };
  // 0: as many clients as come.
  const listen = ['--nbd-server', options({ ...address, 'max-connections': '0' })];
  // It listens long before it answers; this file comes when everything is there.
  const ready = join(scratch, 'storage-daemon.pid');
  const args = [...listen, ...disks, '--pidfile', ready];
  const server = await startServer('qemu-storage-daemon', args, () => existsSync(ready));
  return runningOn(server, port, exportOf);
}

/** @param backing what the overlays stand on: a path, or a URI that qemu knows */
function startOverlays(backing: string, { machines, scratch }: Stage): Promise<RunningTarget> {
  const disks = createOverlays(backing, machines, scratch).flatMap((filename, machine) =>
    diskArguments(machine, 'on', {
      driver: 'qcow2',
      'file.driver': 'file',
      'file.filename': filename,
    }),
  );
  return start(disks, scratch);
}

const version = () => programVersion('qemu-storage-daemon');

export const storageDaemonRaw: Target = {
  id: 'qsd-raw',
  title: 'qemu-storage-daemon raw',
  accesses: ['image'],
  missing: missingPrograms('qemu-storage-daemon'),
  version,
  start: ({ image, scratch }) => {
    const driver = { driver: 'file', filename: image, 'read-only': 'on' };
    return start(diskArguments(0, 'off', driver), scratch);
  },
};

export const storageDaemonOverlays: Target = {
  id: 'qsd-qcow2',
  title: 'qemu-storage-daemon qcow2 overlays',
  accesses: ['image', 'overlay', 'machines', 'persistent'],
  missing: missingPrograms('qemu-storage-daemon', 'qemu-img'),
  version,
  start: (stage) => startOverlays(stage.image, stage),
};

export const storageDaemonSlowOrigin: Target = {
  id: 'qsd-slow-origin',
  title: 'qemu-storage-daemon qcow2 over a slow origin',
  accesses: ['machines'],
  missing: missingPrograms('qemu-storage-daemon', 'qemu-img', 'nbdkit'),
  version,
  start: (stage) => startBeforeSlowOrigin(stage, (origin) => startOverlays(origin, stage)),
};
