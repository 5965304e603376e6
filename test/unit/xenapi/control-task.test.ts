import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Control, closeControl } from '../../../src/control/index.ts';
import { Fault } from '../../../src/errors/index.ts';
import { runTask } from '../../../src/xenapi/control-task.ts';
import { XenError } from '../../../src/xenapi/xen-error.ts';
import { fakeService } from '../control/support/fake-service.ts';

let control: Control;
beforeEach(() => {
  control = fakeService().control;
});
afterEach(() => closeControl(control));

const never = new AbortController().signal;
const view = (id: string) => ({ id }) as Parameters<typeof runTask>[2];

it('hands on the progress and the result of a task', async () => {
  const seen: number[] = [];
  const task = control.tasks.start('k', 's', async (report) => {
    report(25, 'on its way');
    return 'done';
  });
  const call = { signal: never, progress: (fraction: number) => void seen.push(fraction) };
  expect(await runTask({ control }, call, view(task.id))).toBe('done');
  expect([...new Set(seen)]).toEqual([0.25, 1]);
});

it('throws what the task fails with', async () => {
  const fault = new Fault('NO_SPACE', 'full', { field: 'f', value: 1, expected: 'less' });
  const task = control.tasks.start('k', 's', () => Promise.reject(fault));
  const call = { signal: never, progress: () => undefined };
  const failed = runTask({ control }, call, view(task.id));
  await expect(failed).rejects.toMatchObject({
    code: 'NO_SPACE',
    message: 'full',
    details: fault.details,
  });
});

it('cancels the task with the message', async () => {
  const abort = new AbortController();
  const reason = new XenError('TASK_CANCELLED', ['t']);
  const task = control.tasks.start('k', 's', (_report, signal) => {
    const ended = new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error));
    });
    abort.abort(reason);
    return ended;
  });
  const call = { signal: abort.signal, progress: () => undefined };
  await expect(runTask({ control }, call, view(task.id))).rejects.toBe(reason);
  expect(control.tasks.get(task.id)?.state).toBe('cancelled');
});

it('takes a task that was faster than its cancelling for what it is', async () => {
  const abort = new AbortController();
  const task = control.tasks.start('k', 's', async () => {
    abort.abort(new Error('too late'));
    return 7;
  });
  const call = { signal: abort.signal, progress: () => undefined };
  expect(await runTask({ control }, call, view(task.id))).toBe(7);
});
