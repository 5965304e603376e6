/**
 * Writes to an overlay on local volumes until it is killed. Every acknowledged change is logged to
 * the parent, one line each, before the next of that lane begins: `lane at count value`.
 *
 * Arguments: folder, size, seed, lanes, boot id.
 */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { LocalVolumeControl, LocalVolumeData } from '../../src/adapters/local/index.ts';
import { PLAIN, PLAIN_ZERO, ZeroDevice } from '../../src/block/index.ts';
import { openOverlay, recoverOverlay } from '../../src/vdisk/index.ts';
import { eventLoopTurns } from '../support/content.ts';
import { seededRandom } from '../support/seed.ts';

const SECTOR = 512;

const [folder = '', sizeText = '', seedText = '', lanesText = '', bootId = ''] =
  process.argv.slice(2);
const size = Number(sizeText);
const lanes = Number(lanesText);
const random = seededRandom(Number(seedText));
const control = await LocalVolumeControl.attach(join(folder, 'volumes'));
const volumes = new LocalVolumeData({ log: { warn: () => {} } });
const data = (await control.showVolume('data')).locator;
const map = (await control.showVolume('map')).locator;
const mapDevice = await volumes.open(map, { write: true });
const state = await recoverOverlay({
  map: mapDevice,
  size,
  bootId,
  quotaBytes: undefined,
  workers: 1,
});
const device = openOverlay({
  state,
  base: new ZeroDevice(size),
  data: await volumes.open(data, { write: true }),
  map: mapDevice,
  worker: 0,
  onFull: () => {},
});

async function lane(number: number): Promise<never> {
  const sectors = Math.floor(size / SECTOR / lanes);
  for (;;) {
    const at = number * sectors + Math.floor(random() * sectors);
    const most = (number + 1) * sectors - at;
    const long = random() < 0.1;
    const count = Math.min(most, 1 + Math.floor(random() * (long ? 1500 : 16)));
    const zero = random() < 0.15;
    const value = zero ? 0 : 1 + Math.floor(random() * 255);
    // Announced first: a change that was never acknowledged may be there or not.
    writeSync(1, `? ${number} ${at} ${count} ${value}\n`);
    if (zero) await device.zero(at * SECTOR, count * SECTOR, PLAIN_ZERO);
    else await device.write(Buffer.alloc(count * SECTOR, value), at * SECTOR, PLAIN);
    writeSync(1, `! ${number}\n`);
    if (random() < 0.02) await device.flush();
    await eventLoopTurns(1);
  }
}

await Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)));
