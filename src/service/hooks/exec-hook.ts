/**
 * A hook that is a program. It gets its arguments as they are (no shell), an environment of its own, nothing to
 * read, and a process group of its own: when its time is over, what it has started ends with it.
 */
import { spawn } from 'node:child_process';
import type { HookEnd } from '../../control/index.ts';
import { KeptOutput } from './kept-output.ts';
import { HOOK_GRACE_MS, HOOK_OUTPUT_WAIT_MS } from './limits.ts';

export interface ExecRequest {
  /** Absolute. */
  readonly program: string;
  readonly args: readonly string[];
  readonly folder: string;
  readonly facts: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly graceMs?: number;
}

/** What a program needs to find others; nothing of ours (a token may be in our environment). */
const PASSED_ON = ['PATH', 'HOME', 'LANG', 'TZ'] as const;

export function execHook(request: ExecRequest, signal: AbortSignal): Promise<HookEnd> {
  const { program, args, folder, facts, timeoutMs, graceMs = HOOK_GRACE_MS } = request;
  const output = new KeptOutput();
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: folder,
      env: { ...ownEnvironment(), ...facts },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      shell: false,
    });
    let ended: string | undefined;
    let how = 'it has ended';
    let succeeded = false;
    let later: NodeJS.Timeout | undefined;
    const end = (why: string): void => {
      if (ended !== undefined) return;
      ended = why;
      signalGroup(child.pid, 'SIGTERM');
      later = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), graceMs);
    };
    const timer = setTimeout(() => end(`it did not end within ${timeoutMs / 1000} s`), timeoutMs);
    const cancel = (): void => end('it was cancelled');
    signal.addEventListener('abort', cancel, { once: true });
    if (signal.aborted) cancel();
    const settle = (): void => {
      clearTimeout(timer);
      clearTimeout(later);
      signal.removeEventListener('abort', cancel);
      if (ended !== undefined) signalGroup(child.pid, 'SIGKILL');
      child.stdout.destroy();
      child.stderr.destroy();
      resolve({
        succeeded: succeeded && ended === undefined,
        how: ended ?? how,
        output: output.text(),
      });
    };
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (piece: Buffer) => output.add(piece));
    }
    child.on('error', (error) => {
      how = `it could not be started: ${error.message}`;
      settle();
    });
    child.on('exit', (code, by) => {
      clearTimeout(timer);
      clearTimeout(later);
      succeeded = code === 0;
      how = by === null ? `exit code ${code}` : `ended by ${by}`;
      later = setTimeout(settle, HOOK_OUTPUT_WAIT_MS);
    });
    child.on('close', settle);
  });
}

function ownEnvironment(): Record<string, string> {
  return Object.fromEntries(
    PASSED_ON.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
}

function signalGroup(pid: number | undefined, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // it has ended meanwhile
  }
}
