/** Maps that are loaded at the same time, from volumes that make each wait: none has bits of another. */
import { expect, test } from 'vitest';
import { FaultyDevice, type MemoryDevice, PLAIN, ZeroDevice } from '../../../../src/block/index.ts';
import { recoverOverlay } from '../../../../src/vdisk/index.ts';
import { MAP_LOAD_BYTES } from '../../../../src/vdisk/overlay/limits.ts';
import { mapGeometry } from '../../../../src/vdisk/overlay/map-layout.ts';
import { handle, overlayVolumes, reopen } from '../../../support/overlays.ts';
import { expectFound, scanAll } from '../../../support/scan-maps.ts';
import { SEED, seededRandom } from '../../../support/seed.ts';

/** Its map is more than one piece of what is loaded at once. */
const SIZE = 20 * 2 ** 30;
const BLOCK = 4096;
const MAPS = 12;
const ROUNDS = 3;

const random = seededRandom();
const pick = (most: number): number => Math.floor(random() * most);

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((done) => setImmediate(done));
}

async function scattered(): Promise<MemoryDevice> {
  const { data, map } = await overlayVolumes(SIZE);
  const { device } = await reopen({ base: new ZeroDevice(SIZE), data, map }, 'boot-1');
  const write = async (): Promise<void> => {
    await device.write(Buffer.alloc(BLOCK, 1), pick(SIZE / BLOCK) * BLOCK, PLAIN);
  };
  for (let count = 0; count < 40; count += 1) await write();
  await device.flush();
  for (let count = 0; count < 10; count += 1) await write();
  return map;
}

/** @param failing whether one read in five fails */
function waiting(map: MemoryDevice, failing: boolean): FaultyDevice {
  return new FaultyDevice(handle(map), ({ operation }) => {
    if (operation !== 'read') return undefined;
    const delay = turns(pick(4));
    return failing && random() < 0.2 ? { delay, errno: 'EIO' } : { delay };
  });
}

/** Opens all of them at once. @param failing whether a third of them may fail on the way, and leave what they read into */
async function openAll(maps: readonly MemoryDevice[], sameBoot: boolean, failing: boolean) {
  const wanted = maps.map((map) => scanAll(map, SIZE, sameBoot));
  const bootId = sameBoot ? 'boot-1' : 'boot-2';
  let opened = 0;
  const opening = maps.map(async (map, index) => {
    const mayFail = failing && index % 3 === 0;
    const device = waiting(map, mayFail);
    const options = { map: device, size: SIZE, bootId, quotaBytes: undefined, workers: 1 };
    const state = await recoverOverlay(options).catch((error: unknown) => {
      expect(mayFail, String(error)).toBe(true);
      return undefined;
    });
    if (state === undefined) return;
    opened += 1;
    expectFound(state, wanted[index] ?? expect.fail('no such map'));
  });
  await Promise.all(opening);
  expect(opened).toBeGreaterThanOrEqual((MAPS * 2) / 3);
}

test(`maps that are loaded at once are what each of them says (seed ${SEED})`, async () => {
  const maps = await Promise.all(Array.from({ length: MAPS }, scattered));
  expect(mapGeometry(SIZE).mapBytes).toBeGreaterThan(MAP_LOAD_BYTES);
  for (let round = 0; round < ROUNDS; round += 1) await openAll(maps, true, true);
  await openAll(maps, false, false);
});
