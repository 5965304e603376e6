/** Starting a server, waiting until it accepts connections, and ending it: by its own process id only. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { START_TIMEOUT_MS, STOP_TIMEOUT_MS } from '../limits.ts';
import type { RunningTarget } from './target.ts';

const POLL_MS = 20;
export const HOST = '127.0.0.1';

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

export interface StartOptions {
  /** On top of this process's own. */
  readonly environment?: Readonly<Record<string, string>>;
  /** The program forks into the background and leaves the server's process id in this file. */
  readonly pidFile?: string;
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const left = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await left;
  clearTimeout(timer);
}

/** Whether the process still runs: one that its parent has not yet asked for is over (proc(5)). */
function runs(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It left meanwhile.
  }
}

/** Of a process that is not our child: nobody tells when it is gone. */
async function endDaemon(pid: number): Promise<void> {
  send(pid, 'SIGTERM');
  for (const deadline = Date.now() + STOP_TIMEOUT_MS; runs(pid); await sleep(POLL_MS)) {
    if (Date.now() > deadline) send(pid, 'SIGKILL');
  }
}

/** The process id in a file; undefined while it is not there, or half written. */
function readPid(path: string): number | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    return /^\d+\n/.test(text) ? Number.parseInt(text, 10) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param isUp asked again and again until it says true
 * @throws Error when the server leaves, or is not up in time; the message holds what it said
 */
export async function startServer(
  program: string,
  args: readonly string[],
  isUp: (output: string) => boolean | Promise<boolean>,
  { environment, pidFile }: StartOptions = {},
): Promise<ServerProcess> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
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
  const pidOf = (): number | undefined => (pidFile === undefined ? child.pid : readPid(pidFile));
  const stop = async (): Promise<void> => {
    await endChild(child);
    const daemon = pidFile === undefined ? undefined : readPid(pidFile);
    if (daemon !== undefined) await endDaemon(daemon);
  };

  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    const up = await isUp(output);
    const pid = pidOf();
    if (up && pid !== undefined) return { pid, output: () => output, stop };
    const left = child.exitCode !== null || child.signalCode !== null;
    // A program that forks leaves as soon as its daemon runs.
    const gone = left && (pidFile === undefined || child.exitCode !== 0);
    if (failure !== undefined || gone || Date.now() > deadline) {
      await stop();
      throw new Error(`${program} did not come up: ${failure?.message ?? output.trim()}`);
    }
    await sleep(POLL_MS);
  }
}

export function startServerOnPort(
  program: string,
  args: readonly string[],
  port: number,
  options: StartOptions = {},
): Promise<ServerProcess> {
  return startServer(program, args, () => accepts(port), options);
}

/** A server with the exports of `nameOf`: for most, every machine's is the same. */
export function runningOn(
  server: ServerProcess,
  port: number,
  nameOf: (machine: number) => string = () => '',
): RunningTarget {
  return {
    pid: server.pid,
    uri: (machine) => `nbd://${HOST}:${port}/${nameOf(machine)}`,
    stop: () => server.stop(),
  };
}
