import { expect, test } from 'vitest';
import { type MachineRow, ProgressView } from '../../../../src/service/demo/progress-view.ts';

const ROW: MachineRow = {
  name: 'ada',
  kind: 'bios',
  state: 'booting',
  stage: 'loads the kernel',
  bytesRead: 3 * 2 ** 20,
  cacheUsedBytes: 2 ** 19,
  elapsedMs: 21_400,
};

function screen(isTTY: boolean) {
  const written: string[] = [];
  return { isTTY, written, write: (text: string) => written.push(text) };
}

test('in a log a machine has a line for each news, not for each look', () => {
  const log = screen(false);
  const view = new ProgressView(log);
  view.show([ROW]);
  view.show([{ ...ROW, elapsedMs: 22_000, bytesRead: 5 * 2 ** 20 }]);
  view.show([{ ...ROW, stage: 'up', state: 'running' }]);
  expect(log.written).toEqual([
    '  ada (bios) 21 s booting: loads the kernel; 3.0 MiB read, 0.5 MiB in its write cache\n',
    '  ada (bios) 21 s running: up; 3.0 MiB read, 0.5 MiB in its write cache\n',
  ]);
});

test('on a terminal the table is drawn over itself, but never over what was said between', () => {
  const terminal = screen(true);
  const view = new ProgressView(terminal);
  view.show([ROW]);
  view.show([ROW]);
  view.say('news');
  view.show([ROW]);
  const [first, second, , afterNews] = terminal.written;
  expect(first).not.toContain('\u001b[2A');
  expect(first).toContain('ada');
  expect(second).toBe(`\u001b[2A${first}`);
  expect(afterNews).toBe(first);
});
