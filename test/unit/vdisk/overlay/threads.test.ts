/** Real threads on one overlay: nobody's settled write is lost to somebody else's. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import { LocalVolumeControl, LocalVolumeData } from '../../../../src/adapters/local/index.ts';
import type { BlockDevice } from '../../../../src/block/index.ts';
import {
  formatOverlay,
  openOverlay,
  overlayMapBytes,
  readOverlayGauges,
  recoverOverlay,
} from '../../../../src/vdisk/index.ts';
import { SEED } from '../../../support/seed.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { BASE_FILL, baseOf, SECTOR, UNIT, type WorkerTask } from './overlay-worker.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Runs one worker for each role on a fresh overlay, then reads everything back in both boots. */
async function run(size: number, roles: readonly WorkerTask['role'][]) {
  const folder = await temporaryFolder('threads');
  cleanups.push(() => folder.remove());
  const control = await LocalVolumeControl.attach(folder.path);
  const volumes = new LocalVolumeData({ log: { warn: () => {} } });
  const data = (await control.createVolume({ id: 'd', size })).locator;
  const map = (await control.createVolume({ id: 'm', size: overlayMapBytes(size) })).locator;
  const mapDevice = await volumes.open(map, { write: true });
  cleanups.push(() => mapDevice.close());
  await formatOverlay(mapDevice, { size, bootId: 'a' });
  const workers = roles.length;
  const recover = (bootId: string) =>
    recoverOverlay({ map: mapDevice, size, bootId, quotaBytes: undefined, workers });
  const state = await recover('a');
  const threads = roles.map((role, worker) => {
    const workerData: WorkerTask = { role, state, data, map, worker, workers, size, seed: SEED };
    return new Worker(new URL('./overlay-worker.ts', import.meta.url), { workerData });
  });
  const results = await Promise.all(
    threads.map(async (thread) => {
      const [message] = await once(thread, 'message');
      const left = once(thread, 'exit');
      thread.postMessage('leave');
      await left;
      return message as Uint8Array;
    }),
  );
  const gauges = readOverlayGauges(state);
  const contents: Buffer[] = [];
  for (const bootId of ['a', 'b']) {
    const device: BlockDevice = openOverlay({
      state: await recover(bootId),
      base: baseOf(size),
      data: await volumes.open(data, { write: true }),
      map: await volumes.open(map, { write: true }),
      worker: 0,
      onFull: () => {},
    });
    const content = Buffer.alloc(size);
    await device.read(content, 0);
    contents.push(content);
    expect(readOverlayGauges(await recover(bootId)).ownedBytes).toBe(gauges.ownedBytes);
    await device.close();
  }
  // Everything was flushed: after the death of the host it is the same.
  expect(contents[0]?.equals(contents[1] ?? Buffer.alloc(0))).toBe(true);
  return { results, content: contents[0] ?? Buffer.alloc(0), gauges };
}

function sectorOf(content: Buffer, sector: number): number {
  const piece = content.subarray(sector * SECTOR, (sector + 1) * SECTOR);
  const value = piece[0] ?? 0;
  expect(
    piece.every((byte) => byte === value),
    `sector ${sector} torn`,
  ).toBe(true);
  return value;
}

describe('several worker threads on one overlay', () => {
  test('write different sectors of the same blocks', async () => {
    const { results, content } = await run(1024 * 1024, [
      'sectors',
      'sectors',
      'sectors',
      'sectors',
    ]);
    for (let sector = 0; sector < content.length / SECTOR; sector++) {
      const writer = results.find((last) => (last[sector] ?? 0) !== 0);
      const wanted = writer?.[sector] ?? BASE_FILL;
      expect(sectorOf(content, sector), `seed ${SEED} sector ${sector}`).toBe(wanted);
    }
  });

  test('write and zero units whose bits share bytes', async () => {
    const { results, content } = await run(128 * UNIT, ['units', 'units', 'units', 'units']);
    for (let sector = 0; sector < content.length / SECTOR; sector++) {
      const unit = Math.floor((sector * SECTOR) / UNIT);
      const wanted = results[unit % 4]?.[sector];
      expect(sectorOf(content, sector), `seed ${SEED} sector ${sector}`).toBe(wanted);
    }
  });

  test('zero a unit while another fills up a block of it from the parent', async () => {
    const { content } = await run(400 * UNIT, ['zeroer', 'partial']);
    let survived = 0;
    for (let sector = 0; sector < content.length / SECTOR; sector++) {
      const value = sectorOf(content, sector);
      if (sector % 128 === 3 && value === 0x11) survived += 1;
      else expect(value, `seed ${SEED} sector ${sector}`).toBe(0);
    }
    expect(survived).toBeLessThanOrEqual(400);
  });
});
