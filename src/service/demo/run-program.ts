import { spawn } from 'node:child_process';

/** How much of a failed program's own words an error carries. */
const TAIL_CHARACTERS = 4_000;

export interface RunOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Called with every line of standard output and standard error. */
  readonly onLine?: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** A program that could not be started or that said no; the message holds the end of its output. */
export class ProgramError extends Error {
  override readonly name = 'ProgramError';
}

/**
 * Runs a program to its end and returns its standard output.
 * @throws ProgramError when it cannot be started, is aborted, or exits with anything but 0
 */
export function runProgram(
  command: readonly [string, ...string[]],
  options: RunOptions = {},
): Promise<string> {
  const [program, ...args] = command;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.environment },
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  let stdout = '';
  let tail = '';
  const hear = (text: string): void => {
    tail = (tail + text).slice(-TAIL_CHARACTERS);
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    hear(text);
  });
  child.stderr.setEncoding('utf8').on('data', hear);
  if (options.onLine !== undefined) {
    for (const stream of [child.stdout, child.stderr]) eachLine(stream, options.onLine);
  }
  let failure: ProgramError | undefined;
  child.once('error', (cause) => {
    failure = new ProgramError(`${program}: ${cause.message}`, { cause });
    // One that was told to end has not ended yet: whoever cleans up after it waits until it has.
    if (child.pid === undefined) reject(failure);
  });
  child.once('close', (code, killedBy) => {
    if (failure !== undefined) reject(failure);
    else if (code === 0) resolve(stdout);
    else {
      const end = code === null ? `was ended by ${killedBy ?? 'a signal'}` : `exited with ${code}`;
      reject(new ProgramError(`${command.join(' ')} ${end}\n${tail.trimEnd()}`));
    }
  });
  child.stdin.on('error', () => {
    // The program did not read its input; its exit code says what it made of that.
  });
  child.stdin.end(options.input ?? '');
  return promise;
}

/** Splits a stream into lines; what is left at its end counts as one. */
export function eachLine(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  let rest = '';
  stream.on('data', (text: string | Buffer) => {
    const lines = (rest + text.toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  });
  stream.on('end', () => {
    if (rest !== '') onLine(rest);
  });
}
