/** Other people's NBD servers, started for a test and stopped by it. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { findProgram } from './requires.ts';

export interface Peer {
  readonly port: number;
  stop(): Promise<void>;
}

const answers = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('data', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });

/** Starts a program and waits until it greets. `pidFile`: it goes to the background and says so there. */
export async function startPeer(
  name: string,
  args: (port: number) => readonly string[],
  pidFile?: string,
): Promise<Peer> {
  const port = await freePort();
  const child = spawn(findProgram(name) ?? name, args(port), {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4000);
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  for (let tries = 0; !(await answers(port)); tries += 1) {
    const gone = child.exitCode !== null && (pidFile === undefined || child.exitCode !== 0);
    if (gone || tries > 200) throw new Error(`${name} does not serve: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    port,
    async stop() {
      if (pidFile !== undefined) process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGTERM');
      else child.kill('SIGTERM');
      await exited;
    },
  };
}

export interface PeerExport extends Peer {
  readonly exportName: string;
}

/** The three servers of Debian, each with an empty writable disk of `size` bytes. */
export const PEERS: Readonly<
  Record<'nbdkit' | 'qemu-nbd' | 'nbd-server', (size: number) => Promise<PeerExport>>
> = {
  nbdkit: async (size) => {
    const peer = await startPeer('nbdkit', (port) => [
      ...['-f', '-i', '127.0.0.1', '-p', String(port), 'memory', String(size)],
    ]);
    return { ...peer, exportName: '' };
  },
  'qemu-nbd': async (size) => {
    const folder = mkdtempSync(join(tmpdir(), 'rootcast-peer-'));
    const image = sparseFile(folder, size);
    const peer = await startPeer('qemu-nbd', (port) => [
      ...['-f', 'raw', '-t', '-e', '16', '-b', '127.0.0.1', '-p', String(port)],
      ...['--discard=unmap', '-x', 'disk', image],
    ]);
    return { ...inFolder(peer, folder), exportName: 'disk' };
  },
  'nbd-server': async (size) => {
    const folder = mkdtempSync(join(tmpdir(), 'rootcast-peer-'));
    const image = sparseFile(folder, size);
    const config = join(folder, 'nbd.conf');
    const pidFile = join(folder, 'pid'); // its -d serves one connection and exits, so it must fork
    const peer = await startPeer(
      'nbd-server',
      (port) => {
        const lines = [
          ...['[generic]', `port = ${port}`, 'listenaddr = 127.0.0.1', 'allowlist = true'],
          ...['[disk]', `exportname = ${image}`, 'flush = true', 'fua = true', 'trim = true'],
        ];
        writeFileSync(config, `${lines.join('\n')}\n`);
        return ['-C', config, '-p', pidFile];
      },
      pidFile,
    );
    return { ...inFolder(peer, folder), exportName: 'disk' };
  },
};

function sparseFile(folder: string, size: number): string {
  const image = join(folder, 'disk.img');
  writeFileSync(image, '');
  truncateSync(image, size);
  return image;
}

function inFolder(peer: Peer, folder: string): Peer {
  return {
    port: peer.port,
    async stop() {
      await peer.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
