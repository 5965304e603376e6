import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { PLAIN } from '../../../../src/block/index.ts';
import { outcome, present, readAll } from '../../../compliance/array/bench.ts';
import { INITIATOR, SimulatedPeers } from '../../../support/simulated-arrays.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

const folders: { remove(): Promise<void> }[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await folder.remove();
});

async function savedArray() {
  const folder = await temporaryFolder('saved-array');
  folders.push(folder);
  const settings = { folder: folder.path };
  const { control, data } = await new SimulatedPeers().attach(settings);
  const volume = await control.createVolume({
    ...{ opId: 'a', tag: 'a', name: 'a' },
    ...{ size: 1024 * 1024, thin: true },
  });
  const device = await data.open(volume.locator, { write: true });
  await device.write(Buffer.alloc(256 * 1024, 3), 128 * 1024, PLAIN);
  await device.close();
  const host = { name: 'h', iqns: [INITIATOR], addresses: [] };
  const mapping = await control.masking?.map({ opId: 'm', volume: volume.ref, host, mode: 'rw' });
  const of = [{ volume: volume.ref, tag: 's', name: 's' }];
  const [snapshot] = (await control.snapshots?.createSnapshots({ opId: 's', of })) ?? [];
  const { ref } = present(snapshot, 'a snapshot');
  await control.clones?.clone({ opId: 'c', tag: 'c', name: 'c', source: ref, kind: 'linked' });
  const used = await control.space();
  await control.close();
  return { path: folder.path, settings, volume, mapping, used };
}

describe('a simulated array that is kept', () => {
  test('is there again, with what it shares shared, and ids that go on', async () => {
    const { path, settings, volume, mapping, used } = await savedArray();
    const { control, data } = await new SimulatedPeers().attach(settings);
    const found = present(await control.findVolume({ tag: 'a' }), 'the volume');
    expect(found).toEqual({ ...volume, allocated: 256 * 1024 });
    const device = await data.open(found.locator, { write: false });
    const content = await readAll(device);
    await device.close();
    const expected = Buffer.alloc(1024 * 1024);
    expected.fill(3, 128 * 1024, 384 * 1024);
    expect(content.equals(expected)).toBe(true);
    expect(await control.masking?.listMappings({})).toEqual([mapping]);
    expect(await control.space()).toEqual(used);
    const clone = present(await control.findVolume({ tag: 'c' }), 'the clone');
    expect(clone.parent?.name).toBe('s');
    const wanted = { opId: 'n', tag: 'n', name: 'n', size: 512, thin: true };
    const fresh = await control.createVolume(wanted);
    expect(fresh.ref.nativeId > clone.ref.nativeId).toBe(true);
    await control.close();
    const files = (await readdir(path)).sort();
    expect(files).toEqual(['array.json', expect.stringMatching(/^pages-/)]);
  });

  test('is not taken for empty when what was kept cannot be read', async () => {
    const { path, settings } = await savedArray();
    const attach = () => outcome(new SimulatedPeers().attach(settings));
    const text = await readFile(join(path, 'array.json'), 'utf8');
    await writeFile(join(path, 'array.json'), text.slice(0, -10));
    expect(await attach()).toBe('BACKEND_BUG');
    await writeFile(join(path, 'array.json'), text);
    const [pages] = (await readdir(path)).filter((name) => name.startsWith('pages-'));
    await truncate(join(path, present(pages, 'pages')), 1000);
    expect(await attach()).toBe('BACKEND_BUG');
  });
});
