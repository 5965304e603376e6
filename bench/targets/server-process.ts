/** Starting a server, waiting until it accepts connections, and ending it: by its own process id only. */
import { type ChildProcess, spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { START_TIMEOUT_MS, STOP_TIMEOUT_MS } from '../limits.ts';

const POLL_MS = 20;
const HOST = '127.0.0.1';

/** A TCP port of the loopback interface that nobody listens on right now. */
export function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, HOST, () => {
      const address = probe.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, HOST);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

export interface ServerProcess {
  readonly pid: number;
  /** Standard output and standard error so far. */
  output(): string;
  stop(): Promise<void>;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const left = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await left;
  clearTimeout(timer);
}

/**
 * @param isUp asked again and again until it says true
 * @throws Error when the server leaves, or is not up in time; the message holds what it said
 */
export async function startServer(
  program: string,
  args: readonly string[],
  isUp: (output: string) => boolean | Promise<boolean>,
): Promise<ServerProcess> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const collect = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  let failure: Error | undefined;
  child.once('error', (error) => {
    failure = error;
  });

  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await isUp(output))) {
    const gone = failure !== undefined || child.exitCode !== null || child.signalCode !== null;
    if (gone || Date.now() > deadline) {
      await end(child);
      throw new Error(`${program} did not come up: ${failure?.message ?? output.trim()}`);
    }
    await sleep(POLL_MS);
  }
  const { pid } = child;
  if (pid === undefined) throw new Error(`${program} has no process id`);
  return { pid, output: () => output, stop: () => end(child) };
}

export function startServerOnPort(
  program: string,
  args: readonly string[],
  port: number,
): Promise<ServerProcess> {
  return startServer(program, args, () => accepts(port));
}
