import { readFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT_REFUSED } from './cli-error.ts';
import type { CliIo } from './cli-io.ts';

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
    user: `${userName()}@${hostname()}`,
    terminal: process.stderr.isTTY ? process.stderr : undefined,
    env: process.env,
    cwd: process.cwd(),
    onInterrupt: (handler) => {
      process.on('SIGINT', handler);
      return () => process.off('SIGINT', handler);
    },
    sleep: async (ms) => {
      await sleep(ms);
    },
    fetch: globalThis.fetch,
    version: ownVersion(),
  };
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
