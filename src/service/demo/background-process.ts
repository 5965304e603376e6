import { type ChildProcess, spawn } from 'node:child_process';
import { Duplex } from 'node:stream';

const END_GRACE_MS = 5_000;
/** How much of a process's output is kept for whoever asks what it said. */
const OUTPUT_LIMIT = 1024 * 1024;

export interface BackgroundOptions {
  /** Added to our own environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** true: it gets a socket to us as its file descriptor 3 (CHANNEL). */
  readonly channel?: boolean;
}

/** The file descriptor of the channel, in the program. */
export const CHANNEL = 3;

/** A program that runs beside us and never outlives us: the kernel kills it when we die. */
export class BackgroundProcess {
  readonly process: ChildProcess;
  #output = '';

  private constructor(process: ChildProcess) {
    this.process = process;
    for (const stream of [process.stdout, process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => this.#hear(text));
    }
    process.once('error', (error) => this.#hear(`${error.message}\n`));
  }

  static start(
    command: readonly [string, ...string[]],
    { environment = {}, channel = false }: BackgroundOptions = {},
  ): BackgroundProcess {
    const [program, ...args] = tiedToUs(command);
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe', ...(channel ? (['pipe'] as const) : [])],
      env: { ...process.env, ...environment },
    });
    return new BackgroundProcess(child);
  }

  /** What it has written so far to standard output and standard error (the end of it, if it is long). */
  get output(): string {
    return this.#output;
  }

  /** Our end of its channel. @throws Error when it was started without one */
  get channel(): Duplex {
    const end = this.process.stdio[CHANNEL];
    if (!(end instanceof Duplex)) throw new Error('the program was started without a channel');
    return end;
  }

  get running(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** Asks it to leave; kills it when it does not. */
  end(): Promise<void> {
    return endProcess(this.process, END_GRACE_MS);
  }

  async kill(): Promise<void> {
    await endProcess(this.process, 0);
  }

  #hear(text: string): void {
    this.#output = (this.#output + text).slice(-OUTPUT_LIMIT);
  }
}

/**
 * On Linux setpriv (util-linux) asks for the signal, then becomes the program: the process id stays.
 * Elsewhere only an orderly end takes the process along.
 */
function tiedToUs(command: readonly [string, ...string[]]): readonly [string, ...string[]] {
  return process.platform === 'linux' ? ['setpriv', '--pdeathsig', 'KILL', ...command] : command;
}

/** Ends a child process by its own id: politely first, by force after `graceMs` (0: at once). */
export async function endProcess(child: ChildProcess, graceMs: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const left = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  if (graceMs === 0) child.kill('SIGKILL');
  else child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), graceMs);
  await left;
  clearTimeout(force);
}
