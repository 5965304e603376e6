/** What is said of a machine is its own, and not of the version that it wrote before. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { PLAIN } from '../../../src/block/index.ts';
import {
  addMachine,
  beginVersion,
  resetMachine,
  showMachine,
  updateMachine,
} from '../../../src/control/index.ts';
import { LifecycleRig } from '../../support/lifecycle-rig.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let rig: LifecycleRig;

beforeEach(async () => {
  folder = await temporaryFolder('figures');
  rig = await LifecycleRig.open(folder.path);
  for (const name of ['v', 'w']) await rig.importDisk(name, Buffer.alloc(8 * 65_536, 1));
  addMachine(rig.control, {
    ...{ name: 'editor', mac: '525400000001', vdisk: 'v', class: 'maintenance' },
    cacheMode: 'server-persistent',
  });
  beginVersion(rig.control, 'v', {});
  const connection = await rig.connect('machine/editor');
  await connection.device.write(Buffer.alloc(4096, 2), 0, PLAIN);
  await connection.close();
  expect(showMachine(rig.control, 'editor').cache.usedBytes).toBe(4096);
});

afterEach(async () => {
  await rig.close();
  await folder.remove();
});

test('a machine that is reset shows an empty write cache; the version keeps what it wrote', async () => {
  expect(await resetMachine(rig.control, 'editor')).toMatchObject({ cache: { usedBytes: 0 } });
  const [version] = rig.catalog.versions.inMaintenance();
  expect(rig.dataPlane.overlay(version?.id ?? '')).toMatchObject({ usedBytes: 4096 });
});

test('another vDisk costs a machine nothing of what it wrote into a version', async () => {
  expect(await updateMachine(rig.control, 'editor', { vdisk: 'w' })).toMatchObject({
    ...{ vdisk: 'w', cache: { usedBytes: 0 }, bytesWritten: 0 },
  });
});
