/**
 * A real Ceph cluster of one monitor, one manager and one OSD (in memory) on loopback, in a folder of its own; for
 * tests. Everything it starts is ended by pid.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isFree } from './free-port.ts';
import { succeed } from './run-program.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { until } from './until.ts';

/** Ports of one cluster: the monitor's two, and a range for the other daemons. */
const DAEMON_PORTS = 40;
const OSD_BYTES = 2 * 1024 * 1024 * 1024;
const END_MS = 60_000;

export interface CephOptions {
  /** Capacity and mirroring need one; it costs 340 MB of memory. */
  readonly manager?: boolean;
}

export class CephCluster {
  readonly folder: string;
  readonly conf: string;
  readonly monHost: string;
  readonly #remove: () => Promise<void>;
  readonly #daemons: string[] = [];
  #osd = '0';

  private constructor(folder: string, port: number, remove: () => Promise<void>) {
    this.folder = folder;
    this.conf = join(folder, 'ceph.conf');
    this.monHost = `[v2:127.0.0.1:${port},v1:127.0.0.1:${port + 1}]`;
    this.#remove = remove;
  }

  static async start(options: CephOptions = {}): Promise<CephCluster> {
    const { path, remove } = await temporaryFolder('cluster');
    const port = await freePorts();
    const cluster = new CephCluster(path, port, remove);
    try {
      await cluster.#start(port, options);
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** What the program says. */
  async ceph(...args: readonly string[]): Promise<string> {
    return this.#run('ceph', args);
  }

  async rbd(...args: readonly string[]): Promise<string> {
    return this.#run('rbd', args);
  }

  key(user = 'admin'): Promise<string> {
    return this.ceph('auth', 'get-key', `client.${user}`).then((key) => key.trim());
  }

  async startOsd(): Promise<void> {
    await this.#run('ceph-osd', ['-i', this.#osd]);
    await until('the OSD is up', async () => /1 up/.test(await this.ceph('osd', 'stat')));
  }

  /** As a crash would; what it holds in memory is gone with it unless it is asked to end. */
  async stopOsd(): Promise<void> {
    await this.#end(`osd.${this.#osd}`);
    await this.ceph('osd', 'down', this.#osd);
  }

  /**
   * As a power cut of the whole site: monitor and OSD are gone, and nobody answers. The OSD is asked to end, because it
   * keeps everything in memory and writes it down only then.
   */
  async goDark(): Promise<void> {
    await this.#end(`osd.${this.#osd}`);
    await this.#end('mon.a', 'SIGKILL');
  }

  /** After `goDark`. */
  async comeBack(): Promise<void> {
    await this.#run('ceph-mon', ['-i', 'a']);
    await this.ceph('osd', 'down', this.#osd);
    await this.startOsd();
  }

  /** A daemon that copies images here from the peers of the pool. */
  async startMirror(): Promise<void> {
    const keyring = join(this.folder, 'mirror.keyring');
    const name = 'client.rbd-mirror.a';
    const caps = ['mon', 'profile rbd-mirror', 'osd', 'profile rbd'];
    await this.ceph('auth', 'get-or-create', name, ...caps, '-o', keyring);
    const section = `\n[${name}]\nkeyring = ${keyring}\n`;
    await writeFile(this.conf, (await readFile(this.conf, 'utf8')) + section);
    this.#daemons.push('client.rbd-mirror.a');
    await this.#run('rbd-mirror', ['-n', name]);
  }

  async stop(): Promise<void> {
    // The OSD first: it asks the monitor for leave.
    for (const daemon of this.#daemons.splice(0).reverse()) await this.#end(daemon);
    await this.#remove();
  }

  async #run(program: string, args: readonly string[]): Promise<string> {
    return (await succeed(program, args, { env: { CEPH_CONF: this.conf } })).stdout;
  }

  async #end(daemon: string, how: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const pid = await readFile(join(this.folder, 'run', `${daemon}.pid`), 'utf8').catch(() => '');
    if (pid.trim() === '') return;
    const alive = async (): Promise<boolean> =>
      (await readFile(`/proc/${pid.trim()}/cmdline`, 'utf8').catch(() => '')).includes('ceph') ||
      (await readFile(`/proc/${pid.trim()}/cmdline`, 'utf8').catch(() => '')).includes('rbd');
    if (!(await alive())) return;
    process.kill(Number(pid), how);
    const asked = performance.now();
    await until(`${daemon} has ended`, async () => {
      if (performance.now() - asked > END_MS / 2) process.kill(Number(pid), 'SIGKILL');
      return !(await alive());
    });
  }

  async #start(port: number, options: CephOptions): Promise<void> {
    const fsid = randomUUID();
    const at = (...names: readonly string[]): string => join(this.folder, ...names);
    for (const name of ['mon', 'mgr', 'osd', 'run', 'log']) await mkdir(at(name));
    await writeFile(this.conf, confText(this.folder, fsid, this.monHost, port));
    const tool = (...args: readonly string[]): Promise<string> => this.#run('ceph-authtool', args);
    const all = (...daemons: readonly string[]): string[] =>
      daemons.flatMap((daemon) => ['--cap', daemon, 'allow *']);
    const admin = at('admin.keyring');
    const mon = at('mon.keyring');
    await tool(
      '--create-keyring',
      admin,
      '--gen-key',
      '-n',
      'client.admin',
      ...all('mon', 'osd', 'mgr'),
    );
    await tool('--create-keyring', mon, '--gen-key', '-n', 'mon.', ...all('mon'));
    await tool(mon, '--import-keyring', admin);
    const map = at('monmap');
    await this.#run('monmaptool', ['--create', '--fsid', fsid, '--addv', 'a', this.monHost, map]);
    await this.#run('ceph-mon', ['--mkfs', '-i', 'a', '--monmap', map, '--keyring', mon]);
    this.#daemons.push('mon.a');
    await this.#run('ceph-mon', ['-i', 'a']);
    if (options.manager === true) {
      const caps = ['mon', 'allow profile mgr', 'osd', 'allow *'];
      await this.ceph('auth', 'get-or-create', 'mgr.x', ...caps, '-o', at('mgr', 'keyring'));
      this.#daemons.push('mgr.x');
      await this.#run('ceph-mgr', ['-i', 'x']);
    }
    const secret = (await tool('--gen-print-key')).trim();
    const uuid = randomUUID();
    await writeFile(at('osd.json'), JSON.stringify({ cephx_secret: secret }), { mode: 0o600 });
    this.#osd = (await this.ceph('osd', 'new', uuid, '-i', at('osd.json'))).trim();
    const keyring = at('osd', 'keyring');
    await tool('--create-keyring', keyring, '-n', `osd.${this.#osd}`, '--add-key', secret);
    await this.#run('ceph-osd', ['-i', this.#osd, '--mkfs', '--osd-uuid', uuid]);
    this.#daemons.push(`osd.${this.#osd}`);
    await this.startOsd();
    await this.ceph('osd', 'pool', 'create', 'rbd', '8');
    await this.#run('rbd', ['pool', 'init', 'rbd']);
  }
}

function confText(folder: string, fsid: string, monHost: string, port: number): string {
  const lines = [
    ...['[global]', `fsid = ${fsid}`, `mon_host = ${monHost}`],
    ...['public_addr = 127.0.0.1', 'cluster_addr = 127.0.0.1'],
    ...[`ms_bind_port_min = ${port + 2}`, `ms_bind_port_max = ${port + DAEMON_PORTS - 1}`],
    `keyring = ${folder}/admin.keyring`,
    `admin_socket = ${folder}/run/$type.$id.$pid.asok`,
    ...[`pid_file = ${folder}/run/$type.$id.pid`, `log_file = ${folder}/log/$type.$id.log`],
    ...[`run_dir = ${folder}/run`, `crash_dir = ${folder}/log`],
    ...['osd_pool_default_size = 1', 'osd_pool_default_min_size = 1'],
    ...['osd_pool_default_pg_num = 8', 'osd_crush_chooseleaf_type = 0'],
    ...['mon_allow_pool_size_one = true', 'mon_allow_pool_delete = true'],
    ...['mon_warn_on_pool_no_redundancy = false', 'auth_allow_insecure_global_id_reclaim = false'],
    ...['[mon]', `mon_data = ${folder}/mon`, 'mon_data_avail_warn = 1', 'mon_data_avail_crit = 1'],
    'mgr_initial_modules =',
    ...['[mgr]', `mgr_data = ${folder}/mgr`, `keyring = ${folder}/mgr/keyring`],
    ...['[osd]', `osd_data = ${folder}/osd`, `keyring = ${folder}/osd/keyring`],
    ...[
      'osd_objectstore = memstore',
      'osd_fast_shutdown = false',
      `memstore_device_bytes = ${OSD_BYTES}`,
    ],
  ];
  return `${lines.join('\n')}\n`;
}

/** The first of a row of ports of which the first two are free, somewhere below the ephemeral ones. */
async function freePorts(): Promise<number> {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 400) * DAEMON_PORTS;
    if ((await isFree(port)) && (await isFree(port + 1)) && (await isFree(port + 2))) return port;
  }
}
