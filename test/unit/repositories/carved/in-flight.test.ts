/** The argument of shared-words.ts, with real threads. */
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { VolumeWords } from '../../../../src/repositories/carved/shared-words.ts';

/** As a worker's request: counted from before it looks until it is done. */
const REQUESTS = `
import { workerData } from 'node:worker_threads';
const { VolumeWords } = await import(workerData.module);
const words = new VolumeWords(workerData.buffer);
const cells = new Int32Array(workerData.cells);
while (Atomics.load(cells, 2) === 0) {
  const counter = words.enter();
  if (Atomics.load(cells, 0) !== 0) {
    Atomics.add(cells, 1, 1);
    for (let i = 0; i < 200; i++) Atomics.load(cells, 3);
    Atomics.add(cells, 3, 1);
    Atomics.sub(cells, 1, 1);
  }
  words.leave(counter);
}
`;

it('nobody uses an entry any more when a drain that began after it was cleared is over', async () => {
  const words = new VolumeWords();
  const cells = new SharedArrayBuffer(16);
  /** Is it mapped; users of the mapping; stop; uses so far. */
  const view = new Int32Array(cells);
  const module = new URL('../../../../src/repositories/carved/shared-words.ts', import.meta.url)
    .href;
  const source = new URL(`data:text/javascript,${encodeURIComponent(REQUESTS)}`);
  const workerData = { module, buffer: words.buffer, cells };
  const workers = [0, 1].map(() => new Worker(source, { workerData }));
  const ends = workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve)));
  try {
    for (let round = 0; round < 600; round++) {
      const before = Atomics.load(view, 3);
      Atomics.store(view, 0, 1);
      if (round % 2 === 0) {
        while (Atomics.load(view, 3) === before) await new Promise(setImmediate);
      }
      Atomics.store(view, 0, 0);
      await words.drained();
      expect(Atomics.load(view, 1)).toBe(0);
    }
    expect(Atomics.load(view, 3)).toBeGreaterThan(300);
  } finally {
    Atomics.store(view, 2, 1);
    await Promise.all(ends);
  }
});
