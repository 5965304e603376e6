/**
 * The load generator's process (started by session.ts): a process of its own, so that its CPU time is
 * not the runner's and never the server's. Jobs come and results go as messages.
 */
import { type FromLoad, type LoadJob, type TlsFiles, type ToLoad, WrongDataError } from './job.ts';
import { JobRunner } from './run-job.ts';

const PROGRESS_MS = 250;

function tell(message: FromLoad): void {
  // Without a parent there is nobody to tell; 'disconnect' ends this process.
  if (process.connected) process.send?.(message);
}

let go: (() => void) | undefined;

function untilGo(): Promise<void> {
  return new Promise((resolve) => {
    go = resolve;
  });
}

let runner: JobRunner | undefined;

async function run(job: LoadJob, tls: TlsFiles): Promise<void> {
  runner ??= new JobRunner(tls);
  const current = runner;
  const timer = setInterval(
    () => tell({ kind: 'progress', progress: current.progress() }),
    PROGRESS_MS,
  );
  try {
    const result = await current.run(job, {
      ready() {
        tell({ kind: 'ready' });
        return untilGo();
      },
      measured() {
        tell({ kind: 'measured' });
        return untilGo();
      },
    });
    tell({ kind: 'result', result });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    tell({ kind: 'error', message, wrongData: error instanceof WrongDataError });
  } finally {
    clearInterval(timer);
  }
}

// Ctrl-C reaches the whole group of processes; the parent decides what ends, and says so.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit());
process.on('message', (message: ToLoad) => {
  if (message.kind === 'go') go?.();
  else void run(message.job, message.tls);
});
