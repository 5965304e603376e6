import { setImmediate } from 'node:timers/promises';
import type { CliIo } from '../../../src/cli/index.ts';

export interface FakeIo extends CliIo {
  out: string;
  err: string;
  /** Written as bytes. */
  bytes: Buffer;
  /** Ctrl-C. */
  interrupt(): void;
  /** Called instead of each pause between two looks at a task. */
  onSleep: () => void | Promise<void>;
}

export function fakeIo(options: Partial<CliIo> = {}): FakeIo {
  const handlers = new Set<() => void>();
  const io: FakeIo = {
    out: '',
    err: '',
    bytes: Buffer.alloc(0),
    onSleep: () => {},
    stdout(text) {
      io.out += text;
    },
    stderr(text) {
      io.err += text;
    },
    interrupt() {
      for (const handler of handlers) handler();
    },
    onInterrupt(handler) {
      handlers.add(handler);
      return () => handlers.delete(handler);
    },
    async sleep() {
      await io.onSleep();
      await setImmediate();
    },
    stdin: async () => '',
    stdinBytes: async function* () {},
    async writeBytes(bytes) {
      io.bytes = Buffer.concat([io.bytes, bytes]);
    },
    askSecret: undefined,
    user: 'tester@bench',
    terminal: undefined,
    env: {},
    cwd: '/nowhere',
    fetch: globalThis.fetch,
    version: '9.8.7',
    ...options,
  };
  return io;
}
