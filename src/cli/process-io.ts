import { readFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT_REFUSED } from './cli-error.ts';
import type { CliIo } from './cli-io.ts';

/** As a shell says it of a program that SIGINT has ended. */
const EXIT_INTERRUPTED = 130;

/** Ctrl-C, and what `kill`, `timeout` and service managers say. */
const INTERRUPTS = ['SIGINT', 'SIGTERM'] as const;

/** The real thing. */
export function processIo(): CliIo {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', endUnheard);
  return {
    stdout: (text) => {
      process.stdout.write(text);
    },
    stderr: (text) => {
      process.stderr.write(text);
    },
    stdin: () => text(process.stdin),
    stdinBytes: (signal) => {
      signal.addEventListener('abort', () => process.stdin.destroy(), { once: true });
      return process.stdin;
    },
    writeBytes: (bytes) =>
      new Promise((resolve, reject) => {
        process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
      }),
    askSecret: process.stdin.isTTY && process.stderr.isTTY ? askSecret : undefined,
    user: `${userName()}@${hostname()}`,
    terminal: process.stderr.isTTY ? process.stderr : undefined,
    env: process.env,
    cwd: process.cwd(),
    onInterrupt: (handler) => {
      for (const signal of INTERRUPTS) process.on(signal, handler);
      return () => {
        for (const signal of INTERRUPTS) process.off(signal, handler);
      };
    },
    sleep: async (ms) => {
      await sleep(ms);
    },
    fetch: globalThis.fetch,
    version: ownVersion(),
  };
}

/** Reads a line of the terminal and shows nothing of it. */
async function askSecret(prompt: string): Promise<string> {
  process.stderr.write(prompt);
  // readline edits the line, and draws it where nobody looks.
  const output = new Writable({ write: (_piece, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output, terminal: true });
  // The terminal hands Ctrl-C to us now.
  lines.once('SIGINT', () => {
    process.stderr.write('\n');
    process.exit(EXIT_INTERRUPTED);
  });
  try {
    return await lines.question('');
  } finally {
    lines.close();
    process.stderr.write('\n');
  }
}

/** `rootcast … | head`: whoever reads has had enough, which is no error. A full disk is one. */
function endUnheard(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') return;
  // To standard error itself there is nobody to tell; the exit code does.
  process.exitCode = EXIT_REFUSED;
  process.stderr.write(`rootcast: cannot write the result: ${error.message}\n`);
  process.exit();
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`; // one that no user database knows, as in a container
  }
}

function ownVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { version }: { version?: unknown } = JSON.parse(text);
  return String(version);
}
