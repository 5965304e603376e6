/** Runs a program to its end: arguments as an array, never a shell; bounded in time and in what it may say. */
import { spawn } from 'node:child_process';

export interface RunProgramOptions {
  /** Milliseconds after which it is killed. */
  readonly timeoutMs: number;
  /** Bytes of its output that are kept; more, and it is killed. */
  readonly outputBytes: number;
  /** The whole environment; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** What it says on its standard error, as it comes: progress. */
  readonly onErrorText?: ((text: string) => void) | undefined;
}

/** What became of it. `killed`: it may have done what it was told, or not. */
export type ProgramEnd =
  | {
      readonly outcome: 'exited';
      readonly code: number;
      readonly stdout: string;
      readonly stderr: string;
    }
  | {
      readonly outcome: 'killed';
      readonly why: 'timeout' | 'aborted' | 'output' | 'signal';
      readonly stderr: string;
    }
  /** There is no such program. */
  | { readonly outcome: 'missing'; readonly error: Error };

type Killed = Extract<ProgramEnd, { outcome: 'killed' }>['why'];

export function runProgram(
  program: string,
  args: readonly string[],
  options: RunProgramOptions,
): Promise<ProgramEnd> {
  const { signal, env, timeoutMs } = options;
  if (signal?.aborted === true) {
    return Promise.resolve({ outcome: 'killed', why: 'aborted', stderr: '' });
  }
  return new Promise((resolve) => {
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const said: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] };
    let bytes = 0;
    let killed: Killed | undefined;
    const kill = (why: Killed): void => {
      killed ??= why;
      child.kill('SIGKILL');
      // A child of it may still hold the pipes: nobody waits for that one.
      child.stdout.destroy();
      child.stderr.destroy();
    };
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > options.outputBytes) return kill('output');
        said[stream].push(chunk);
        if (stream === 'stderr') options.onErrorText?.(chunk.toString('utf8'));
      });
    }
    const timer = setTimeout(() => kill('timeout'), timeoutMs);
    const onAbort = (): void => kill('aborted');
    signal?.addEventListener('abort', onAbort, { once: true });
    const settle = (end: ProgramEnd): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      resolve(end);
    };
    child.once('error', (error) => settle({ outcome: 'missing', error }));
    child.once('close', (code) => {
      const stderr = Buffer.concat(said.stderr).toString('utf8');
      if (killed !== undefined || code === null) {
        settle({ outcome: 'killed', why: killed ?? 'signal', stderr });
      } else {
        const stdout = Buffer.concat(said.stdout).toString('utf8');
        settle({ outcome: 'exited', code, stdout, stderr });
      }
    });
  });
}
