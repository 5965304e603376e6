import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import type { ArrayControl } from '../../../../src/repositories/index.ts';
import { readAll } from '../../../compliance/array/bench.ts';
import { checkCounters } from '../../../compliance/array/load.ts';
import { SimulatedPeers } from '../../../support/simulated-arrays.ts';
import { type FromWorker, SECTOR, type ToWorker, type WorkerTask } from './volume-worker.ts';

const SIZE = 1024 * 1024;
/** Large enough that copying its page table takes a while. */
const LARGE = 16 * 1024 * 1024;
const SNAPSHOTS = 40;

const workers: Worker[] = [];
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.terminate();
});

function start(control: ArrayControl, task: WorkerTask) {
  const worker = new Worker(new URL('./volume-worker.ts', import.meta.url), { workerData: task });
  workers.push(worker);
  const send = (message: ToWorker): void => worker.postMessage(message);
  const progress = Promise.withResolvers<void>();
  const done = Promise.withResolvers<number>();
  worker.on('error', (error) => {
    progress.reject(error);
    done.reject(error);
  });
  worker.on('message', (message: FromWorker) => {
    if (message.kind === 'progress') return progress.resolve();
    if (message.kind === 'done') return done.resolve(message.settled);
    const { id, question } = message;
    void control.answer?.(question).then(
      (answer) => send({ kind: 'answer', id, answer }),
      (error: unknown) => send({ kind: 'failed', id, message: String(error) }),
    );
  });
  return { progress: progress.promise, done: done.promise, stop: () => send({ kind: 'stop' }) };
}

async function array(volumes: number, size: number) {
  const peers = new SimulatedPeers();
  const { control, data } = await peers.attach();
  const made = [];
  for (let n = 0; n < volumes; n += 1) {
    const name = `v${n}`;
    const wanted = { opId: name, tag: name, name, size, thin: true };
    made.push(await control.createVolume(wanted));
  }
  return { control, data, made, connection: peers.connection() };
}

describe('volumes of a simulated array in several threads', () => {
  test('are the same bytes in each, also where two write to one page', async () => {
    const { control, data, made, connection } = await array(1, SIZE);
    const [volume] = made;
    if (volume === undefined) throw new Error('no volume');
    const { locator } = volume;
    const tasks = [0, 1, 2].map((worker) =>
      start(control, { connection, locator, work: 'sectors', worker, workers: 3 }),
    );
    const sectors = await Promise.all(tasks.map(({ done }) => done));
    expect(sectors.reduce((sum, each) => sum + each, 0)).toBe(SIZE / SECTOR);
    const content = await readAll(await data.open(locator, { write: true }));
    for (let sector = 0; sector < SIZE / SECTOR; sector += 1) {
      const bytes = content.subarray(sector * SECTOR, (sector + 1) * SECTOR);
      expect(bytes.equals(Buffer.alloc(SECTOR, (sector % 3) + 1)), `sector ${sector}`).toBe(true);
    }
    await control.close();
  });

  test('are snapshotted of one moment while other threads write', async () => {
    const { control, data, made, connection } = await array(2, LARGE);
    const counters = made.map(({ locator }, worker) =>
      start(control, { connection, locator, work: 'count', worker, workers: 2 }),
    );
    await Promise.all(counters.map(({ progress }) => progress));
    const last = [0, 0];
    for (let n = 0; n < SNAPSHOTS; n += 1) {
      const of = made.map(({ ref }) => ({ volume: ref, tag: `${ref.name}-${n}`, name: `s${n}` }));
      const snapshots = (await control.snapshots?.createSnapshots({ opId: `o${n}`, of })) ?? [];
      for (const [index, { locator, ref }] of snapshots.entries()) {
        const device = await data.open(locator, { write: false });
        const counted = checkCounters([await readAll(device)], SECTOR);
        expect(counted).toBeGreaterThanOrEqual(last[index] ?? 0);
        last[index] = counted;
        await device.close();
        if (n % 2 === 0) await control.snapshots?.deleteSnapshot({ opId: `d${n}`, ref });
      }
    }
    for (const { stop } of counters) stop();
    const settled = await Promise.all(counters.map(({ done }) => done));
    for (const [index, { locator }] of made.entries()) {
      const device = await data.open(locator, { write: true });
      expect(checkCounters([await readAll(device)], SECTOR)).toBe(settled[index]);
    }
    expect(Math.min(...last)).toBeGreaterThan(0);
    await control.close();
  });
});
