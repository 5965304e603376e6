/** Reads a serial port of a machine and types at it: waits for what it prints, runs commands in its shell. */
import type { ChildProcess } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

/** More than any boot prints; what is older is forgotten. */
const TRANSCRIPT_LIMIT = 4 * 1024 * 1024;
/** How much of the console a failure shows. */
const SHOWN_CHARACTERS = 3_000;

interface Waiter {
  check(): void;
}

export class ConsoleError extends Error {
  override readonly name = 'ConsoleError';
}

export class SerialConsole {
  readonly #input: Writable | null;
  readonly #waiters = new Set<Waiter>();
  #transcript = '';
  /** Characters of the transcript that an earlier wait has already consumed. */
  #consumed = 0;
  #ended = false;
  #commands = 0;

  /** @param outputs what the port says; @param input what is typed at it */
  constructor(
    machine: ChildProcess,
    outputs: readonly (Readable | null)[],
    input: Writable | null,
  ) {
    this.#input = input;
    for (const stream of outputs) {
      stream?.setEncoding('utf8').on('data', (text: string) => this.#hear(text));
    }
    input?.on('error', () => {
      // The machine is gone; whoever waits for its answer is told by `close`.
    });
    machine.once('close', () => {
      this.#ended = true;
      this.#hear('');
    });
  }

  /** Everything printed so far, as it came. */
  get transcript(): string {
    return this.#transcript;
  }

  /**
   * Waits until the console prints something that matches, from where the last wait ended.
   * @throws ConsoleError, with the end of the transcript, after `timeoutMs` or when the machine ends
   */
  waitFor(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray> {
    const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
    const fail = (why: string): void => {
      const shown = this.#transcript.slice(-SHOWN_CHARACTERS);
      reject(new ConsoleError(`${why} while waiting for ${pattern}; the console said:\n${shown}`));
    };
    const waiter: Waiter = {
      check: () => {
        const match = pattern.exec(this.#transcript.slice(this.#consumed));
        if (match !== null) {
          this.#consumed += match.index + match[0].length;
          resolve(match);
        } else if (this.#ended) fail('the machine ended');
      },
    };
    this.#waiters.add(waiter);
    const timer = setTimeout(() => fail(`${timeoutMs} ms passed`), timeoutMs);
    waiter.check();
    return promise.finally(() => {
      clearTimeout(timer);
      this.#waiters.delete(waiter);
    });
  }

  /**
   * Runs a command in the root shell that listens there (no echo, no prompt).
   * @returns what it wrote
   * @throws ConsoleError when it fails, or gives no answer in `timeoutMs`
   */
  async run(command: string, timeoutMs: number): Promise<string> {
    this.#commands += 1;
    const tag = `rc${this.#commands}`;
    this.type(`\necho "<$((0))${tag}>"; { ${command}\n} 2>&1; echo "<$?/${tag}>"\n`);
    const pattern = new RegExp(`<0${tag}>\\r?\\n([\\s\\S]*?)<(\\d+)/${tag}>`);
    const [, output, code] = await this.waitFor(pattern, timeoutMs);
    const text = (output ?? '').replaceAll('\r', '').trimEnd();
    if (code !== '0') throw new ConsoleError(`${command} exited with ${code}:\n${text}`);
    return text;
  }

  type(text: string): void {
    this.#input?.write(text);
  }

  #hear(text: string): void {
    this.#transcript += text;
    const surplus = this.#transcript.length - TRANSCRIPT_LIMIT;
    if (surplus > 0) {
      this.#transcript = this.#transcript.slice(surplus);
      this.#consumed = Math.max(0, this.#consumed - surplus);
    }
    for (const waiter of this.#waiters) waiter.check();
  }
}
