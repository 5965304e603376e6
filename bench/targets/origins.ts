/**
 * The same image on a storage server (tgtd, nfs-ganesha), served over NBD by those who fetch it from there: our
 * initiator and NFS client in front of our NBD server, and QEMU's (libiscsi, libnfs) in front of qemu-nbd.
 */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { DeviceConfig } from './device-process.ts';
import { type NfsOrigin, startGanesha } from './ganesha.ts';
import { findProgram, missingPrograms, programVersion } from './programs.ts';
import { rootcastVersion } from './rootcast.ts';
import { findFreePort, runningOn, startServer, startServerOnPort } from './server-process.ts';
import { startProcess } from './stack.ts';
import { startBefore } from './start-before.ts';
import type { RunningTarget, Stage, Target } from './target.ts';
import { type IscsiOrigin, startTgtd } from './tgtd.ts';

const onIscsi = (
  stage: Stage,
  start: (origin: IscsiOrigin) => Promise<RunningTarget>,
): Promise<RunningTarget> =>
  startTgtd(stage.image, stage.scratch).then((origin) => startBefore(origin, start));

const onNfs = (
  stage: Stage,
  start: (origin: NfsOrigin) => Promise<RunningTarget>,
): Promise<RunningTarget> =>
  startGanesha(stage.image, stage.scratch).then((origin) => startBefore(origin, start));

const QEMU = ['--read-only', '--persistent', '--shared=0', '--format=raw', '--cache=none'];

async function qemuNbdBefore({ portal, iqn, lun }: IscsiOrigin): Promise<RunningTarget> {
  const port = await findFreePort();
  const listen = ['--bind', '127.0.0.1', '--port', String(port)];
  const source = `iscsi://${portal}/${iqn}/${lun}`;
  return runningOn(await startServerOnPort('qemu-nbd', [...listen, ...QEMU, source], port), port);
}

/** A program in the origin's network namespace, reached by a socket. */
async function inNamespace(
  { enter: [program, ...enter] }: NfsOrigin,
  args: readonly string[],
  socket: string,
): Promise<RunningTarget> {
  const server = await startServer(program, [...enter, ...args], () => existsSync(socket));
  return { pid: server.pid, uri: () => `nbd+unix:///?socket=${socket}`, stop: () => server.stop() };
}

export const rootcastIscsi: Target = {
  id: 'rootcast-iscsi',
  title: 'Rootcast’s iSCSI initiator',
  accesses: ['image'],
  missing: missingPrograms('tgtd', 'tgtadm'),
  version: rootcastVersion,
  start: (stage) =>
    onIscsi(stage, ({ portal, iqn, lun }) => {
      const config: DeviceConfig = { kind: 'iscsi', portal, iqn, lun };
      return startProcess('device-process.ts', config, () => '');
    }),
};

export const qemuIscsi: Target = {
  id: 'qemu-iscsi',
  title: 'qemu-nbd over libiscsi',
  accesses: ['image'],
  missing: missingPrograms('tgtd', 'tgtadm', 'qemu-nbd'),
  version: () => programVersion('qemu-nbd'),
  start: (stage) => onIscsi(stage, qemuNbdBefore),
};

const NFS_PROGRAMS = ['ganesha.nfsd', 'rpcbind', 'rpcinfo', 'ip', 'unshare'];

export const rootcastNfs: Target = {
  id: 'rootcast-nfs',
  title: 'Rootcast’s NFS client',
  accesses: ['image'],
  missing: missingPrograms(...NFS_PROGRAMS),
  version: rootcastVersion,
  start: (stage) =>
    onNfs(stage, (origin) => {
      const socket = join(stage.scratch, 'rootcast.sock');
      const { host, nfsPort, mountPort, path } = origin;
      const file = basename(stage.image);
      const config: DeviceConfig = { kind: 'nfs', host, nfsPort, mountPort, path, file, socket };
      const program = join(import.meta.dirname, 'device-process.ts');
      const args = ['--disable-warning=ExperimentalWarning', program, JSON.stringify(config)];
      return inNamespace(origin, [process.execPath, ...args], socket);
    }),
};

export const qemuNfs: Target = {
  id: 'qemu-nfs',
  title: 'qemu-nbd over libnfs',
  accesses: ['image'],
  missing: missingPrograms(...NFS_PROGRAMS, 'qemu-nbd'),
  version: () => programVersion('qemu-nbd'),
  start: (stage) =>
    onNfs(stage, (origin) => {
      const socket = join(stage.scratch, 'qemu.sock');
      const source = `nfs://${origin.host}${stage.image}?uid=0&gid=0`;
      const program = findProgram('qemu-nbd') ?? 'qemu-nbd';
      return inNamespace(origin, [program, `--socket=${socket}`, ...QEMU, source], socket);
    }),
};
