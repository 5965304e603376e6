/**
 * Carves a device and changes volumes of it from several threads until it is killed: the main thread owns the
 * allocator, makes volumes and deletes them; workers write, zero and trim, and ask it by messages.
 *
 * Arguments: path, `file` or `loop`, `create` or `go on`, seed. Lines on standard output, each written at once:
 * `? LANE SECTOR COUNT VALUE` before a change, `! LANE` when it was acknowledged, `BAD …` for what must not be.
 */
import { writeSync } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { SanAdapter } from '../../src/adapters/san/index.ts';
import { type BlockDevice, PLAIN, PLAIN_ZERO } from '../../src/block/index.ts';
import { BlockError } from '../../src/errors/index.ts';
import {
  type CarvedControl,
  carvedVolumeData,
  type VolumeData,
  type VolumeLocator,
} from '../../src/repositories/index.ts';
import { attachForTest, fileDevice, KIB, MIB, SILENT } from '../support/carved.ts';
import { eventLoopTurns } from '../support/content.ts';
import { seededRandom } from '../support/seed.ts';

const SECTOR = 512;
const LANES = 4;
const SIZE = 3 * MIB;

interface Task {
  readonly path: string;
  readonly kind: string;
  readonly lane: number;
  readonly seed: number;
  readonly locator: VolumeLocator;
}

/** At once: what has been said is not lost when we are killed. */
function say(line: string): void {
  const bytes = Buffer.from(`${line}\n`);
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(1, bytes, done);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(PAUSE, 0, 0, 1); // the reader is slower than we are
    }
  }
}

const PAUSE = new Int32Array(new SharedArrayBuffer(4));

const parts = { log: SILENT, clock: () => performance.now() };
const adapter = new SanAdapter();

function connection(path: string) {
  const settings = { device: path, extentSize: 64 * KIB };
  return {
    repositoryId: 'crash',
    settings,
    secrets: {},
    initiatorName: 'iqn.2026-01.dev.rootcast:one',
  };
}

function dataOf(
  task: Pick<Task, 'path' | 'kind'>,
  ask: (question: unknown) => Promise<unknown>,
): VolumeData {
  if (task.kind === 'loop') return adapter.openData(connection(task.path), parts, ask);
  return carvedVolumeData({
    openDevice: async () => fileDevice(task.path, false),
    ask,
    clock: parts.clock,
  });
}

async function lane(task: Task, device: BlockDevice): Promise<never> {
  const random = seededRandom(task.seed);
  const sectors = SIZE / SECTOR;
  for (;;) {
    const at = Math.floor(random() * sectors);
    const most = random() < 0.2 ? 600 : 40;
    const count = Math.min(sectors - at, 1 + Math.floor(random() * most));
    const kind = random();
    const value = kind < 0.75 ? 1 + Math.floor(random() * 250) : 0;
    say(`? ${task.lane} ${at} ${count} ${value}`);
    if (value > 0) await device.write(Buffer.alloc(count * SECTOR, value), at * SECTOR, PLAIN);
    else await device.zero(at * SECTOR, count * SECTOR, PLAIN_ZERO);
    say(`! ${task.lane}`);
    if (random() < 0.02) await device.flush();
    if (random() < 0.1) await eventLoopTurns(1);
  }
}

async function work(task: Task): Promise<void> {
  const waiting = new Map<
    number,
    { resolve(value: unknown): void; reject(error: unknown): void }
  >();
  let asked = 0;
  parentPort?.on('message', ({ id, answer, errno }) => {
    const one = waiting.get(id);
    waiting.delete(id);
    if (errno === undefined) one?.resolve(answer);
    else one?.reject(new BlockError(errno, 'write', 0, 0, 'answered'));
  });
  const ask = (question: unknown): Promise<unknown> => {
    asked += 1;
    const id = asked;
    parentPort?.postMessage({ id, question });
    return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
  };
  const device = await dataOf(task, ask).open(task.locator, { write: true });
  await lane(task, device);
}

/** Volumes come and go: what they leave must not be seen by the next ones, nor by the lanes. */
async function churn(control: CarvedControl, data: VolumeData): Promise<never> {
  for (let turn = 0; ; turn++) {
    const tag = `churn-${process.pid}-${turn}`;
    const request = { opId: tag, tag, name: tag, size: MIB, thin: turn % 3 !== 0 };
    const volume = await control.createVolume(request);
    const device = await data.open(volume.locator, { write: true });
    const content = Buffer.alloc(MIB, 1);
    await device.write(Buffer.alloc(SECTOR, 255), MIB / 2, PLAIN);
    await device.read(content, 0);
    content.fill(0, MIB / 2, MIB / 2 + SECTOR);
    if (!content.equals(Buffer.alloc(MIB))) say(`BAD a new volume is not empty: ${tag}`);
    await device.write(Buffer.alloc(MIB, 255), 0, PLAIN);
    await device.close();
    await control.deleteVolume({ opId: tag, ref: volume.ref });
  }
}

async function main(): Promise<void> {
  const [path = '', kind = '', create = '', seedText = ''] = process.argv.slice(2);
  const options = { create: create === 'create', signal: new AbortController().signal };
  const control =
    kind === 'loop'
      ? await adapter.attachCarved(connection(path), parts, options)
      : await attachForTest({
          device: fileDevice(path, false),
          repositoryId: 'crash',
          create: options.create,
        });
  for (const volume of (await control.listVolumes({ ownedOnly: true })).items) {
    if (volume.tag?.startsWith('churn')) await control.deleteVolume({ opId: 'd', ref: volume.ref });
  }
  for (let number = 0; number < LANES; number++) {
    const tag = `lane-${number}`;
    const volume = await control.createVolume({
      opId: tag,
      tag,
      name: tag,
      size: SIZE,
      thin: true,
    });
    const seed = Number(seedText) + number;
    const task: Task = { path, kind, lane: number, seed, locator: volume.locator };
    const worker = new Worker(new URL(import.meta.url), { workerData: task });
    worker.on('message', async ({ id, question }) => {
      try {
        worker.postMessage({ id, answer: await control.answer(question) });
      } catch (error) {
        worker.postMessage({ id, errno: error instanceof BlockError ? error.errno : 'EIO' });
      }
    });
    worker.on('error', (error) => say(`BAD ${String(error)}`));
  }
  await churn(
    control,
    dataOf({ path, kind }, (question) => control.answer(question)),
  );
}

if (isMainThread) await main();
else await work(workerData as Task);
