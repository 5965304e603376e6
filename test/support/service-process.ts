/**
 * The service as a user runs it: `bin/rootcast serve` in a child process, on free ports and a folder of
 * its own, and `bin/rootcast …` against it.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What users start. */
export const PROGRAM = fileURLToPath(new URL('../../bin/rootcast', import.meta.url));

export interface ServiceOptions {
  /** Kept from an earlier service; default: a fresh one, removed by `remove`. */
  readonly data?: string;
  readonly arguments?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** A program to run the service under, e.g. `['strace', '-f', …]`. */
  readonly wrapper?: readonly string[];
  /** Fixed NBD port, to come back on after a restart; default: a free one. */
  readonly nbdPort?: number;
}

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Exit of a process: its code, or the signal that ended it. */
export type Exit = number | NodeJS.Signals;

export class ServiceProcess {
  readonly data: string;
  readonly http: string;
  readonly nbdPort: number;
  /** Where XenAPI listens; '' when it is off. */
  readonly xenapi: string;
  /** Where machines fetch their scripts; '' without PXE. */
  readonly boot: string;
  readonly child: ChildProcess;
  readonly exited: Promise<Exit>;
  readonly #stderr: string[];

  private constructor(parts: {
    data: string;
    http: string;
    nbdPort: number;
    xenapi: string;
    boot: string;
    child: ChildProcess;
    exited: Promise<Exit>;
    stderr: string[];
  }) {
    this.data = parts.data;
    this.http = parts.http;
    this.nbdPort = parts.nbdPort;
    this.xenapi = parts.xenapi;
    this.boot = parts.boot;
    this.child = parts.child;
    this.exited = parts.exited;
    this.#stderr = parts.stderr;
  }

  /** The files of its repository, but for the flush journals that every start makes anew. */
  volumes(): string[] {
    return readdirSync(join(this.data, 'repository')).filter(
      (name) => !name.startsWith('journal.'),
    );
  }

  /** Resolves when the service has printed `ready`; rejects with its output when it leaves before. */
  static async start(options: ServiceOptions = {}): Promise<ServiceProcess> {
    const data = options.data ?? mkdtempSync(join(tmpdir(), 'rootcast-service-'));
    const serve = [
      ...['serve', '--data', data, '--http', '127.0.0.1:0', '--xenapi', '127.0.0.1:0'],
      ...['--nbd', `127.0.0.1:${options.nbdPort ?? 0}`, '--log-level', 'warn'],
      ...(options.arguments ?? []),
    ];
    const [program = PROGRAM, ...before] = [...(options.wrapper ?? []), PROGRAM];
    const child = spawn(program, [...before, ...serve], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.environment },
    });
    const exited = new Promise<Exit>((resolve) => {
      child.once('exit', (code, signal) => resolve(code ?? signal ?? 1));
    });
    const stderr: string[] = [];
    child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk.toString()));
    const stdout = await untilReady(child, exited, stderr).catch((error: unknown) => {
      if (options.data === undefined) rmSync(data, { recursive: true, force: true });
      throw error;
    });
    const http = /^api (\S+)$/m.exec(stdout)?.[1] ?? '';
    const nbdPort = Number(/^nbd nbd:\/\/.*:(\d+)$/m.exec(stdout)?.[1]);
    const boot = /^boot (\S+)$/m.exec(stdout)?.[1] ?? '';
    const xenapi = /^xenapi (\S+)$/m.exec(stdout)?.[1] ?? '';
    return new ServiceProcess({ data, http, xenapi, nbdPort, boot, child, exited, stderr });
  }

  get stderr(): string {
    return this.#stderr.join('');
  }

  get token(): string {
    return readFileSync(join(this.data, 'admin.token'), 'utf8').trim();
  }

  /** NBD URI of an export. */
  uri(exportName: string): string {
    return `nbd://127.0.0.1:${this.nbdPort}/${exportName}`;
  }

  /** Runs `bin/rootcast` against this service. */
  cli(...args: string[]): Promise<CliResult> {
    return runProgram(PROGRAM, [...args, '--data', this.data]);
  }

  /** The same, and fails the test when the command fails. @returns what `--json` printed */
  async json<T>(...args: string[]): Promise<T> {
    const result = await this.cli(...args, '--json');
    if (result.code !== 0) throw new Error(`rootcast ${args.join(' ')}: ${result.stderr}`);
    return JSON.parse(result.stdout) as T;
  }

  /** The service itself, which is not the child when it runs under a wrapper. */
  get #pid(): number {
    return (JSON.parse(readFileSync(join(this.data, 'server.json'), 'utf8')) as { pid: number })
      .pid;
  }

  /** Ends it in an orderly way. @returns how it left */
  stop(): Promise<Exit> {
    process.kill(this.#pid, 'SIGTERM');
    return this.exited;
  }

  kill(): Promise<Exit> {
    process.kill(this.#pid, 'SIGKILL');
    return this.exited;
  }

  /** Stops it if it still runs, and deletes its folder. */
  async remove(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.stop();
    rmSync(this.data, { recursive: true, force: true });
  }
}

function untilReady(child: ChildProcess, exited: Promise<Exit>, stderr: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let stdout = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
      if (/^ready$/m.test(stdout)) resolve(stdout);
    });
    void exited.then((exit) =>
      reject(new Error(`the service left with ${exit}: ${stderr.join('')}`)),
    );
  });
}

export function runProgram(program: string, args: readonly string[]): Promise<CliResult> {
  return new Promise((resolve) => {
    execFile(program, [...args], { maxBuffer: 64 * 2 ** 20 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, stdout, stderr });
    });
  });
}
