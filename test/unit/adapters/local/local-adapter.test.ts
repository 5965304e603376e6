import {
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { localAdapter } from '../../../../src/adapters/local/index.ts';
import { PLAIN } from '../../../../src/block/index.ts';
import type { ArrayControl } from '../../../../src/repositories/index.ts';
import { newTag, outcome, present } from '../../../compliance/array/bench.ts';
import { attachLocal, localConnection } from '../../../support/local-arrays.ts';
import { QUIET } from '../../../support/simulated-arrays.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

const { signal } = new AbortController();
const MARKER = '.rootcast-repository.json';

const folders: { remove(): Promise<void> }[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await folder.remove();
});

async function freshFolder(): Promise<string> {
  const folder = await temporaryFolder('local-adapter');
  folders.push(folder);
  return folder.path;
}

async function repository() {
  const path = join(await freshFolder(), 'here');
  await mkdir(path);
  return { path, ...(await attachLocal(localConnection(path), { create: true })) };
}

const create = (control: ArrayControl, name: string, tag = newTag()) =>
  control.createVolume({ opId: tag, tag, name, size: 8192, thin: true });

describe('attaching a folder', () => {
  test('makes it a repository once, and finds it again', async () => {
    const path = join(await freshFolder(), 'a', 'b');
    const connection = localConnection(path);
    const attach = (changed: object, options: object) =>
      outcome(localAdapter.attach({ ...connection, ...changed }, QUIET, { ...options, signal }));
    expect(await attach({}, {})).toBe('NOT_FOUND');
    // A folder that is not mounted is not made on the disk below.
    expect(await attach({}, { create: true })).toBe('NOT_FOUND');
    await mkdir(join(path, '..'));
    await writeFile(path, 'a file');
    expect(await attach({}, { create: true })).toBe('NOT_FOUND');
    await rm(path);
    await mkdir(path);
    expect(await attach({}, {})).toBe('NOT_FOUND');
    expect(await attach({}, { create: true })).toBe('done');
    expect(await attach({}, { create: true })).toBe('done');
    expect(await attach({}, {})).toBe('done');
    expect(await attach({ repositoryId: 'theirs' }, { create: true })).toBe('ALREADY_MANAGED');
    for (const wrong of ['', 'a/b', '/a\0b', 7]) {
      expect(await attach({ settings: { path: wrong } }, { create: true })).toBe(
        'INVALID_ARGUMENT',
      );
    }
  });

  test('refuses a folder where a service keeps its own volumes, and takes other files', async () => {
    const path = await freshFolder();
    await writeFile(join(path, 'layer-1.volume'), 'somebody needs this');
    const attach = () =>
      outcome(localAdapter.attach(localConnection(path), QUIET, { create: true, signal }));
    expect(await attach()).toBe('ALREADY_MANAGED');
    await rename(join(path, 'layer-1.volume'), join(path, 'notes.txt'));
    expect(await attach()).toBe('done');
    expect(await readFile(join(path, 'notes.txt'), 'utf8')).toBe('somebody needs this');
  });

  test('taken over by another server the old one changes nothing any more', async () => {
    const { path, control } = await repository();
    const other = localConnection(path, 'iqn.other');
    expect(await outcome(attachLocal(other))).toBe('EXCLUSIVE_ATTACHED');
    const fresh = await attachLocal(other, { takeOver: true });
    expect(await outcome(create(control, 'a'))).toBe('FENCED');
    expect((await control.health()).state).toBe('failed');
    expect(await outcome(create(fresh.control, 'a'))).toBe('done');
  });

  test('is found, and says whose it is', async () => {
    const { path } = await repository();
    const asked = { settings: {}, secrets: {}, initiatorName: 'x' };
    const first = await localAdapter.probe(asked, QUIET, signal);
    expect(first).toMatchObject({ step: 'address', choose: 'path' });
    const found = await localAdapter.probe({ ...asked, settings: { path } }, QUIET, signal);
    expect(found.step).toBe('ready');
    expect(found.found[0]?.holds).toEqual({ repositoryId: 'repository-local' });
    const nowhere = { ...asked, settings: { path: join(path, 'nowhere') } };
    expect(await outcome(localAdapter.probe(nowhere, QUIET, signal))).toBe('NOT_FOUND');
  });

  test('removes what a death in the middle left, and nothing of others', async () => {
    const { path, control } = await repository();
    const volume = await create(control, 'kept');
    await create(control, 'half');
    await rm(join(path, 'half.volume')); // died between the two removals of a delete
    await writeFile(join(path, '.rootcast-unfinished-1'), 'half a copy');
    await writeFile(join(path, 'theirs.json'), '{"none": "of ours"}');
    await control.close();
    const again = await attachLocal(localConnection(path));
    expect((await readdir(path)).sort()).toEqual([
      MARKER,
      'kept.volume',
      'kept.volume.json',
      'theirs.json',
    ]);
    const { items } = await again.control.listVolumes({ ownedOnly: false });
    expect(items).toContainEqual(volume);
    expect(await outcome(create(again.control, 'half'))).toBe('done');
  });
});

describe('a folder', () => {
  test('deletes no file that is none of its volumes', async () => {
    const { path, control } = await repository();
    await writeFile(join(path, 'disk.img'), Buffer.alloc(1024, 1));
    const [stranger] = (await control.listVolumes({ ownedOnly: false })).items;
    const { ref } = present(stranger, 'the file');
    expect(await outcome(control.deleteVolume({ opId: 'd', ref }))).toBe('PERMISSION_DENIED');
    const ours = await control.adoptVolume({ opId: 'a', ref, tag: 'ours' });
    expect(ours).toMatchObject({ ref: { name: 'disk.img' }, size: 1024, tag: 'ours' });
    const size = { opId: 'g', ref: ours.ref, size: 1500 };
    expect((await control.resizeVolume(size)).size).toBe(1536);
    await control.deleteVolume({ opId: 'd', ref: ours.ref });
    expect(await readdir(path)).toEqual([MARKER]);
  });

  test('that is not the same any more changes nothing', async () => {
    const { path, control } = await repository();
    await create(control, 'a');
    await rename(path, `${path}-away`);
    expect(await outcome(create(control, 'b'))).toBe('UNREACHABLE');
    expect(await control.health()).toMatchObject({ state: 'failed', paths: [{ up: false }] });
    // As when nothing is mounted there, or something else.
    await mkdir(path);
    await attachLocal({ ...localConnection(path), repositoryId: 'other' }, { create: true });
    expect(await outcome(create(control, 'b'))).toBe('UNREACHABLE');
    expect((await readdir(path)).sort()).toEqual([MARKER]);
  });

  test('takes no link for a volume, and opens nothing outside', async () => {
    const { path, control, data } = await repository();
    const secret = join(await freshFolder(), 'secret');
    await writeFile(secret, Buffer.alloc(4096, 1));
    await symlink(secret, join(path, 'linked.volume'));
    const { items } = await control.listVolumes({ ownedOnly: false });
    expect(items).toEqual([]);
    expect(await outcome(create(control, 'linked'))).toBe('ALREADY_EXISTS_DIFFERENT');
    const { locator } = await create(control, 'mine');
    for (const file of ['../../secret', secret, 'linked.volume', MARKER, '.', '', 'mine.volume/']) {
      const bent = { ...locator, address: { ...locator.address, file } };
      await expect(data.open(bent, { write: false }), file).rejects.toMatchObject({
        name: 'BlockError',
      });
    }
    // Put in the place of a volume later.
    await rm(join(path, 'mine.volume'));
    await symlink(secret, join(path, 'mine.volume'));
    await expect(data.open(locator, { write: false })).rejects.toMatchObject({ errno: 'ESTALE' });
    expect(await control.findVolume({ tag: 'mine' })).toBeUndefined();
  });

  test('tells of files that are gone, shorter, or not understood', async () => {
    const { path, control } = await repository();
    await create(control, 'a');
    await create(control, 'b');
    await create(control, 'c');
    expect(await control.health()).toMatchObject({ state: 'good', messages: [] });
    await truncate(join(path, 'a.volume'), 4096);
    await rm(join(path, 'b.volume'));
    await writeFile(join(path, 'c.volume.json'), '{"rootcast": 1,');
    await control.close();
    const again = await attachLocal(localConnection(path));
    const { state, messages } = await again.control.health();
    expect(state).toBe('degraded');
    expect(messages).toEqual([
      'the file of volume a has become shorter',
      'what is known of c.volume is damaged',
    ]);
    // Its file is not lost, and nobody takes it for a stranger's.
    const { items } = await again.control.listVolumes({ ownedOnly: false });
    expect(items.map(({ ref }) => ref.name)).toEqual(['a']);
    expect(await outcome(create(again.control, 'c'))).toBe('ALREADY_EXISTS_DIFFERENT');
  });

  test('whose marker is gone or damaged changes nothing', async () => {
    const { path, control } = await repository();
    await rm(join(path, MARKER));
    expect(await outcome(create(control, 'a'))).toBe('UNREACHABLE');
    await writeFile(join(path, MARKER), 'scribble');
    expect(await outcome(create(control, 'a'))).toBe('ALREADY_MANAGED');
  });

  test('finishes the delete that died half-way, and the handle of another stays good', async () => {
    const { path, control, data } = await repository();
    const volume = await create(control, 'a');
    const other = await create(control, 'b');
    const device = await data.open(other.locator, { write: true });
    await device.write(Buffer.alloc(512, 5), 0, PLAIN);
    await rm(join(path, 'a.volume'));
    await control.deleteVolume({ opId: 'd', ref: volume.ref });
    expect((await readdir(path)).sort()).toEqual([MARKER, 'b.volume', 'b.volume.json']);
    await data.close?.();
    const read = async (): Promise<void> => device.read(Buffer.alloc(512), 0);
    await expect(read()).rejects.toMatchObject({ errno: 'ESHUTDOWN' });
    const found = present(await control.findVolume({ ref: other.ref }), 'the other');
    expect(found.allocated).toBeGreaterThan(0);
  });
});
