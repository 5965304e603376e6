import type { Task } from './answers.ts';
import { PROGRESS_STEP_PERCENT, TASK_POLL_MS } from './limits.ts';
import { drawBar } from './progress-bar.ts';
import { part, type Session } from './session.ts';

interface ProgressView {
  update(task: Task): void;
  stop(): void;
}

/**
 * Looks at the task until it has ended. Ctrl-C cancels it on the server, and the wait goes on until
 * it has really stopped there.
 * @throws CliError
 */
export async function waitForTask(session: Session, started: Task, title: string): Promise<Task> {
  const view = session.io.terminal === undefined ? lines(session, title) : bar(session, title);
  const path = `/tasks/${part(started.id)}`;
  let interrupted = false;
  const stopListening = session.io.onInterrupt(() => {
    interrupted = true;
  });
  let cancelled = false;
  try {
    let task = started;
    while (task.state === 'running') {
      view.update(task);
      if (interrupted && !cancelled) {
        cancelled = true;
        await session.client.call('POST', `${path}/cancel`);
        session.io.stderr('\ncancelling …\n');
      }
      await session.io.sleep(TASK_POLL_MS);
      task = await session.client.call<Task>('GET', path);
    }
    view.update(task);
    return task;
  } finally {
    stopListening();
    view.stop();
  }
}

function lines(session: Session, title: string): ProgressView {
  let told = -PROGRESS_STEP_PERCENT;
  return {
    update({ percent, state, message }) {
      if (state === 'running' && percent < told + PROGRESS_STEP_PERCENT) return;
      told = percent;
      session.io.stderr(`${title}: ${percent} % ${state === 'running' ? message : state}\n`);
    },
    stop() {},
  };
}

function bar(session: Session, title: string): ProgressView {
  const drawn = drawBar(session, title);
  return {
    update: ({ percent, message }) => drawn.update(percent, message),
    stop: () => drawn.stop(),
  };
}
