/** What both kinds of demo share: a folder, things to undo in reverse order, and Ctrl-C. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ProgressView } from './progress-view.ts';

export interface DemoSession {
  readonly folder: string;
  readonly view: ProgressView;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** Runs at the end of the demo, last added first, however it ends. */
  defer(undo: () => Promise<unknown>): void;
}

const INTERRUPTED_EXIT = 130;

/** @returns the exit code: 0, 1 when `body` failed (told), 130 when it was interrupted */
export async function demoSession(
  view: ProgressView,
  body: (session: DemoSession) => Promise<void>,
): Promise<number> {
  const abort = new AbortController();
  const interrupt = (): void => {
    if (!abort.signal.aborted) view.say('\nInterrupted; cleaning up ...');
    abort.abort();
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, interrupt);
  const folder = await mkdtemp(join(tmpdir(), 'rootcast-demo-'));
  const undos: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  try {
    const ended = body({ folder, view, signal: abort.signal, defer: (undo) => undos.push(undo) });
    await Promise.race([ended, aborted(abort.signal)]);
    return 0;
  } catch (error) {
    if (abort.signal.aborted) return INTERRUPTED_EXIT;
    view.say(`The demo failed: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  } finally {
    for (let undo = undos.pop(); undo !== undefined; undo = undos.pop()) {
      await undo().catch((error: unknown) => view.say(`while cleaning up: ${String(error)}`));
    }
    for (const signal of signals) process.off(signal, interrupt);
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('interrupted')), { once: true });
  });
}
