/** Volumes on an array that nobody knows, and those that somebody does. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { StoredVolume } from '../../../src/control/index.ts';
import { Fault } from '../../../src/errors/index.ts';
import { NativeMoments } from '../../../src/service/storage/native-moments.ts';
import { MemoryArray } from '../../support/memory-array.ts';
import { CALL, VolumeRig } from '../../support/volume-rig.ts';

let rig: VolumeRig;
beforeEach(async () => {
  rig = await VolumeRig.open({ arrays: { a: new MemoryArray() } });
});
afterEach(() => rig.close());

const foreign = async () => (await rig.storage.storage.listForeign('a')).map(({ name }) => name);
const adopt = (nativeId: string, volumeId: string) =>
  rig.storage.storage.adopt({ repositoryId: 'a', nativeId, volumeId }, (stored: StoredVolume) =>
    rig.keepVolume('a', volumeId, stored),
  );

test('a volume that the catalog has forgotten is found and taken over again, once', async () => {
  await rig.createVolume('a', 'db', 65_536);
  expect(await foreign()).toEqual([]);
  rig.catalog.volumes.delete('db'); // a crash while it was adopted, or `repository forget`
  const [found, more] = await rig.storage.storage.listForeign('a');
  expect(more).toBeUndefined();
  expect(found).toMatchObject({ name: 'db' });
  const nativeId = found?.nativeId ?? '';
  const both = await Promise.allSettled([adopt(nativeId, 'one'), adopt(nativeId, 'two')]);
  expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  expect(await foreign()).toEqual([]);
  await expect(adopt(nativeId, 'three')).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
});

test('what is deleted while the array lists it is no stranger', async () => {
  for (const name of ['db', 'web']) await rig.createVolume('a', name, 65_536);
  const { array } = rig.storage.repositories.of('a');
  const list = array.listVolumes.bind(array);
  array.listVolumes = async (query) => {
    const page = await list(query);
    const { storage } = rig.storage;
    await storage.deleteVolume(rig.volume('db'), () => rig.catalog.volumes.delete('db'), CALL);
    return page;
  };
  expect(await foreign()).toEqual([]);
});

test('what layers are made of is known, and so is what is still to be deleted', async () => {
  await rig.createVolume('a', 'db', 65_536);
  await rig.snapshot({ db: 'monday' });
  expect(await foreign()).toEqual([]);
});

test('undoing a snapshot of a repository that is detached by now is told, and thrown to nobody', async () => {
  const told: string[] = [];
  const detached = new Fault('UNAVAILABLE', 'the repository is not attached');
  const parts = {
    repositories: {
      of: () => {
        throw detached;
      },
    },
    troubled: (what: string) => told.push(what),
  };
  const moments = new NativeMoments(parts as never, { undo: async () => undefined });
  const volume = { repositoryId: 'a', volumeId: 'db', handle: {} };
  const of = [{ volume, snapshotId: 'snap', name: 'monday' }];
  await moments.undo(of, { snapshots: new Map(), calls: [] });
  expect(told).toEqual(['deleting snap']);
});
