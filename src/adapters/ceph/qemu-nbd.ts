/** One qemu-nbd process that serves one image, or one snapshot, at a Unix socket. */
import { type ChildProcess, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { ArrayError } from '../../errors/index.ts';
import { NBD_COMPLAINT_BYTES, NBD_POLL_MS, NBD_START_MS, NBD_STOP_MS } from './limits.ts';

export interface NbdSource {
  readonly pool: string;
  readonly namespace: string | undefined;
  readonly image: string;
  /** Undefined: the image itself. */
  readonly snapshot: string | undefined;
  readonly readOnly: boolean;
  readonly conf: string;
  readonly user: string;
  readonly socket: string;
}

/** Its only export is the default one. */
export const EXPORT_NAME = '';

export class QemuNbd {
  readonly #child: ChildProcess;
  readonly ended: Promise<void>;
  #over = false;
  #complaint = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stderr?.setEncoding('utf8').on('data', (said: string) => {
      this.#complaint = (this.#complaint + said).slice(-NBD_COMPLAINT_BYTES);
    });
    this.ended = new Promise((resolve) => {
      const end = (error?: unknown): void => {
        this.#over = true;
        if (error instanceof Error) this.#complaint += error.message;
        resolve();
      };
      child.once('error', end);
      child.once('exit', () => end());
    });
  }

  /**
   * Settles when it has the image open.
   * @throws ArrayError TOOL_MISSING, PATH_UNAVAILABLE
   */
  static async start(source: NbdSource): Promise<QemuNbd> {
    await rm(source.socket, { force: true });
    const child = spawn('qemu-nbd', argumentsFor(source), {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' },
    });
    const server = new QemuNbd(child);
    const deadline = performance.now() + NBD_START_MS;
    while (!(await answers(source.socket))) {
      if (server.#over || performance.now() > deadline) {
        await server.kill();
        throw server.#failure(source);
      }
      await new Promise((resolve) => setTimeout(resolve, NBD_POLL_MS));
    }
    return server;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get alive(): boolean {
    return !this.#over;
  }

  get complaint(): string {
    return this.#complaint.trim();
  }

  /** Gracefully. @returns whether it ended by itself: then its client has left the cluster too */
  async stop(): Promise<boolean> {
    if (this.#over) return false;
    this.#child.kill('SIGTERM');
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), NBD_STOP_MS);
    });
    const first = await Promise.race([this.ended, late]);
    clearTimeout(timer);
    if (first !== 'late') return true;
    await this.kill();
    return false;
  }

  async kill(): Promise<void> {
    if (!this.#over) this.#child.kill('SIGKILL');
    await this.ended;
  }

  #failure(source: NbdSource): ArrayError {
    const name = `${source.image}${source.snapshot === undefined ? '' : `@${source.snapshot}`}`;
    const details = { nativeMessage: this.complaint };
    if (/ENOENT/.test(this.complaint) && this.#child.pid === undefined) {
      const message = 'qemu-nbd is needed (Debian packages qemu-utils and qemu-block-extra)';
      return new ArrayError('TOOL_MISSING', message, details);
    }
    return new ArrayError('PATH_UNAVAILABLE', `cannot serve ${name}: ${this.complaint}`, details);
  }
}

/**
 * `cache=none` makes librbd's own cache off (`rbd_cache=false` in qemu's rbd driver): a write that is answered is in
 * the OSDs, so nothing is lost when this process dies. Zeroes are not looked for: a guest that writes them means it.
 */
function argumentsFor(source: NbdSource): readonly string[] {
  const image = {
    driver: 'raw',
    'file.driver': 'rbd',
    'file.pool': source.pool,
    ...(source.namespace === undefined ? {} : { 'file.namespace': source.namespace }),
    'file.image': source.image,
    ...(source.snapshot === undefined ? {} : { 'file.snapshot': source.snapshot }),
    'file.conf': source.conf,
    'file.user': source.user,
  };
  // A comma in a value is doubled (QEMU's option syntax).
  const options = Object.entries(image).map(
    ([key, value]) => `${key}=${value.replaceAll(',', ',,')}`,
  );
  return [
    ...['--persistent', '--shared=0', `--socket=${source.socket}`, `--export-name=${EXPORT_NAME}`],
    ...['--cache=none', '--discard=unmap', '--detect-zeroes=off'],
    ...(source.readOnly ? ['--read-only'] : []),
    ...['--image-opts', options.join(',')],
  ];
}

/** It listens before it has opened the image: only its greeting says that it has. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const settle = (greeted: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(greeted);
    };
    const timer = setTimeout(() => settle(false), NBD_START_MS);
    socket.once('data', () => settle(true));
    socket.once('error', () => settle(false));
    socket.once('close', () => settle(false));
  });
}
