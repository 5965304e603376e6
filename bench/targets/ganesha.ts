/**
 * nfs-ganesha with one export, for those who compare NFS clients. QEMU's driver only finds NFSv3 through the
 * portmapper, which must be alone on its machine: so both, and all clients, are in a network namespace. What they serve
 * is reached by Unix sockets.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { START_TIMEOUT_MS } from '../limits.ts';
import { startServer } from './server-process.ts';

const run = promisify(execFile);

export interface NfsOrigin {
  readonly pid: number;
  /** What a program must be started with to reach it. */
  readonly enter: readonly [string, ...string[]];
  readonly host: string;
  readonly nfsPort: number;
  readonly mountPort: number;
  /** The folder, as NFSv3 mounts it. */
  readonly path: string;
  stop(): Promise<void>;
}

/** Inside the namespace every port is free. */
const NFS_PORT = 12_049;
const MOUNT_PORT = 12_050;
const POLL_MS = 50;

function configOf(folder: string, scratch: string): string {
  return `
NFS_KRB5 { Active_krb5 = false; }
NFS_CORE_PARAM { Protocols = 3, 4; NFS_Port = ${NFS_PORT}; MNT_Port = ${MOUNT_PORT};
  Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false; }
NFSv4 { RecoveryBackend = fs; RecoveryRoot = ${join(scratch, 'recovery')}; Graceless = true; Only_Numeric_Owners = true; }
EXPORT_DEFAULTS { Access_Type = RW; Squash = No_Root_Squash; SecType = sys; Protocols = 3, 4; Transports = TCP; PrivilegedPort = false; }
EXPORT { Export_Id = 1; Path = ${folder}; Pseudo = /bench; FSAL { Name = VFS; } }
LOG { Default_Log_Level = EVENT; }
`;
}

/** @param scratch an empty folder for its configuration and state */
export async function startGanesha(image: string, scratch: string): Promise<NfsOrigin> {
  const path = dirname(image);
  const space = `rcbench-${process.pid}-${Date.now() % 100_000}`;
  const config = join(scratch, 'ganesha.conf');
  const log = join(scratch, 'ganesha.log');
  mkdirSync(join(scratch, 'recovery'), { recursive: true });
  writeFileSync(config, configOf(path, scratch));
  await run('ip', ['netns', 'add', space]);
  const removeSpace = async (): Promise<void> => {
    await run('ip', ['netns', 'delete', space]).catch(() => undefined);
  };
  try {
    await run('ip', ['-n', space, 'link', 'set', 'lo', 'up']);
    // Ganesha wants an address that is not the loopback's own.
    await run('ip', ['-n', space, 'address', 'add', '192.0.2.1/32', 'dev', 'lo']);
    const script = [
      'mount -t tmpfs tmpfs /run && mkdir -p /run/rpcbind /run/ganesha && rpcbind -i',
      'until rpcinfo -p 127.0.0.1 >/dev/null 2>&1; do sleep 0.05; done',
      `exec ganesha.nfsd -F -f '${config}' -L '${log}' -p '${join(scratch, 'ganesha.pid')}'`,
    ].join(' && ');
    const inside = ['netns', 'exec', space, 'unshare', '-m', '--propagation', 'private'];
    const args = [...inside, 'sh', '-c', script];
    const server = await startServer('ip', args, () => isUp(log));
    return {
      pid: server.pid,
      ...{ enter: ['ip', 'netns', 'exec', space], host: '127.0.0.1', path },
      ...{ nfsPort: NFS_PORT, mountPort: MOUNT_PORT },
      stop: async () => {
        await server.stop();
        await endAll(space);
        await removeSpace();
      },
    };
  } catch (error) {
    await endAll(space);
    await removeSpace();
    throw error;
  }
}

function isUp(log: string): boolean {
  try {
    return readFileSync(log, 'utf8').includes('NFS SERVER INITIALIZED');
  } catch {
    return false;
  }
}

/** Ends what is left in the namespace: the portmapper. */
async function endAll(space: string): Promise<void> {
  for (
    const deadline = Date.now() + START_TIMEOUT_MS;
    Date.now() < deadline;
    await sleep(POLL_MS)
  ) {
    const { stdout } = await run('ip', ['netns', 'pids', space]).catch(() => ({ stdout: '' }));
    const pids = stdout.split('\n').filter((line) => line !== '');
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        process.kill(Number(pid), 'SIGTERM');
      } catch {
        // Gone meanwhile.
      }
    }
  }
}
