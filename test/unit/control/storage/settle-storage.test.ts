/** What storage has done without anybody being told: recorded at the next look. */
import { beforeEach, expect, test } from 'vitest';
import {
  attachRepository,
  createSnapshot,
  detachRepository,
  discardData,
  listEvents,
  RepositoryObserver,
  type StoredVolume,
  showVolume,
  trackChanges,
} from '../../../../src/control/index.ts';
import { SPACE_EVERY_MS } from '../../../../src/control/limits.ts';
import { stored } from '../../../support/fake-array.ts';
import { CALL } from '../../../support/volume-rig.ts';
import { kinds } from '../support/fake-service.ts';
import { GIB, result, type StorageService, serviceWithVolume } from '../support/storage-service.ts';

let service: StorageService;
beforeEach(async () => {
  service = await serviceWithVolume('db');
});

const idOf = (name: string): string => {
  const [repository] = service.control.catalog.repositories.all();
  const volume = service.control.catalog.volumes.byName(repository?.id ?? '', name);
  if (volume === undefined) throw new Error(`no volume ${name}`);
  return volume.id;
};

let snapshots = 0;
/** @returns its id */
async function snapshotOf(volume: string): Promise<string> {
  snapshots += 1;
  const name = `s${snapshots}`;
  const { control } = service;
  await result(control, createSnapshot(control, 'san1', { volumes: [volume], name }));
  const taken = control.catalog.snapshots.byName(idOf(volume), name);
  if (taken === undefined) throw new Error(`no snapshot ${name}`);
  return taken.id;
}

const eventsOf = (wanted: string) =>
  listEvents(service.control)
    .filter(({ kind }) => kind === wanted)
    .map(({ subject, data }) => ({ subject, data }));

/** Somebody else takes its place meanwhile. */
async function attachAgain(unsettled: Readonly<Record<string, StoredVolume | undefined>>) {
  const { control, storage } = service;
  await detachRepository(control, 'san1');
  for (const [id, stored] of Object.entries(unsettled)) storage.unsettled.set(id, stored);
  await result(control, attachRepository(control, 'san1', {}));
}

test('a volume has grown: when the repository is attached', async () => {
  const { control } = service;
  const volumeId = idOf('db');
  await attachAgain({ [volumeId]: stored(volumeId, 2 * GIB, true) });
  expect(await showVolume(control, 'san1', 'db')).toMatchObject({ size: 2 * GIB });
  const data = { volumeId, before: GIB, size: 2 * GIB };
  expect(eventsOf('volume.resized')).toEqual([{ subject: 'volume/san1/db', data }]);
});

test('when it is looked at from time to time; the same size again is nothing to tell', async () => {
  const { control, storage, clock } = service;
  const observer = new RepositoryObserver(control);
  const look = async (): Promise<void> => {
    clock.advance(SPACE_EVERY_MS);
    observer.observe(clock.now());
    await observer.settled();
  };
  await look();
  service.told.length = 0;
  const volumeId = idOf('db');
  storage.unsettled.set(volumeId, { ...stored(volumeId, GIB, true), wwid: 'naa.other' });
  await look();
  expect(control.catalog.volumes.byId(volumeId)?.wwid).toBe('naa.other');
  expect(kinds(service)).toEqual([]);
  storage.unsettled.set(volumeId, stored(volumeId, 2 * GIB, true));
  await look();
  expect(kinds(service)).toEqual(['volume.resized']);
  expect(control.catalog.volumes.byId(volumeId)?.size).toBe(2 * GIB);
});

test('one that the catalog has forgotten meanwhile stays away', async () => {
  const { control } = service;
  const volumeId = idOf('db');
  control.catalog.volumes.delete(volumeId);
  await attachAgain({ [volumeId]: stored(volumeId, 2 * GIB, true) });
  expect(control.catalog.volumes.byId(volumeId)).toBeUndefined();
  expect(eventsOf('volume.resized')).toEqual([]);
});

test('a volume is gone, and told as one that was deleted; its snapshots live on', async () => {
  const { control } = service;
  const volumeId = idOf('db');
  const taken = await snapshotOf('db');
  await attachAgain({ [volumeId]: undefined });
  expect(control.catalog.volumes.byId(volumeId)).toBeUndefined();
  expect(control.catalog.snapshots.byId(taken)).toMatchObject({ volumeId: undefined });
  const data = { volumeId, snapshotsLeft: 1 };
  expect(eventsOf('volume.deleted')).toEqual([{ subject: 'volume/san1/db', data }]);
});

test('a snapshot is gone: what came after it comes after the one before it', async () => {
  const { control } = service;
  const [first, second, third] = [
    await snapshotOf('db'),
    await snapshotOf('db'),
    await snapshotOf('db'),
  ];
  await attachAgain({ [second]: undefined });
  expect(control.catalog.snapshots.byId(second)).toBeUndefined();
  expect(control.catalog.snapshots.byId(third)).toMatchObject({ parentId: first });
  await attachAgain({ [third]: undefined });
  expect(control.catalog.volumes.byId(idOf('db'))).toMatchObject({ headSnapshotId: first });
  const [newest, oldest] = eventsOf('snapshot.deleted');
  expect([oldest?.data, newest?.data]).toEqual([{ snapshotId: second }, { snapshotId: third }]);
});

test('a snapshot that only its changes were wanted of is gone without a word, and they stay', async () => {
  const { control, storage } = service;
  trackChanges(control, idOf('db'));
  const [first, second] = [await snapshotOf('db'), await snapshotOf('db')];
  storage.failing.set('deleteSnapshot', new Error('killed'));
  await discardData(control, first, CALL);
  expect(control.catalog.snapshots.byId(first)).toBeDefined();
  storage.failing.clear();
  service.told.length = 0;
  await attachAgain({ [first]: undefined });
  expect(control.catalog.snapshots.byId(first)).toBeUndefined();
  expect(control.catalog.trackedDisks.byId(first)).toMatchObject({ state: 'log' });
  expect(control.catalog.changeLogs.has({ fromId: first, toId: second })).toBe(true);
  expect(eventsOf('snapshot.deleted')).toEqual([]);
});
