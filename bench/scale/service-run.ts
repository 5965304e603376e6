/** One life of the service on a data folder: `bin/rootcast serve`, as a user starts it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseProcessStat } from '../procfs.ts';
import { READY_TIMEOUT_MS } from './limits.ts';

export const PROGRAM = resolve(import.meta.dirname, '../../bin/rootcast');

export interface ServiceRun {
  readonly http: string;
  /** '' when it is off. */
  readonly xenapi: string;
  /** `nbd://host:port` */
  readonly nbd: string;
  /** From the start of the program until it said that it is ready. */
  readonly readyMs: number;
  /** Resident memory of the service now, in bytes. */
  residentBytes(): number;
  /** CPU time of the service until now, in microseconds. */
  cpuMicros(): number;
  /** By SIGTERM. */
  stop(): Promise<void>;
  /** By SIGKILL. */
  kill(): Promise<void>;
}

/**
 * @param xenapi where XenAPI listens
 * @throws Error with what it said when it does not become ready
 */
export async function startService(data: string, xenapi = 'off'): Promise<ServiceRun> {
  const listen = [
    ...['--http', '127.0.0.1:0', '--nbd', '127.0.0.1:0', '--xenapi', xenapi],
    ...['--log-level', 'warn'],
  ];
  const started = performance.now();
  const child = spawn(PROGRAM, ['serve', '--data', data, ...listen], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = await untilReady(child);
  const readyMs = performance.now() - started;
  // The program is a script that becomes Node.js by exec: the child is the service itself.
  const { pid } = child;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const left = once(child, 'exit');
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal);
      await left;
    }
  };
  return {
    http: /^api (\S+)$/m.exec(output)?.[1] ?? '',
    xenapi: /^xenapi (\S+)$/m.exec(output)?.[1] ?? '',
    nbd: /^nbd (\S+)$/m.exec(output)?.[1] ?? '',
    readyMs,
    residentBytes: () => {
      const status = readFileSync(`/proc/${pid}/status`, 'latin1');
      return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
    },
    cpuMicros: () => parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'latin1')).cpuMicros,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  };
}

function untilReady(child: ChildProcess): Promise<string> {
  return new Promise((ready, fail) => {
    let output = '';
    const timer = setTimeout(() => child.kill('SIGKILL'), READY_TIMEOUT_MS);
    const collect = (chunk: Buffer): void => {
      output += chunk.toString();
      if (!/^ready$/m.test(output)) return;
      clearTimeout(timer);
      ready(output);
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
    child.once('exit', () => {
      clearTimeout(timer);
      fail(new Error(`the service did not become ready: ${output.trim()}`));
    });
  });
}

/** Asks the REST API. @throws Error with its answer when it refuses */
export async function post(run: ServiceRun, data: string, path: string, body: object) {
  const token = readFileSync(join(data, 'admin.token'), 'utf8').trim();
  const response = await fetch(`${run.http}/v1${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${text}`);
  return JSON.parse(text) as Record<string, unknown>;
}
