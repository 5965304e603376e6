/**
 * A private network for machines and servers of the demo and the tests: an unnamed network namespace
 * with a bridge. It is held open by one process that waits for the end of its standard input, so it
 * goes away with us, however we end; taps and bridge go with it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BackgroundOptions, BackgroundProcess, endProcess } from './background-process.ts';
import { runProgram } from './run-program.ts';

/** The server's address and the network of every laboratory; a namespace each, so they never meet. */
export const SERVER_ADDRESS = '10.77.0.1';
const PREFIX = 24;
const BRIDGE = 'boot0';
const ROUTER_CARD = 'uplink';

const RELAY = join(dirname(fileURLToPath(import.meta.url)), 'relay-process.ts');

type Command = readonly [string, ...string[]];

export class NetworkNamespace {
  readonly #holder: ChildProcess;
  readonly #pid: number;
  readonly #children = new Set<BackgroundProcess>();
  #taps = 0;

  private constructor(holder: ChildProcess, pid: number) {
    this.#holder = holder;
    this.#pid = pid;
  }

  /**
   * @param address ours on the bridge
   * @throws ProgramError without root or without iproute2
   */
  static async create(address: string = SERVER_ADDRESS): Promise<NetworkNamespace> {
    const holder = spawn('unshare', ['--net', 'sh', '-c', 'echo ready; exec cat >/dev/null'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    holder.stdout.once('data', () => resolve());
    holder.once('error', reject);
    holder.once('exit', (code) => reject(new Error(`unshare --net exited with ${code}`)));
    await promise;
    if (holder.pid === undefined) throw new Error('unshare has no process id');
    const namespace = new NetworkNamespace(holder, holder.pid);
    await namespace.#setUp(address);
    return namespace;
  }

  async #setUp(address: string): Promise<void> {
    await this.run(['ip', 'link', 'set', 'lo', 'up']);
    await this.run(['ip', 'link', 'add', BRIDGE, 'type', 'bridge', 'forward_delay', '0']);
    await this.run(['ip', 'address', 'add', `${address}/${PREFIX}`, 'dev', BRIDGE]);
    await this.run(['ip', 'link', 'set', BRIDGE, 'up']);
  }

  /** The command as it must be spelled to run in this namespace. */
  inside(command: Command): [string, ...string[]] {
    return ['nsenter', '--target', String(this.#pid), '--net', '--', ...command];
  }

  async run(command: Command): Promise<string> {
    return runProgram(this.inside(command));
  }

  /** Starts a process that lives in the namespace and ends with us, however we end. */
  start(command: Command, options: BackgroundOptions = {}): BackgroundProcess {
    const child = BackgroundProcess.start(this.inside(command), options);
    this.#children.add(child);
    child.process.once('close', () => this.#children.delete(child));
    return child;
  }

  /** A new port of the bridge for a virtual machine; the name of its tap device. */
  async addTap(): Promise<string> {
    const name = `tap${this.#taps}`;
    this.#taps += 1;
    await this.run(['ip', 'tuntap', 'add', name, 'mode', 'tap']);
    await this.run(['ip', 'link', 'set', name, 'master', BRIDGE, 'up']);
    return name;
  }

  /** A cable between the two bridges: another host on the same network. */
  async connect(other: NetworkNamespace): Promise<void> {
    const peer = ['peer', 'name', 'cable1', 'netns', String(other.#pid)];
    await this.run(['ip', 'link', 'add', 'cable0', 'type', 'veth', ...peer]);
    await this.run(['ip', 'link', 'set', 'cable0', 'master', BRIDGE, 'up']);
    await other.run(['ip', 'link', 'set', 'cable1', 'master', BRIDGE, 'up']);
  }

  /**
   * A cable from our bridge to a host that is a router: `router`, whose own bridge is the network behind it.
   * @param address the router's on our network
   * @param behind the network behind it, e.g. `10.78.0.0/24`
   */
  async connectRouter(router: NetworkNamespace, address: string, behind: string): Promise<void> {
    const peer = ['peer', 'name', ROUTER_CARD, 'netns', String(router.#pid)];
    await this.run(['ip', 'link', 'add', 'cable0', 'type', 'veth', ...peer]);
    await this.run(['ip', 'link', 'set', 'cable0', 'master', BRIDGE, 'up']);
    await router.run(['ip', 'address', 'add', `${address}/${PREFIX}`, 'dev', ROUTER_CARD]);
    await router.run(['ip', 'link', 'set', ROUTER_CARD, 'up']);
    await router.run(['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward']);
    await this.run(['ip', 'route', 'add', behind, 'via', address]);
  }

  /**
   * Makes a TCP port of the namespace reachable from outside, as a Unix socket at `path` (Unix
   * sockets are found by path, whatever the network namespace).
   */
  async relay(path: string, host: string, port: number): Promise<void> {
    const relay = this.start([process.execPath, RELAY, path, host, String(port)]);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    relay.process.stdout?.once('data', () => resolve());
    relay.process.once('exit', () => reject(new Error(`the relay left: ${relay.output}`)));
    await promise;
  }

  /** Ends everything started in the namespace, then the namespace. */
  async close(): Promise<void> {
    await Promise.all([...this.#children].map((child) => child.end()));
    this.#holder.removeAllListeners('exit');
    await endProcess(this.#holder, 0);
  }
}
