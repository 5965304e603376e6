/** Ways to open and look at a LUN that are not ours: qemu's iSCSI initiator, libiscsi's tools. */
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Initiator, OpenLun } from '../../src/adapters/tgt/index.ts';
import type { BlockDevice } from '../../src/block/index.ts';
import { BlockError } from '../../src/errors/index.ts';
import { connectNbd, nbdDevice } from '../../src/nbd/index.ts';
import { succeed } from './run-program.ts';

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
