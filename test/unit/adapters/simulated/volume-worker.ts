/** A worker that has volumes of a simulated array open, as the service's workers do. Started by threads.test.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { simulatedAdapter } from '../../../../src/adapters/simulated/index.ts';
import { PLAIN } from '../../../../src/block/index.ts';
import type { AskControl, Connection, VolumeLocator } from '../../../../src/repositories/index.ts';
import { countUp } from '../../../compliance/array/load.ts';
import { QUIET } from '../../../support/simulated-arrays.ts';

export interface WorkerTask {
  readonly connection: Connection;
  readonly locator: VolumeLocator;
  readonly work: 'count' | 'sectors';
  readonly worker: number;
  readonly workers: number;
}

export type FromWorker =
  | { readonly kind: 'ask'; readonly id: number; readonly question: unknown }
  | { readonly kind: 'progress' }
  | { readonly kind: 'done'; readonly settled: number };

export type ToWorker =
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string }
  | { readonly kind: 'stop' };

export const SECTOR = 512;

const port = parentPort;
if (port !== null) {
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let asked = 0;
  let stop = (): void => {};
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  const send = (message: FromWorker): void => port.postMessage(message);
  const ask: AskControl = (question) =>
    new Promise((resolve, reject) => {
      asked += 1;
      waiting.set(asked, { resolve, reject });
      send({ kind: 'ask', id: asked, question });
    });
  port.on('message', (message: ToWorker) => {
    if (message.kind === 'stop') return stop();
    const asking = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.kind === 'answer') asking?.resolve(message.answer);
    else asking?.reject(new Error(message.message));
  });

  const task = workerData as WorkerTask;
  const data = simulatedAdapter().openData(task.connection, QUIET, ask);
  const device = await data.open(task.locator, { write: true });
  let settled = 0;
  if (task.work === 'count') {
    const load = countUp([device]);
    await load.progressed();
    send({ kind: 'progress' });
    await stopped;
    await load.stop();
    settled = load.settled;
  } else {
    for (let sector = task.worker; sector < device.geometry.size / SECTOR; sector += task.workers) {
      await device.write(Buffer.alloc(SECTOR, task.worker + 1), sector * SECTOR, PLAIN);
      settled += 1;
    }
  }
  await data.close?.();
  send({ kind: 'done', settled });
  port.close();
}
