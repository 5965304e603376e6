/** A tgtd of its own for a test: control socket, portals and LUNs in a folder that goes with it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { findProgram } from './requires.ts';
import { run, succeed } from './run-program.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { until } from './until.ts';

export class Tgtd {
  readonly folder: string;
  readonly port: number;
  readonly ipcSocket: string;
  readonly controlPort: number;
  readonly #remove: () => Promise<void>;
  readonly #portals: string[];
  #child: ChildProcess | undefined;

  private constructor(
    folder: string,
    port: number,
    controlPort: number,
    remove: () => Promise<void>,
  ) {
    this.folder = folder;
    this.port = port;
    this.ipcSocket = join(folder, 'ipc');
    this.controlPort = controlPort;
    this.#remove = remove;
    this.#portals = [`127.0.0.1:${port}`];
  }

  /** Runs, without targets. */
  static async start(): Promise<Tgtd> {
    const { path, remove } = await temporaryFolder('tgtd');
    await mkdir(join(path, 'luns'));
    const tgtd = new Tgtd(path, await freePort(), 10_000 + ((await freePort()) % 20_000), remove);
    await tgtd.boot();
    return tgtd;
  }

  get portal(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** After `kill`: the same process again, as empty as ever. */
  async boot(): Promise<void> {
    const args = ['-f', '-C', String(this.controlPort), '--iscsi', `portal=${this.#portals[0]}`];
    this.#child = spawn(findProgram('tgtd') ?? 'tgtd', args, { env: this.#env, stdio: 'ignore' });
    await until('tgtd answers', async () => {
      const { code } = await this.tgtadm('--mode', 'target', '--op', 'show');
      return code === 0;
    });
    for (const portal of this.#portals.slice(1)) await this.addPortal(portal);
  }

  async addPortal(portal: string): Promise<void> {
    await this.admin('--mode', 'portal', '--op', 'new', '--param', `portal=${portal}`);
    if (!this.#portals.includes(portal)) this.#portals.push(portal);
  }

  async removePortal(portal: string): Promise<void> {
    await this.admin('--mode', 'portal', '--op', 'delete', '--param', `portal=${portal}`);
    this.#portals.splice(this.#portals.indexOf(portal), 1);
  }

  get #env(): NodeJS.ProcessEnv {
    return { ...process.env, TGT_IPC_SOCKET: this.ipcSocket };
  }

  tgtadm(...args: readonly string[]): ReturnType<typeof run> {
    const all = ['-C', String(this.controlPort), '--lld', 'iscsi', ...args];
    return run('tgtadm', all, { env: { TGT_IPC_SOCKET: this.ipcSocket } });
  }

  async admin(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.tgtadm(...args);
    if (code !== 0) throw new Error(`tgtadm ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  /** A target that nobody may use until `open`: a LUN gets its name after it is made, and had another before. */
  async target(tid: number, iqn: string): Promise<void> {
    await this.admin('--mode', 'target', '--tid', String(tid), '--op', 'new', '--targetname', iqn);
  }

  /** Everybody may use it, unless accounts are bound to it. */
  async open(tid: number): Promise<void> {
    await this.admin('--mode', 'target', '--tid', String(tid), '--op', 'bind', '-I', 'ALL');
  }

  file(name: string): string {
    return join(this.folder, 'luns', name);
  }

  /** @param size bytes; undefined: the file is there */
  async lun(
    tid: number,
    lun: number,
    name: string,
    options: { size?: number; thin?: boolean; blockSize?: number; id?: string } = {},
  ): Promise<void> {
    const path = this.file(name);
    if (options.size !== undefined) await succeed('truncate', ['-s', String(options.size), path]);
    const unit = ['--mode', 'logicalunit', '--tid', String(tid), '--lun', String(lun)];
    const block = options.blockSize === undefined ? [] : ['--blocksize', String(options.blockSize)];
    await this.admin(...unit, '--op', 'new', '--backing-store', path, ...block);
    const id = options.id ?? name;
    const thin = options.thin === true ? ',thin_provisioning=1' : '';
    const params = `vendor_id=RCTEST,product_id=DISK,scsi_id=${id},scsi_sn=sn-${id}${thin}`;
    await this.admin(...unit, '--op', 'update', '--params', params);
  }

  async removeLun(tid: number, lun: number): Promise<void> {
    await this.admin(
      '--mode',
      'logicalunit',
      '--tid',
      String(tid),
      '--lun',
      String(lun),
      '--op',
      'delete',
    );
  }

  async account(user: string, password: string): Promise<void> {
    await this.admin('--mode', 'account', '--op', 'new', '--user', user, '--password', password);
  }

  /** @param tid undefined: for discovery */
  async bindAccount(tid: number, user: string, outgoing = false): Promise<void> {
    const bind = ['--mode', 'account', '--op', 'bind', '--tid', String(tid), '--user', user];
    await this.admin(...bind, ...(outgoing ? ['--outgoing'] : []));
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGKILL');
    await gone;
  }

  async stop(): Promise<void> {
    await this.kill();
    await this.#remove();
  }
}
