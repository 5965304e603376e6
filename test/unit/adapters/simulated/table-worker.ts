/** Is inside of a page table, or tries to be. Started by page-table.test.ts. */
import { workerData } from 'node:worker_threads';
import { PageTable } from '../../../../src/adapters/simulated/page-table.ts';

export interface TableTask {
  readonly table: SharedArrayBuffer;
  /** Two words: the step that this worker has reached, and whether it may leave. */
  readonly steps: SharedArrayBuffer;
}

export const TRYING = 1;
export const INSIDE = 2;
export const LEFT = 3;

/** How long it stays inside: so long that whoever does not wait for it is seen. */
const STAY_MS = 50;

const task = workerData as TableTask | null;
if (task !== null) {
  const table = new PageTable(task.table);
  const steps = new Int32Array(task.steps);
  const reach = (step: number): void => {
    Atomics.store(steps, 0, step);
    Atomics.notify(steps, 0);
  };
  reach(TRYING);
  table.enter();
  reach(INSIDE);
  Atomics.wait(steps, 1, 0, STAY_MS);
  reach(LEFT); // before it really has, so that nobody who waited can miss it
  table.leave();
}
