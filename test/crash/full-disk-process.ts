/**
 * Writes to an overlay on a file system of a few MiB until it is full, and reports as JSON what
 * happened. Runs in a mount namespace of its own. Argument: the folder.
 */
import { LocalVolumeControl, LocalVolumeData } from '../../src/adapters/local/index.ts';
import { type BlockDevice, PLAIN, ZeroDevice } from '../../src/block/index.ts';
import { BlockError } from '../../src/errors/index.ts';
import {
  formatOverlay,
  openOverlay,
  overlayMapBytes,
  readOverlayGauges,
  recoverOverlay,
} from '../../src/vdisk/index.ts';

const SIZE = 64 * 1024 * 1024;
const [folder = ''] = process.argv.slice(2);
const control = await LocalVolumeControl.attach(folder);
const volumes = new LocalVolumeData({ log: { warn: () => {} } });
const data = (await control.createVolume({ id: 'data', size: SIZE })).locator;
const map = (await control.createVolume({ id: 'map', size: overlayMapBytes(SIZE) })).locator;
const told: string[] = [];

async function start(bootId: string): Promise<{ device: BlockDevice; state: SharedArrayBuffer }> {
  const mapDevice = await volumes.open(map, { write: true });
  const options = { map: mapDevice, size: SIZE, bootId, quotaBytes: undefined, workers: 1 };
  const state = await recoverOverlay(options);
  const device = openOverlay({
    state,
    base: new ZeroDevice(SIZE),
    data: await volumes.open(data, { write: true }),
    map: mapDevice,
    worker: 0,
    onFull: (reason) => told.push(reason),
  });
  return { device, state };
}

async function write(device: BlockDevice, block: number, fill: number): Promise<string> {
  try {
    await device.write(Buffer.alloc(4096, fill), block * 4096, PLAIN);
    return 'ok';
  } catch (error) {
    return error instanceof BlockError ? error.errno : String(error);
  }
}

async function wrong(device: BlockDevice, blocks: number, fill: number): Promise<number> {
  let count = 0;
  const target = Buffer.alloc(4096);
  for (let block = 0; block < blocks; block++) {
    await device.read(target, block * 4096);
    if (!target.every((byte) => byte === fill)) count += 1;
  }
  return count;
}

const mapDevice = await volumes.open(map, { write: true });
await formatOverlay(mapDevice, { size: SIZE, bootId: 'a' });
await mapDevice.close();
const { device, state } = await start('a');
let blocks = 0;
let refusal = 'ok';
while (blocks < SIZE / 4096) {
  refusal = await write(device, blocks, 1);
  if (refusal !== 'ok') break;
  blocks += 1;
}
const report = {
  blocks,
  refusal,
  told: [...told],
  full: readOverlayGauges(state).full,
  rewrite: await write(device, 0, 1),
  flush: await Promise.resolve(device.flush()).then(() => 'ok', String),
  wrongOwned: await wrong(device, blocks, 1),
  refusedReads: await (async () => {
    const target = Buffer.alloc(4096, 9);
    await device.read(target, blocks * 4096);
    return target[0];
  })(),
  afterTrim: '',
  wrongLater: -1,
};
await device.trim(0, 1024 * 1024, PLAIN);
await device.close(); // waits until the space is given back
const again = await start('a');
report.afterTrim = await write(again.device, blocks, 2);
await again.device.write(Buffer.alloc(128 * 4096, 1), 0, PLAIN);
report.wrongLater = await wrong(again.device, 128, 1);
await again.device.close();
console.log(JSON.stringify(report));
