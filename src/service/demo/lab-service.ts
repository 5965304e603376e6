/**
 * The service as a user runs it, `bin/rootcast serve` in a process of its own, inside a namespace with
 * its boot servers or on loopback without them; the CLI against it, and its REST API from out here.
 */
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MachineView } from '../../control/index.ts';
import { BackgroundProcess } from './background-process.ts';
import { type NetworkNamespace, SERVER_ADDRESS } from './namespace.ts';
import { type RunOptions, runProgram } from './run-program.ts';

/** What the command line calls; everything the laboratory does goes through it. */
const ROOTCAST = fileURLToPath(new URL('../../../bin/rootcast', import.meta.url));

const START_TIMEOUT_MS = 60_000;
const REQUEST_TIMEOUT_MS = 30_000;
const API_PORT = 8480;

export interface LabServiceOptions {
  /** Network of the machines; undefined: loopback, no boot servers. */
  readonly namespace: NetworkNamespace | undefined;
  /** Data folder and sockets; kept when the service ends. */
  readonly folder: string;
  /** For `rootcast serve`. */
  readonly arguments: readonly string[];
}

/** Full DHCP for the machines of a namespace: the service is the only DHCP server there. */
export const FULL_DHCP: readonly string[] = [
  ...['--pxe-address', SERVER_ADDRESS],
  ...['--pxe-dhcp-mode', 'full', '--pxe-dhcp-netmask', '255.255.255.0'],
  ...['--pxe-dhcp-range-start', '10.77.0.100', '--pxe-dhcp-range-end', '10.77.0.199'],
];

type Endpoint = { readonly socketPath: string } | { readonly host: string; readonly port: number };

export class LabService {
  readonly #options: LabServiceOptions;
  readonly #child: BackgroundProcess;
  readonly #endpoint: Endpoint;
  readonly #token: string;
  /** Port of the NBD server. */
  readonly nbdPort: number;

  private constructor(
    options: LabServiceOptions,
    child: BackgroundProcess,
    live: { readonly endpoint: Endpoint; readonly token: string; readonly nbdPort: number },
  ) {
    this.#options = options;
    this.#child = child;
    this.#endpoint = live.endpoint;
    this.#token = live.token;
    this.nbdPort = live.nbdPort;
  }

  /** @throws Error with what the service said when it does not come up */
  static async start(options: LabServiceOptions): Promise<LabService> {
    const { namespace, folder } = options;
    const data = join(folder, 'data');
    const host = namespace === undefined ? '127.0.0.1' : SERVER_ADDRESS;
    const command: [string, ...string[]] = [
      ...([ROOTCAST, 'serve', '--data', data] as const),
      ...['--http', namespace === undefined ? `${host}:0` : `${host}:${API_PORT}`],
      ...['--nbd', namespace === undefined ? `${host}:0` : `${host}:10809`, '--xenapi', 'off'],
      ...options.arguments,
    ];
    const child =
      namespace === undefined ? BackgroundProcess.start(command) : namespace.start(command);
    await ready(child);
    const apiPort = Number(/^api http:\/\/.*:(\d+)$/m.exec(child.output)?.[1]);
    const nbdPort = Number(/^nbd nbd:\/\/.*:(\d+)$/m.exec(child.output)?.[1]);
    const endpoint = await reach(namespace, folder, { host, port: apiPort });
    const token = (await readFile(join(data, 'admin.token'), 'utf8')).trim();
    return new LabService(options, child, { endpoint, token, nbdPort });
  }

  /** What the service has printed: its log. */
  get output(): string {
    return this.#child.output;
  }

  get running(): boolean {
    return this.#child.running;
  }

  /**
   * Runs `rootcast …` as an administrator would.
   * @throws ProgramError when it says no
   */
  cli(args: readonly string[], options: RunOptions = {}): Promise<string> {
    const { namespace, folder } = this.#options;
    const command: [string, ...string[]] = [ROOTCAST, ...args, '--data', join(folder, 'data')];
    return runProgram(namespace === undefined ? command : namespace.inside(command), options);
  }

  machine(name: string): Promise<MachineView> {
    return this.get<MachineView>(`/machines/${encodeURIComponent(name)}`);
  }

  /** @param path below /v1 */
  get<T>(path: string): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const headers = { authorization: `Bearer ${this.#token}`, host: 'lab' };
    const call = request(
      { ...this.#endpoint, path: `/v1${path}`, headers, timeout: REQUEST_TIMEOUT_MS },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        answer.once('end', () => {
          if (answer.statusCode === 200) resolve(JSON.parse(text) as T);
          else reject(new Error(`GET ${path}: ${answer.statusCode} ${text}`));
        });
      },
    );
    call.once('timeout', () => call.destroy(new Error(`GET ${path}: no answer`)));
    call.once('error', reject);
    call.end();
    return promise;
  }

  /** Resolves to the exit code. */
  async stop(): Promise<number | null> {
    await this.#child.end();
    return this.#child.process.exitCode;
  }

  kill(): Promise<void> {
    return this.#child.kill();
  }
}

function ready(child: BackgroundProcess): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (why: string): void => reject(new Error(`the service ${why}:\n${child.output}`));
  const timer = setTimeout(() => fail('does not get ready'), START_TIMEOUT_MS);
  const listen = (): void => {
    if (/^ready$/m.test(child.output)) resolve();
  };
  child.process.stdout?.on('data', listen);
  child.process.once('close', () => fail('left'));
  return promise.finally(() => {
    clearTimeout(timer);
    child.process.stdout?.off('data', listen);
  });
}

async function reach(
  namespace: NetworkNamespace | undefined,
  folder: string,
  address: { readonly host: string; readonly port: number },
): Promise<Endpoint> {
  if (namespace === undefined) return address;
  const socketPath = join(folder, `api-${process.hrtime.bigint()}.sock`);
  await namespace.relay(socketPath, address.host, address.port);
  return { socketPath };
}
