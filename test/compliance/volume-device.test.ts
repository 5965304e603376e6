/** What a connection to a volume gets keeps the contract, whatever the volume is made of. */
import { type BlockDevice, PLAIN } from '../../src/block/index.ts';
import { randomContent } from '../support/content.ts';
import { MemoryArray } from '../support/memory-array.ts';
import { VolumeRig } from '../support/volume-rig.ts';
import { describeBlockDevice, type Subject } from './block-device.ts';

const SIZE = 1024 * 1024 + 3 * 4096 + 512;

/** @param snapshots taken while the content is written, at even distances */
async function volume(snapshots: number, isReopened: boolean): Promise<Subject<BlockDevice>> {
  const content = randomContent(SIZE);
  const rig = await VolumeRig.open({ arrays: { one: new MemoryArray() } });
  await rig.createVolume('one', 'v', SIZE);
  let opened = await rig.connect('volume/one/v');
  const step = Math.ceil(SIZE / (snapshots + 1) / 512) * 512;
  for (let at = 0, number = 0; at < SIZE; at += step, number++) {
    await opened.device.write(content.subarray(at, at + step), at, PLAIN);
    if (number < snapshots) await rig.snapshot({ v: `s${number}` });
  }
  if (isReopened) {
    await opened.close();
    opened = await rig.connect('volume/one/v');
  }
  const dispose = async (): Promise<void> => {
    await opened.close();
    await rig.close();
  };
  return { device: opened.device, content, dispose };
}

describeBlockDevice('volume without snapshots', () => volume(0, false));
describeBlockDevice('volume with sealed overlays', () => volume(3, false));
describeBlockDevice('volume on a chain of layers', () => volume(7, true));
