import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { PAGE_BYTES } from '../../../../src/adapters/simulated/limits.ts';
import { PageTable } from '../../../../src/adapters/simulated/page-table.ts';
import { INSIDE, LEFT, type TableTask, TRYING } from './table-worker.ts';

const SIZE = 4 * PAGE_BYTES;

function start(table: PageTable) {
  const task: TableTask = { table: table.buffer, steps: new SharedArrayBuffer(8) };
  const steps = new Int32Array(task.steps);
  const worker = new Worker(new URL('./table-worker.ts', import.meta.url), { workerData: task });
  const until = async (step: number): Promise<void> => {
    for (let seen = Atomics.load(steps, 0); seen < step; seen = Atomics.load(steps, 0)) {
      const change = Atomics.waitAsync(steps, 0, seen);
      if (change.async) await change.value;
    }
  };
  return { steps, until, ended: once(worker, 'exit') };
}

describe('a page table', () => {
  test('is closed only when nobody is inside any more', async () => {
    const table = PageTable.create(SIZE, SIZE);
    const { steps, until, ended } = start(table);
    await until(INSIDE);
    table.close();
    expect(Atomics.load(steps, 0)).toBe(LEFT);
    table.open();
    await ended;
  });

  test('lets nobody in while it is closed, and everybody when it is open again', async () => {
    const table = PageTable.create(SIZE, SIZE);
    table.close();
    const { steps, until, ended } = start(table);
    await until(TRYING);
    for (let turn = 0; turn < 100; turn += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      expect(Atomics.load(steps, 0)).toBe(TRYING);
    }
    table.open();
    await until(LEFT);
    await ended;
  });

  test('grows for those too who have it already', () => {
    const table = PageTable.create(SIZE, 4 * SIZE);
    const theirs = new PageTable(table.buffer);
    table.set(3, 7);
    table.grow(2 * SIZE);
    expect(theirs.length).toBe(8);
    expect([theirs.get(3), theirs.get(7)]).toEqual([7, 0]);
    table.grow(SIZE); // never smaller
    expect(theirs.length).toBe(8);
  });
});
