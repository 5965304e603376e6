/**
 * nfs-ganesha for tests. Version 3 insists on registering with a port mapper, so it runs with a rpcbind of its own in a
 * network namespace and a mount namespace with its own /run; the test reaches it over a veth pair. Version 4 alone would
 * do without; one server with both is less to wait for.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CableNetwork, freeCableNetwork } from './cable-network.ts';
import { run, succeed } from './run-program.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { until } from './until.ts';

const NFS_PORT = 12_149;
const MOUNT_PORT = 12_150;
const SMALL_MIB = 24;
const START_MS = 120_000;
const LEASE_S = 3;

export class Ganesha {
  readonly server: string;
  readonly port = NFS_PORT;
  readonly mountPort = MOUNT_PORT;
  readonly namespace: string;
  /** Our end of the cable to it, and its own end. */
  readonly cable: readonly [outer: string, inner: string];
  readonly #network: CableNetwork;
  readonly #folder: string;
  readonly #removeFolder: () => Promise<void>;
  #rpcbind: ChildProcess | undefined;
  #process: ChildProcess | undefined;
  #starts = 0;
  #startedIn = 0;

  private constructor(folder: string, removeFolder: () => Promise<void>, network: CableNetwork) {
    this.#folder = folder;
    this.#removeFolder = removeFolder;
    const name = `rcn${randomBytes(4).toString('hex')}`;
    this.namespace = name;
    this.cable = [`${name}o`, `${name}i`];
    this.#network = network;
    this.server = network.inner;
  }

  static async start(network?: CableNetwork): Promise<Ganesha> {
    const free = network ?? (await freeCableNetwork());
    const { path, remove } = await temporaryFolder('ganesha');
    const ganesha = new Ganesha(path, remove, free);
    const { namespace } = ganesha;
    try {
      await ganesha.#makeNetwork();
      await ganesha.#makeFolders();
      const script =
        'mount -t tmpfs tmpfs /run && mkdir -p /run/rpcbind /run/ganesha && exec rpcbind -f';
      const inside = ['unshare', '-m', '--propagation', 'private', 'sh', '-c', script];
      const args = ['netns', 'exec', namespace, ...inside];
      ganesha.#rpcbind = spawn('ip', args, { stdio: 'ignore' });
      await until('rpcbind starts', () => reachable(ganesha.server, 111), START_MS);
      await ganesha.restart();
    } catch (error) {
      await ganesha.stop();
      throw error;
    }
    return ganesha;
  }

  async #makeNetwork(): Promise<void> {
    const { namespace } = this;
    const { outer: ours, inner: its, prefixLength } = this.#network;
    const [outer, inner] = this.cable;
    await succeed('ip', ['netns', 'add', namespace]);
    const peer = ['type', 'veth', 'peer', 'name', inner, 'netns', namespace];
    await succeed('ip', ['link', 'add', outer, ...peer]);
    await succeed('ip', ['addr', 'add', `${ours}/${prefixLength}`, 'dev', outer]);
    await succeed('ip', ['link', 'set', outer, 'up']);
    await succeed('ip', ['-n', namespace, 'addr', 'add', `${its}/${prefixLength}`, 'dev', inner]);
    await succeed('ip', ['-n', namespace, 'link', 'set', inner, 'up']);
    await succeed('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
  }

  async #makeFolders(): Promise<void> {
    const path = this.#folder;
    for (const name of ['export', 'denied', 'small', 'recovery']) await mkdir(join(path, name));
    await writeFile(join(path, 'small.img'), Buffer.alloc(SMALL_MIB * 1024 * 1024));
    await succeed('mkfs.ext4', ['-q', '-m', '0', join(path, 'small.img')]);
    await succeed('mount', ['-o', 'loop', join(path, 'small.img'), join(path, 'small')]);
    await writeFile(join(path, 'ganesha.conf'), configuration(path));
  }

  /** What version 3 mounts, and where it lies here. */
  path(name: 'export' | 'denied' | 'small' = 'export'): string {
    return join(this.#folder, name);
  }

  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }

  /** Starts it (again) and waits until it serves. */
  async restart(): Promise<void> {
    await this.kill();
    // Its write verifier is the second in which it starts: two starts in one look like none.
    await until('the next second', () => second() > this.#startedIn, START_MS);
    this.#startedIn = second();
    this.#starts += 1;
    const log = join(this.#folder, `log.${this.#starts}`);
    const target = ['-t', String(this.#rpcbind?.pid), '-m', '-n'];
    const config = ['-f', join(this.#folder, 'ganesha.conf'), '-p', join(this.#folder, 'pid')];
    const args = [...target, 'ganesha.nfsd', '-F', '-L', log, ...config];
    this.#process = spawn('nsenter', args, { stdio: 'ignore' });
    await until(
      'nfs-ganesha starts',
      async () => {
        const said = await readFile(log, 'utf8').catch(() => '');
        return said.includes('NFS SERVER INITIALIZED') && (await reachable(this.server, NFS_PORT));
      },
      START_MS,
    );
  }

  /** Time is the server's here: there is nothing to poll for. */
  async outlastLeases(): Promise<void> {
    await sleep(LEASE_S * 1000 + 500);
  }

  async stop(): Promise<void> {
    await this.kill();
    this.#rpcbind?.kill('SIGKILL');
    await run('umount', [this.path('small')]);
    await run('ip', ['netns', 'del', this.namespace]); // the veth pair goes with it
    await rm(join(this.#folder, 'small.img'), { force: true });
    await this.#removeFolder();
  }
}

function configuration(folder: string): string {
  const share = (id: number, name: string, access: string): string =>
    `EXPORT { Export_Id = ${id}; Path = ${join(folder, name)}; Pseudo = /${name}; Access_Type = ${access}; FSAL { Name = VFS; } }`;
  return `
NFS_KRB5 { Active_krb5 = false; }
NFS_CORE_PARAM { Protocols = 3, 4; NFS_Port = ${NFS_PORT}; MNT_Port = ${MOUNT_PORT}; NLM_Port = 12151;
  Rquota_Port = 12152; Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false; }
NFSv4 { RecoveryBackend = fs; RecoveryRoot = ${join(folder, 'recovery')}; Graceless = false; Lease_Lifetime = ${LEASE_S};
  Grace_Period = ${LEASE_S}; Minor_Versions = 0; Only_Numeric_Owners = true; }
EXPORT_DEFAULTS { Attr_Expiration_Time = 0; Squash = No_Root_Squash; SecType = sys; Protocols = 3, 4; Transports = TCP; PrivilegedPort = false; }
${share(1, 'export', 'RW')}
${share(2, 'small', 'RW')}
${share(3, 'denied', 'None')}
LOG { Default_Log_Level = EVENT; }
`;
}

function second(): number {
  return Math.floor(Date.now() / 1000);
}

function reachable(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
