/** A real tgtd on loopback for a test, and a way to open its LUNs that is not ours: qemu's iSCSI initiator. */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Initiator, OpenLun } from '../../src/adapters/tgt/index.ts';
import type { BlockDevice } from '../../src/block/index.ts';
import { BlockError } from '../../src/errors/index.ts';
import { connectNbd, nbdDevice } from '../../src/nbd/index.ts';
import { findProgram } from './requires.ts';
import { run, succeed } from './run-program.ts';
import { temporaryFolder } from './temporary-folder.ts';

const START_MS = 20_000;

export class TgtDaemon {
  readonly folder: string;
  readonly ipcSocket: string;
  readonly controlPort = 7;
  readonly portal: string;
  readonly #remove: () => Promise<void>;
  #child: ChildProcess | undefined;

  private constructor(folder: string, portal: string, remove: () => Promise<void>) {
    this.folder = folder;
    this.portal = portal;
    this.ipcSocket = join(folder, 'ipc');
    this.#remove = remove;
  }

  static async start(): Promise<TgtDaemon> {
    const { path, remove } = await temporaryFolder('tgt');
    const daemon = new TgtDaemon(path, `127.0.0.1:${await freePort()}`, remove);
    await daemon.begin();
    return daemon;
  }

  async begin(): Promise<void> {
    const args = ['-f', '-C', String(this.controlPort), '--iscsi', `portal=${this.portal}`];
    this.#child = spawn(findProgram('tgtd') ?? 'tgtd', args, {
      env: { ...process.env, TGT_IPC_SOCKET: this.ipcSocket },
      stdio: 'ignore',
    });
    const deadline = performance.now() + START_MS;
    while ((await this.tgtadm('--mode', 'sys', '--op', 'show')).code !== 0) {
      if (performance.now() > deadline) throw new Error('tgtd does not answer');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  tgtadm(...args: readonly string[]): ReturnType<typeof run> {
    const all = ['-C', String(this.controlPort), '--lld', 'iscsi', ...args];
    return run('tgtadm', all, { env: { TGT_IPC_SOCKET: this.ipcSocket } });
  }

  /** As a crash does: it ignores SIGTERM while it has targets, and forgets them all. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    this.#child = undefined;
  }

  async stop(): Promise<void> {
    await this.kill();
    await this.#remove();
  }
}

/** qemu-nbd's iSCSI driver behind our NBD client. It does not look at the disk's name: `iscsi-inq` does. */
export class QemuInitiator implements Initiator {
  #count = 0;
  readonly #folder: string;
  readonly #ends = new Set<() => Promise<void>>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  async open(request: OpenLun): Promise<BlockDevice> {
    this.#count += 1;
    const at = (ending: string): string => join(this.#folder, `qemu-${this.#count}.${ending}`);
    const { chap } = request;
    const options = [
      ...['driver=raw', 'file.driver=iscsi', 'file.transport=tcp'],
      ...[`file.portal=${request.portals[0]}`, `file.target=${request.iqn}`],
      ...[`file.lun=${request.lun}`, `file.initiator-name=${request.initiatorName}`],
    ];
    const secret: string[] = [];
    if (chap !== undefined) {
      await writeFile(at('password'), chap.password);
      secret.push('--object', `secret,id=s0,file=${at('password')}`);
      options.push(`file.user=${chap.user}`, 'file.password-secret=s0');
    }
    const socket = at('sock');
    const child = spawn(
      'qemu-nbd',
      [
        ...['--persistent', '--shared=0', `--socket=${socket}`, '--cache=none', '--discard=unmap'],
        ...(request.write ? [] : ['--read-only']),
        ...[...secret, '--image-opts', options.join(',')],
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    const end = async (): Promise<void> => {
      this.#ends.delete(end);
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 3000);
      await ended;
      clearTimeout(timer);
    };
    this.#ends.add(end);
    for (;;) {
      const client = await connectNbd({
        address: { transport: 'unix', path: socket },
        exportName: '',
      }).catch(() => undefined);
      if (client !== undefined) {
        const impatient = (): void => {
          child.kill('SIGKILL');
        };
        return closing(withPatience(nbdDevice(client), impatient), end);
      }
      if (child.exitCode !== null) throw new BlockError('EPERM', 'open', 0, 0, said.trim());
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async close(): Promise<void> {
    for (const end of [...this.#ends]) await end();
  }
}

/** qemu tries for ever to log in again; whoever waits longer than this for a write gives up on it. */
const PATIENCE_MS = 4000;

function withPatience(device: BlockDevice, giveUp: () => void): BlockDevice {
  const write = device.write.bind(device);
  device.write = async (source, offset, options) => {
    const timer = setTimeout(giveUp, PATIENCE_MS);
    try {
      await write(source, offset, options);
    } finally {
      clearTimeout(timer);
    }
  };
  return device;
}

function closing(device: BlockDevice, end: () => Promise<void>): BlockDevice {
  const close = device.close.bind(device);
  let over: Promise<void> | undefined;
  device.close = () => {
    over ??= close().then(end);
    return over;
  };
  return device;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** What libiscsi's tools say: another opinion on who gets in and which disk it is. */
export async function inquire(
  portal: string,
  iqn: string,
  initiator: string,
  login = '',
): Promise<string> {
  const url = `iscsi://${login}${portal}/${iqn}/1`;
  const { stdout } = await succeed('iscsi-inq', ['-i', initiator, '-e', '1', '-c', '131', url]);
  return stdout;
}
