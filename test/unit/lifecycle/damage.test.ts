/** Damage is told to whoever boots it, also where the version that it came with is gone. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  addMachine,
  beginVersion,
  deleteVersion,
  promoteVersion,
  sealVersion,
  showVersion,
  verifyVdisk,
} from '../../../src/control/index.ts';
import { LifecycleRig } from '../../support/lifecycle-rig.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let rig: LifecycleRig;

beforeEach(async () => {
  folder = await temporaryFolder('damage');
  rig = await LifecycleRig.open(folder.path);
  await rig.importDisk('v', Buffer.alloc(8 * 65_536, 1));
  addMachine(rig.control, {
    ...{ name: 'editor', mac: '525400000001', vdisk: 'v', class: 'maintenance' },
  });
});

afterEach(async () => {
  await rig.close();
  await folder.remove();
});

async function flip(volumeId: string): Promise<void> {
  const path = join(rig.folder, 'repository', `${volumeId}.volume`);
  const bytes = await readFile(path);
  bytes.writeUInt8(bytes.readUInt8(70_000) ^ 4, 70_000);
  await writeFile(path, bytes);
}

test('a flipped bit below a version is told of the version when the one that had it is deleted', async () => {
  for (const number of [2, 3]) {
    beginVersion(rig.control, 'v', {});
    await (await rig.connect('machine/editor')).close();
    await rig.done(sealVersion(rig.control, 'v', number));
    // Over plain NBD a machine has no boot that would end what it wrote.
    const editor = rig.catalog.machines.byName('editor');
    rig.catalog.machines.setMaintains(editor?.id ?? '', undefined);
  }
  promoteVersion(rig.control, 'v', 3);
  expect(await deleteVersion(rig.control, 'v', 1)).toEqual({ state: 'deleted' });
  const base = rig.catalog.layers.all().find(({ parentId }) => parentId === undefined);
  await flip(base?.volumeId ?? '');
  const found = await rig.done(verifyVdisk(rig.control, 'v', 3));
  expect(found).toMatchObject({ layers: 3, damagedChunks: 1, damaged: [{ chunk: 1 }] });
  for (const number of [2, 3]) {
    expect(showVersion(rig.control, 'v', number).damagedChunks).toBe(1);
  }
  expect(rig.events.filter(({ kind }) => kind === 'version.damaged')).toMatchObject([
    {
      subject: 'vdisk/v/2',
      message: expect.stringMatching(/^1 chunks of a layer below version 2 of v are .* chunk 1:/),
      data: { layerId: base?.id },
    },
  ]);
});
