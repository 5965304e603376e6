/** What the threads count of volumes and vDisks, as the control thread reads it. */
import { afterEach, expect, test } from 'vitest';
import { PLAIN } from '../../../src/block/index.ts';
import { LayerPlans } from '../../../src/service/layer-plans.ts';
import { MemoryArray } from '../../support/memory-array.ts';
import { VolumeRig } from '../../support/volume-rig.ts';

const SIZE = 256 * 1024;
const rigs: VolumeRig[] = [];

async function rig(isNative: boolean): Promise<VolumeRig> {
  const arrays = { one: new MemoryArray({ isNative }), two: new MemoryArray({ isNative }) };
  const opened = await VolumeRig.open({ arrays });
  rigs.push(opened);
  await opened.createVolume('one', 'v', SIZE);
  await opened.createVolume('two', 'w', SIZE);
  return opened;
}

afterEach(async () => {
  for (const one of rigs.splice(0)) {
    expect(one.troubles).toEqual([]);
    await one.close();
  }
});

test.each([
  { by: 'the array', isNative: true },
  { by: 'layers', isNative: false },
])('connections of all workers count, over a snapshot by $by, and those to it', async (how) => {
  const it = await rig(how.isNative);
  const of = (id: string) => it.storage.traffic.ofRepositories().get(id);
  const nothing = { bytesRead: 0, bytesWritten: 0, readRequests: 0, writeRequests: 0 };
  expect(of('one')).toEqual(nothing);
  const connections = [await it.connect('volume/one/v', 0), await it.connect('volume/one/v', 1)];
  for (const { device } of connections) await device.write(Buffer.alloc(4096, 1), 0, PLAIN);
  expect(of('one')).toMatchObject({ writeRequests: 2, bytesWritten: 8192 });
  await it.snapshot({ v: 's' });
  for (const { device } of connections) await device.write(Buffer.alloc(512, 2), 0, PLAIN);
  expect(of('one')).toMatchObject({ writeRequests: 4, bytesWritten: 9216, readRequests: 0 });
  await it.withExport('volume/one/v@s', async (device) => device.read(Buffer.alloc(4096), 0));
  for (const opened of connections) await opened.close();
  // It is not less when nobody has it open any more.
  expect(of('one')).toEqual({
    ...{ writeRequests: 4, bytesWritten: 9216, readRequests: 1, bytesRead: 4096 },
  });
  expect(of('two')).toEqual(nothing);
});

test('what XenAPI reads and writes itself counts too', async () => {
  const it = await rig(false);
  const written = await it.disks.open(it.volume('w'), { write: true });
  await written.device.write(Buffer.alloc(4096, 1), 0, PLAIN);
  await written.close();
  const read = await it.disks.open(it.volume('w'), { write: false });
  await read.device.read(Buffer.alloc(512), 0);
  await read.close();
  expect(it.storage.traffic.ofRepositories().get('two')).toEqual({
    ...{ writeRequests: 1, bytesWritten: 4096, readRequests: 1, bytesRead: 512 },
  });
});

test('a repository that is not attached is not told of, and goes on where it was when it is', async () => {
  const it = await rig(false);
  const { storage, traffic } = it.storage;
  await it.withExport('volume/two/w', async (device) => device.read(Buffer.alloc(512), 0));
  await storage.detach('two', { force: false });
  expect([...traffic.ofRepositories().keys()]).toEqual(['one']);
  const kind = it.catalog.repositories.byId('two')?.kind ?? '';
  const settings = { settings: {}, secrets: {}, create: false, takeOver: false };
  const request = { repositoryId: 'two', kind, ...settings };
  await storage.attach(request, new AbortController().signal);
  expect(traffic.ofRepositories().get('two')).toMatchObject({ readRequests: 1, bytesRead: 512 });
});

test('plans of layers carry the memory that is theirs', async () => {
  const it = await rig(false);
  const { layers } = it.storage.traffic;
  const shelf = {
    use: () => () => {},
    plan: async () => ({ layerId: 'l', size: SIZE, index: new SharedArrayBuffer(8), layers: [] }),
  };
  const plan = await new LayerPlans(shelf, layers).plan('vdisk/x', 'l', '');
  expect(plan.traffic).toBe(layers);
});
