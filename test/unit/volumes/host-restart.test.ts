/** What a snapshot holds is on stable storage: it is there when the host comes up again, whoever wrote it last. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PLAIN } from '../../../src/block/index.ts';
import { MemoryArray } from '../../support/memory-array.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { VolumeRig } from '../../support/volume-rig.ts';

const SIZE = 1024 * 1024;

test('a snapshot of a volume that a killed process wrote and nobody opened since survives the host', async () => {
  const folder = await temporaryFolder('host-restart');
  const array = new MemoryArray();
  const path = join(folder.path, 'catalog');
  const start = (bootId: string) => VolumeRig.open({ path, arrays: { one: array }, bootId });
  const first = await start('boot-1');
  await first.createVolume('one', 'v', SIZE);
  await first.snapshot({ v: 's0' });
  const open = await first.connect('volume/one/v');
  await open.device.write(Buffer.alloc(4096, 7), 8192, PLAIN);
  array.kill();
  first.catalog.close();

  const second = await start('boot-1');
  await second.snapshot({ v: 's1' });
  await second.withExport('volume/one/v', async (device) => {
    await device.write(Buffer.alloc(4096, 8), 8192, PLAIN);
  });
  await second.close();

  // The page cache is gone, and with it the trust in what was not flushed.
  const third = await start('boot-2');
  const target = Buffer.alloc(4096);
  await third.withExport('volume/one/v@s1', async (device) => device.read(target, 8192));
  expect(target[0]).toBe(7);
  await third.withExport('volume/one/v', async (device) => device.read(target, 8192));
  expect(target[0]).toBe(8);
  expect(third.troubles).toEqual([]);
  await third.close();
  await folder.remove();
});

test('a snapshot that was taken while the volume was written to survives the host', async () => {
  const folder = await temporaryFolder('host-restart');
  const array = new MemoryArray();
  const path = join(folder.path, 'catalog');
  const first = await VolumeRig.open({ path, arrays: { one: array }, bootId: 'boot-1' });
  await first.createVolume('one', 'v', SIZE);
  const open = await first.connect('volume/one/v', 1);
  for (const [at, name] of ['s0', 's1', 's2'].entries()) {
    await open.device.write(Buffer.alloc(4096, at + 1), at * 65_536, PLAIN);
    await first.snapshot({ v: name });
  }
  array.kill();
  first.catalog.close();
  const second = await VolumeRig.open({ path, arrays: { one: array }, bootId: 'boot-2' });
  const target = Buffer.alloc(4096);
  for (const name of ['volume/one/v@s2', 'volume/one/v']) {
    for (const at of [0, 1, 2]) {
      await second.withExport(name, async (device) => device.read(target, at * 65_536));
      expect(target[0]).toBe(at + 1);
    }
  }
  await second.close();
  await folder.remove();
});
