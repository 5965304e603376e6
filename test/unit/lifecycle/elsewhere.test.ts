/** A version that is written on another repository, and sealed there: killed anywhere, it is what it was or what it becomes. */
import { expect, test } from 'vitest';
import { PLAIN } from '../../../src/block/index.ts';
import {
  addMachine,
  beginVersion,
  deleteMachine,
  deleteVdisk,
  placeOf,
  requestBoot,
  sealVersion,
  updateVdisk,
} from '../../../src/control/index.ts';
import { LifecycleRig } from '../../support/lifecycle-rig.ts';
import { MemoryArray } from '../../support/memory-array.ts';
import { ELSEWHERE, knownElsewhere } from '../../support/repository-elsewhere.ts';
import { SEED } from '../../support/seed.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const SIZE = 256 * 1024;
const BLOCK = 4096;
const MAC = '52:54:00:00:00:01';
/** One of so many moments in each run, all of them in a longer look. */
const STRIDE = process.env['ROOTCAST_LIVES'] === undefined ? 3 : 1;

test('a seal elsewhere copies nothing, and a kill at any moment loses nothing and leaves nothing', async () => {
  for (let at = 1 + (SEED % STRIDE); ; at += STRIDE) {
    const steps = await sealKilledAt(at);
    if (steps < at) return;
  }
});

/** @returns how often the seal reached the array */
async function sealKilledAt(at: number): Promise<number> {
  const folder = await temporaryFolder('elsewhere');
  const array = new MemoryArray();
  const rig = await LifecycleRig.open(folder.path, { elsewhere: array });
  try {
    await written(rig);
    expectTidy(rig, array);
    const before = array.names();
    const { catalog } = rig;
    const transaction = catalog.transaction.bind(catalog);
    let steps = 0;
    array.step = () => {
      steps += 1;
      if (steps !== at) return;
      array.kill();
      // What the process would still do does not happen.
      catalog.transaction = () => {
        throw new Error('killed');
      };
    };
    await rig.done(sealVersion(rig.control, 'v', 2)).catch(() => undefined);
    array.step = () => {};
    catalog.transaction = transaction;
    await rig.crash();
    expectTidy(rig, array);
    const [version] = catalog.versions.ofVdisk(vdiskId(rig)).filter(({ number }) => number === 2);
    if (version?.state === 'maintenance') await rig.done(sealVersion(rig.control, 'v', 2));
    await expectSealed(rig, before);
    expectTidy(rig, array);
    await deleteMachine(rig.control, 'writer');
    await deleteVdisk(rig.control, 'v');
    expect(array.names()).toEqual([]);
    expectTidy(rig, array);
    return steps;
  } finally {
    await rig.close();
    await folder.remove();
  }
}

/** Version 2 has a block that was flushed and one that was not; its writer is off. */
async function written(rig: LifecycleRig): Promise<void> {
  const { control } = rig;
  await rig.importDisk('v', Buffer.alloc(SIZE, 1));
  updateVdisk(control, 'v', { overlayRepository: ELSEWHERE });
  addMachine(control, { name: 'writer', mac: MAC, vdisk: 'v', class: 'maintenance' });
  beginVersion(control, 'v', {});
  await requestBoot(control, MAC);
  const { device, close } = await rig.connect('machine/writer');
  await device.write(Buffer.alloc(BLOCK, 2), BLOCK, PLAIN);
  await device.flush();
  await device.write(Buffer.alloc(BLOCK, 3), 2 * BLOCK, PLAIN);
  await close();
}

async function expectSealed(rig: LifecycleRig, before: readonly string[]): Promise<void> {
  const layers = rig.catalog.layers.all().filter(({ parentId }) => parentId !== undefined);
  expect(layers).toHaveLength(1);
  const place = placeOf(layers[0]?.volumeId ?? '');
  expect(place.repositoryId).toBe(ELSEWHERE);
  // The volume is the one that was written.
  expect(before).toContain(`volume ${place.id}`);
  expect(rig.catalog.overlayPlaces.count(ELSEWHERE)).toBe(0);
  const { device, close } = await rig.connect('vdisk/v/2');
  const read = Buffer.alloc(SIZE);
  await device.read(read, 0);
  await close();
  const expected = Buffer.alloc(SIZE, 1);
  expected.fill(2, BLOCK, 2 * BLOCK).fill(3, 2 * BLOCK, 3 * BLOCK);
  expect(read.equals(expected)).toBe(true);
}

function expectTidy({ catalog }: LifecycleRig, array: MemoryArray): void {
  expect(array.names()).toEqual(knownElsewhere(catalog));
  expect(catalog.arrayLeftovers.ofRepository(ELSEWHERE)).toEqual([]);
}

const vdiskId = ({ catalog }: LifecycleRig): string => catalog.vdisks.byName('v')?.id ?? '';
