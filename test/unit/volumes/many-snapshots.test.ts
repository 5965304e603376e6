import { expect, test } from 'vitest';
import { type BlockDevice, PLAIN } from '../../../src/block/index.ts';
import { MemoryArray } from '../../support/memory-array.ts';
import { VolumeRig } from '../../support/volume-rig.ts';

const SIZE = 1024 * 1024;
/** Thousands with ROOTCAST_SLOW=1. */
const SNAPSHOTS = process.env['ROOTCAST_SLOW'] === '1' ? 3000 : 300;
const PLACES = 40;

async function numberAt(device: BlockDevice, offset: number): Promise<number> {
  const target = Buffer.alloc(512);
  await device.read(target, offset);
  return target.readUInt32LE(0);
}

test(
  'a volume that is open has hundreds of snapshots, or thousands; deleting them merges the chain',
  async () => {
    const array = new MemoryArray();
    const rig = await VolumeRig.open({ arrays: { one: array } });
    await rig.createVolume('one', 'v', SIZE);
    const open = await rig.connect('volume/one/v', 0);
    const written = async (at: number, value: number): Promise<void> => {
      const bytes = Buffer.alloc(512);
      bytes.writeUInt32LE(value, 0);
      await open.device.write(bytes, (at % PLACES) * 4096, PLAIN);
    };
    for (let at = 1; at <= SNAPSHOTS; at++) {
      await written(at, at);
      await rig.snapshot({ v: `s${at}` });
    }
    // The one before last that wrote to the place, and what came after.
    expect(await numberAt(open.device, (SNAPSHOTS % PLACES) * 4096)).toBe(SNAPSHOTS);
    for (const at of [1, 39, 40, 41, 255, 256, 257, SNAPSHOTS]) {
      const value = await rig.withExport(`volume/one/v@s${at}`, (device) =>
        numberAt(device, ((at - 1) % PLACES) * 4096),
      );
      expect(value).toBe(at === 1 ? 0 : at - 1);
    }
    // Not one handle for each layer, in each worker.
    expect(array.open).toBeLessThan(SNAPSHOTS);
    for (let at = 1; at <= SNAPSHOTS; at++) if (at % 100 !== 0) await rig.deleteSnapshot(`s${at}`);
    await rig.idle();
    // Twelve that are left, the overlay, and what is hidden below it.
    expect(
      rig.catalog.volumeNodes.chain(rig.catalog.volumeNodes.ofVolume('v')?.id ?? '').length,
    ).toBe(SNAPSHOTS / 100 + 1);
    expect(array.held.size).toBe(1 + 2 * (SNAPSHOTS / 100));
    for (const at of [100, SNAPSHOTS]) {
      const value = await rig.withExport(`volume/one/v@s${at}`, (device) =>
        numberAt(device, ((at - 1) % PLACES) * 4096),
      );
      expect(value).toBe(at - 1);
    }
    expect(await numberAt(open.device, (SNAPSHOTS % PLACES) * 4096)).toBe(SNAPSHOTS);
    await open.close();
    expect([rig.troubles, rig.failed]).toEqual([[], []]);
    await rig.close();
  },
  SNAPSHOTS * 200,
);
