/** One of several threads that have the same overlay open. Started by threads.test.ts. */
import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { HolePuncher, LocalVolumeData } from '../../../../src/adapters/local/index.ts';
import { type BlockDevice, MemoryDevice, PLAIN, PLAIN_ZERO } from '../../../../src/block/index.ts';
import type { VolumeLocator } from '../../../../src/repositories/index.ts';
import { openOverlay } from '../../../../src/vdisk/index.ts';
import { eventLoopTurns, slow } from '../../../support/content.ts';
import { seededRandom } from '../../../support/seed.ts';

export interface WorkerTask {
  readonly role: 'sectors' | 'units' | 'zeroer' | 'partial';
  readonly state: SharedArrayBuffer;
  readonly data: VolumeLocator;
  readonly map: VolumeLocator;
  readonly worker: number;
  readonly workers: number;
  readonly size: number;
  readonly seed: number;
}

export const UNIT = 64 * 1024;
export const SECTOR = 512;

/** What every block of the base holds. */
export const BASE_FILL = 0xb5;

export function baseOf(size: number): MemoryDevice {
  const base = new MemoryDevice({ size });
  for (let at = 0; at < size; at += UNIT) {
    base.write(Buffer.alloc(Math.min(UNIT, size - at), BASE_FILL), at, PLAIN);
  }
  return base;
}

/** Each thread writes its own sectors of every block, several at once, and reads them back. */
async function sectors(device: BlockDevice, task: WorkerTask, random: () => number) {
  const blocks = task.size / 4096;
  const last = new Uint8Array(task.size / SECTOR);
  const lane = async (): Promise<void> => {
    for (let round = 0; round < 150; round++) {
      const block = Math.floor(random() * blocks);
      const sector = block * 8 + task.worker + (random() < 0.5 ? 4 : 0);
      if (busy.has(sector)) continue;
      busy.add(sector);
      const value = 1 + Math.floor(random() * 254);
      await device.write(Buffer.alloc(SECTOR, value), sector * SECTOR, PLAIN);
      last[sector] = value;
      const back = Buffer.alloc(SECTOR);
      await device.read(back, sector * SECTOR);
      if (!back.every((byte) => byte === value)) throw new Error(`sector ${sector} lost`);
      if (random() < 0.03) await device.flush();
      busy.delete(sector);
    }
  };
  const busy = new Set<number>();
  await Promise.all(Array.from({ length: 4 }, lane));
  return last;
}

/** Each thread changes its own units; their bits share words, bytes and pages with the others'. */
async function units(device: BlockDevice, task: WorkerTask, random: () => number) {
  const content = new Uint8Array(task.size / SECTOR).fill(BASE_FILL);
  const count = task.size / UNIT;
  const lane = async (lanes: number, number: number): Promise<void> => {
    for (let round = 0; round < 60; round++) {
      const mine =
        task.workers * (number + lanes * Math.floor(random() * (count / task.workers / lanes))) +
        task.worker;
      const first = (mine * UNIT) / SECTOR;
      const whole = random() < 0.4;
      const at = whole ? 0 : Math.floor(random() * 100);
      const length = whole ? 128 : 1 + Math.floor(random() * (128 - at));
      const kind = random();
      const offset = (first + at) * SECTOR;
      if (kind < 0.6) {
        const value = 1 + Math.floor(random() * 254);
        await device.write(Buffer.alloc(length * SECTOR, value), offset, PLAIN);
        content.fill(value, first + at, first + at + length);
      } else if (kind < 0.9) {
        await device.zero(offset, length * SECTOR, PLAIN_ZERO);
        content.fill(0, first + at, first + at + length);
      } else {
        await device.flush();
      }
      const back = Buffer.alloc(UNIT);
      await device.read(back, mine * UNIT);
      for (let sector = 0; sector < 128; sector++) {
        const wanted = content[first + sector];
        if (back[sector * SECTOR] !== wanted || back[sector * SECTOR + SECTOR - 1] !== wanted) {
          throw new Error(`unit ${mine} sector ${sector}: ${back[sector * SECTOR]}, not ${wanted}`);
        }
      }
    }
  };
  await Promise.all([lane(4, 0), lane(4, 1), lane(4, 2), lane(4, 3)]);
  return content;
}

/** One thread zeroes every unit once, in order, while another writes one sector in each. */
async function zeroer(device: BlockDevice, task: WorkerTask) {
  for (let unit = 0; unit < task.size / UNIT; unit++) {
    await device.zero(unit * UNIT, UNIT, PLAIN_ZERO);
    if (unit % 7 === 0) await eventLoopTurns(1);
  }
  return new Uint8Array(0);
}

async function partial(device: BlockDevice, task: WorkerTask) {
  for (let unit = 0; unit < task.size / UNIT; unit++) {
    await device.write(Buffer.alloc(SECTOR, 0x11), unit * UNIT + 3 * SECTOR, PLAIN);
    if (unit % 5 === 0) await eventLoopTurns(1);
  }
  return new Uint8Array(0);
}

if (parentPort !== null) {
  const port = parentPort;
  port.on('message', () => port.close()); // keeps the thread's event loop alive until then
  const task = workerData as WorkerTask;
  const puncher = new HolePuncher(async (fd, offset, length) => {
    await eventLoopTurns(3);
    writeSync(fd, Buffer.alloc(length), 0, length, offset);
    await eventLoopTurns(1);
    return 'punched';
  });
  const volumes = new LocalVolumeData({ log: { warn: () => {} }, puncher });
  const device = openOverlay({
    state: task.state,
    base: slow(baseOf(task.size)),
    data: slow(await volumes.open(task.data, { write: true })),
    map: await volumes.open(task.map, { write: true }),
    worker: task.worker,
    onFull: () => {},
  });
  const random = seededRandom(task.seed + task.worker);
  const roles = { sectors, units, zeroer, partial };
  const result = await roles[task.role](device, task, random);
  await device.flush();
  await device.close();
  port.postMessage(result);
}
