/**
 * Writes to a volume through two workers' stacks while snapshots of it are taken and deleted, until it is killed.
 * What happens is told to the parent, one line each:
 *
 *     ? LANE AT COUNT VALUE    a change begins      ! LANE     it is acknowledged
 *     s NAME                   a snapshot begins    S NAME     it is there
 *
 * Arguments: folder, size, seed, lanes.
 */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { type BlockDevice, PLAIN, PLAIN_ZERO } from '../../src/block/index.ts';
import { eventLoopTurns } from '../support/content.ts';
import { FolderArray } from '../support/folder-array.ts';
import { seededRandom } from '../support/seed.ts';
import { VolumeRig } from '../support/volume-rig.ts';

const SECTOR = 512;

const [folder = '', sizeText = '', seedText = '', lanesText = ''] = process.argv.slice(2);
const size = Number(sizeText);
const lanes = Number(lanesText);
const random = seededRandom(Number(seedText));
const array = new FolderArray(join(folder, 'array'));
const rig = await VolumeRig.open({ path: join(folder, 'catalog'), arrays: { one: array } });
if (rig.catalog.volumes.byId('v') === undefined) await rig.createVolume('one', 'v', size);

async function lane(number: number, device: BlockDevice): Promise<never> {
  const sectors = Math.floor(size / SECTOR / lanes);
  for (;;) {
    const at = number * sectors + Math.floor(random() * sectors);
    const most = (number + 1) * sectors - at;
    const count = Math.min(most, 1 + Math.floor(random() * (random() < 0.1 ? 600 : 16)));
    const zero = random() < 0.15;
    const value = zero ? 0 : 1 + Math.floor(random() * 255);
    writeSync(1, `? ${number} ${at} ${count} ${value}\n`);
    if (zero) await device.zero(at * SECTOR, count * SECTOR, PLAIN_ZERO);
    else await device.write(Buffer.alloc(count * SECTOR, value), at * SECTOR, PLAIN);
    writeSync(1, `! ${number}\n`);
    if (random() < 0.02) await device.flush();
    await eventLoopTurns(1);
  }
}

async function snapshots(): Promise<never> {
  for (;;) {
    const name = rig.newId('s');
    writeSync(1, `s ${name}\n`);
    await rig.snapshot({ v: name });
    writeSync(1, `S ${name}\n`);
    const all = rig.catalog.snapshots.page({
      ...{ repositoryId: 'one', volumeId: 'v', after: undefined, limit: 100 },
    });
    const old = all[Math.floor(random() * all.length)];
    if (all.length > 8 && old !== undefined) await rig.deleteSnapshot(old.id);
    await eventLoopTurns(1 + Math.floor(random() * 20));
  }
}

const devices = [await rig.connect('volume/one/v', 0), await rig.connect('volume/one/v', 1)];
const writers = Array.from({ length: lanes }, (_, number) => {
  const opened = devices[number % devices.length];
  if (opened === undefined) throw new Error('no device');
  return lane(number, opened.device);
});
await Promise.all([...writers, snapshots()]);
