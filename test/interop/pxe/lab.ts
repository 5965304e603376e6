/**
 * A boot network in private namespaces: a bridge with our server (`h5-server`, 192.168.50.1), another
 * server (`h5-other`, 192.168.50.2) and a machine without an address (`h5-machine`). Needs root.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { PxeConfig } from '../../../src/pxe/index.ts';

export type Place = 'server' | 'other' | 'machine';

const PLACES: readonly Place[] = ['server', 'other', 'machine'];

export function namespaceOf(place: Place): string {
  return `h5-${place}-${process.pid}`;
}

export function inNamespace(place: Place, ...command: string[]): string[] {
  return ['ip', 'netns', 'exec', namespaceOf(place), ...command];
}

function ip(...args: string[]): void {
  const { status, output } = run(['ip', ...args]);
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${output}`);
}

export function createLab(): void {
  const bridge = namespaceOf('server');
  for (const place of PLACES) {
    ip('netns', 'add', namespaceOf(place));
    ip('-n', namespaceOf(place), 'link', 'set', 'lo', 'up');
  }
  ip('-n', bridge, 'link', 'add', 'br0', 'type', 'bridge');
  ip('-n', bridge, 'address', 'add', '192.168.50.1/24', 'dev', 'br0');
  ip('-n', bridge, 'link', 'set', 'br0', 'up');
  for (const place of PLACES.slice(1)) {
    const [near, far] = [`to-${place}`, 'eth0'];
    ip('-n', bridge, 'link', 'add', near, 'type', 'veth', 'peer', far, 'netns', namespaceOf(place));
    ip('-n', bridge, 'link', 'set', near, 'master', 'br0', 'up');
    ip('-n', namespaceOf(place), 'link', 'set', far, 'up');
  }
  ip('-n', namespaceOf('other'), 'address', 'add', '192.168.50.2/24', 'dev', 'eth0');
}

export function removeLab(): void {
  for (const place of PLACES) spawnSync('ip', ['netns', 'delete', namespaceOf(place)]);
}

export const LAB_CONFIG: PxeConfig = {
  serverAddress: '192.168.50.1',
  broadcastAddress: '255.255.255.255',
  dhcp: { mode: 'proxy' },
  tftp: true,
  ports: { dhcp: 67, dhcpClient: 68, bootServer: 4011, tftp: 69, http: 8069 },
  httpBaseUrl: undefined,
  nbd: { address: '192.168.50.1', port: 10809 },
  loaderFolders: ['/usr/lib/ipxe'],
  uefiLoader: 'ipxe.efi',
};

export interface ServerLine {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** A started process whose lines are collected. */
export class Running {
  readonly lines: ServerLine[] = [];
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #rest = '';
  #waiting: (() => void)[] = [];

  constructor(command: readonly string[]) {
    const [program = '', ...args] = command;
    this.#child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    // `close`, not `exit`: only then has all of its output arrived.
    this.#exited = once(this.#child, 'close');
    this.#child.stdout?.on('data', (chunk: Buffer) => this.#receive(chunk));
    void this.#exited.then(() => this.#wake());
  }

  #receive(chunk: Buffer): void {
    const lines = (this.#rest + chunk.toString()).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      this.lines.push(
        line.startsWith('{') ? (JSON.parse(line) as ServerLine) : { type: 'text', line },
      );
    }
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async line(found: (line: ServerLine) => boolean): Promise<ServerLine> {
    for (;;) {
      const line = this.lines.find(found);
      if (line !== undefined) return line;
      if (this.#child.exitCode !== null) throw new Error(`it ended: ${JSON.stringify(this.lines)}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** The exit code. */
  get ended(): Promise<unknown> {
    return this.#exited.then(() => this.#child.exitCode);
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    if (this.#child.exitCode === null) this.#child.kill(signal);
    await this.#exited;
  }
}

export function startServer(
  config: PxeConfig,
  options: { leaseFile?: string; as?: readonly string[] } = {},
): Running {
  const program = fileURLToPath(new URL('server-process.ts', import.meta.url));
  const node = [process.execPath, program, JSON.stringify(config), options.leaseFile ?? ''];
  return new Running(inNamespace('server', ...(options.as ?? []), ...node));
}

export async function startedServer(
  config: PxeConfig,
  options: { leaseFile?: string } = {},
): Promise<Running> {
  const server = startServer(config, options);
  await server.line((line) => line.type === 'started');
  return server;
}

export function run(
  command: readonly string[],
  input?: string,
): { status: number | null; output: string } {
  const [program = '', ...args] = command;
  const result = spawnSync(program, args, { encoding: 'utf8', input, timeout: 60_000 });
  return { status: result.status, output: `${result.stdout}${result.stderr}` };
}
