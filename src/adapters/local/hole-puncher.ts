/**
 * Gives ranges of files back to the file system. Node has no fallocate, so util-linux's program of
 * that name does it: `fallocate --punch-hole --keep-size`. Starting a program costs milliseconds, so
 * ranges that wait are merged where they touch, and few programs run at once.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { PUNCHES_AT_ONCE } from './limits.ts';

/**
 * `unsupported`: no such program, or the file system cannot. `busy`: the program could not be started
 * this time. In both cases the range is as it was.
 */
export type PunchResult = 'punched' | 'unsupported' | 'busy';

/**
 * Punches one range of an open file.
 * @param fd open for writing
 * @throws an error with a `code` that errnoOf knows, when the disk failed
 */
export type Punch = (fd: number, offset: number, length: number) => Promise<PunchResult>;

interface Waiting {
  start: number;
  end: number;
  readonly settle: ((result: Promise<PunchResult>) => void)[];
}

/** The holes of one thread's files. */
export class HolePuncher {
  readonly #punch: Punch;
  readonly #files = new Map<number, Waiting[]>();
  /** Files whose ranges one worker of the pool is working off. */
  readonly #busy = new Set<number>();
  #running = 0;

  constructor(punch: Punch = punchWithFallocate) {
    this.#punch = punch;
  }

  /** Settles when the range is a hole. The caller keeps writers of the range away and `fd` open. */
  punch(fd: number, offset: number, length: number): Promise<PunchResult> {
    const waiting = this.#files.get(fd) ?? [];
    this.#files.set(fd, waiting);
    return new Promise((resolve) => {
      const end = offset + length;
      const neighbour = waiting.find((range) => range.start <= end && offset <= range.end);
      if (neighbour !== undefined) {
        neighbour.start = Math.min(neighbour.start, offset);
        neighbour.end = Math.max(neighbour.end, end);
        neighbour.settle.push(resolve);
      } else {
        waiting.push({ start: offset, end, settle: [resolve] });
      }
      // Later: requests that arrive in the same turn of the event loop find each other first.
      setImmediate(() => this.#next());
    });
  }

  #next(): void {
    for (const [fd, waiting] of this.#files) {
      if (this.#running >= PUNCHES_AT_ONCE) return;
      if (this.#busy.has(fd)) continue;
      const range = waiting.shift();
      if (waiting.length === 0) this.#files.delete(fd);
      if (range !== undefined) this.#start(fd, range);
    }
  }

  #start(fd: number, range: Waiting): void {
    this.#running += 1;
    this.#busy.add(fd);
    const result = this.#punch(fd, range.start, range.end - range.start);
    const over = (): void => {
      this.#running -= 1;
      this.#busy.delete(fd);
      this.#next();
    };
    result.then(over, over);
    for (const settle of range.settle) settle(result);
  }
}

/** The child gets the file itself as its descriptor 3: the file's name may have changed meanwhile. */
function punchWithFallocate(fd: number, offset: number, length: number): Promise<PunchResult> {
  const range = ['--offset', String(offset), '--length', String(length)];
  let child: ChildProcess;
  try {
    child = spawn('fallocate', ['--punch-hole', '--keep-size', ...range, '/proc/self/fd/3'], {
      stdio: ['ignore', 'ignore', 'pipe', fd],
      env: { ...process.env, LC_ALL: 'C' },
    });
  } catch {
    // Some reasons for which no process can be made are thrown, others come as an event.
    return Promise.resolve('busy');
  }
  return new Promise((resolve, reject) => {
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text.slice(0, 1000);
    });
    child.on('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'ENOENT' || error.code === 'EACCES' ? 'unsupported' : 'busy');
    });
    child.on('close', (code) => {
      if (code === 0) resolve('punched');
      else if (/not supported|not permitted|unrecognized|Inappropriate/i.test(said)) {
        resolve('unsupported');
      } else {
        const reason = /No space left/i.test(said) ? 'ENOSPC' : 'EIO';
        reject(Object.assign(new Error(`fallocate: ${said.trim()}`), { code: reason }));
      }
    });
  });
}
