/** The parent's side of the load generator: one process, jobs one after the other. */
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { CLIENT_GRACE_MS } from '../limits.ts';
import {
  type FromLoad,
  type LoadJob,
  type LoadProgress,
  type LoadResult,
  type TlsFiles,
  type ToLoad,
  WrongDataError,
} from './job.ts';

export interface JobHooks {
  /** Called just before the first request is sent: what the server has used so far does not count. */
  begin?(): void;
  /** Called just after the last answer, before anything is read back. */
  end?(): void;
  progress?(progress: LoadProgress): void;
}

interface Running {
  readonly hooks: JobHooks;
  readonly resolve: (result: LoadResult) => void;
  readonly reject: (error: Error) => void;
  stall: NodeJS.Timeout;
  seen: string;
}

export class LoadSession {
  readonly #child: ChildProcess;
  readonly #tls: TlsFiles;
  readonly #left: Promise<void>;
  #running: Running | undefined;

  /** @param signal ends the process, and what runs in it fails */
  constructor(tls: TlsFiles = {}, signal?: AbortSignal) {
    this.#tls = tls;
    this.#child = fork(join(import.meta.dirname, 'load-process.ts'), { stdio: 'inherit' });
    this.#child.on('message', (message: FromLoad) => this.#receive(message));
    this.#left = new Promise((resolve) => this.#child.once('exit', () => resolve()));
    this.#child.once('exit', (code, name) => {
      this.#fail(new Error(`the load generator ended (${name ?? code})`));
    });
    this.#child.once('error', (error) => this.#fail(error));
    signal?.addEventListener('abort', () => {
      this.#fail(new Error('interrupted'));
      void this.close();
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** One job at a time. @throws Error with what the load generator says went wrong */
  run(job: LoadJob, hooks: JobHooks = {}): Promise<LoadResult> {
    if (this.#running !== undefined) throw new Error('a job is running');
    return new Promise<LoadResult>((resolve, reject) => {
      const stall = this.#watch();
      this.#running = { hooks, resolve, reject, stall, seen: '' };
      this.#tell({ kind: 'job', job, tls: this.#tls });
    });
  }

  /** Ends the process; its connections end with it. */
  async close(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), CLIENT_GRACE_MS);
    await this.#left;
    clearTimeout(timer);
  }

  #tell(message: ToLoad): void {
    if (this.#child.connected) this.#child.send(message);
    else this.#fail(new Error('the load generator is gone'));
  }

  /** A job in which nothing moves for so long hangs. */
  #watch(): NodeJS.Timeout {
    return setTimeout(() => {
      const seconds = CLIENT_GRACE_MS / 1e3;
      this.#fail(new Error(`no answer for ${seconds} s`));
      this.#child.kill('SIGKILL');
    }, CLIENT_GRACE_MS);
  }

  #take(): Running | undefined {
    const running = this.#running;
    this.#running = undefined;
    clearTimeout(running?.stall);
    return running;
  }

  #fail(error: Error): void {
    this.#take()?.reject(error);
  }

  #receive(message: FromLoad): void {
    const running = this.#running;
    if (running === undefined) return;
    switch (message.kind) {
      case 'ready':
        running.hooks.begin?.();
        this.#tell({ kind: 'go' });
        return;
      case 'measured':
        running.hooks.end?.();
        this.#tell({ kind: 'go' });
        return;
      case 'progress': {
        const { phase, requests, verifiedBytes } = message.progress;
        const seen = `${phase} ${requests} ${verifiedBytes}`;
        if (seen !== running.seen) {
          running.seen = seen;
          clearTimeout(running.stall);
          running.stall = this.#watch();
        }
        running.hooks.progress?.(message.progress);
        return;
      }
      case 'result':
        this.#take()?.resolve(message.result);
        return;
      case 'error':
        this.#fail(
          message.wrongData ? new WrongDataError(message.message) : new Error(message.message),
        );
    }
  }
}
