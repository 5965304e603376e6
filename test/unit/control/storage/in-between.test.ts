/** What comes in between: while something is being deleted, and while an application is frozen. */
import { beforeEach, describe, expect, test } from 'vitest';
import {
  addHook,
  addSnapshotSchedule,
  addVolumeGroup,
  cloneSnapshot,
  createSnapshot,
  deleteRepository,
  deleteSnapshot,
  deleteVolume,
  detachRepository,
  forgetRepository,
  listRepositories,
  listSnapshots,
  listVolumes,
  RepositoryObserver,
  recoverControl,
  resizeVolume,
  runSnapshotSchedule,
  updateSnapshot,
  updateSnapshotSchedule,
} from '../../../../src/control/index.ts';
import { SPACE_EVERY_MS } from '../../../../src/control/limits.ts';
import { snapshotNameAt } from '../../../../src/control/storage/rhythm.ts';
import { Fault } from '../../../../src/errors/index.ts';
import { fakeService } from '../support/fake-service.ts';
import {
  ended,
  FakeHooks,
  result,
  type StorageService,
  serviceWithVolume,
} from '../support/storage-service.ts';

let service: StorageService;
beforeEach(async () => {
  service = await serviceWithVolume('db');
});

const inUse = expect.objectContaining({ code: 'IN_USE' });
const take = (name: string) =>
  result(service.control, createSnapshot(service.control, 'san1', { volumes: ['db'], name }));

/** @returns what lets the method go on, once it has begun */
async function held(method: string, begin: () => void): Promise<() => void> {
  let go = (): void => undefined;
  service.storage.waits.set(method, () => new Promise((resolve) => (go = resolve)));
  begin();
  await expect.poll(() => service.storage.calls.at(-1)).toBe(method);
  return () => go();
}

describe('what is being deleted', () => {
  test('is promised to nobody: a volume', async () => {
    const { control, storage } = service;
    let task = '';
    const go = await held('deleteVolume', () => {
      task = deleteVolume(control, 'san1', 'db').id;
    });
    expect(() => addVolumeGroup(control, { name: 'g', volumes: ['san1/db'] })).toThrow(inUse);
    expect(() =>
      addSnapshotSchedule(control, { name: 's', volumes: ['san1/db'], every: '1h' }),
    ).toThrow(inUse);
    go();
    await control.tasks.settled(task);
    expect(control.tasks.get(task)).toMatchObject({ state: 'succeeded' });
    expect(storage.volumes.size).toBe(0);
    expect(listVolumes(control, 'san1').items).toEqual([]);
  });

  test('is promised to nobody: a snapshot', async () => {
    const { control, storage } = service;
    await take('one');
    let task = '';
    const go = await held('deleteSnapshot', () => {
      task = deleteSnapshot(control, 'san1', 'db@one').id;
    });
    expect(() => updateSnapshot(control, 'san1', 'db@one', { held: true })).toThrow(inUse);
    go();
    await control.tasks.settled(task);
    expect(storage.snapshots.size).toBe(0);
    expect(listSnapshots(control, 'san1').items).toEqual([]);
  });

  test('is looked at again when its turn has come', async () => {
    const { control, storage } = service;
    const go = await held('snapshot', () => {
      createSnapshot(control, 'san1', { volumes: ['db'], name: 'one' });
    });
    const task = deleteVolume(control, 'san1', 'db'); // waits for the snapshot
    addVolumeGroup(control, { name: 'g', volumes: ['san1/db'] });
    go();
    expect(await ended(control, task)).toMatchObject({
      state: 'failed',
      error: { code: 'IN_USE' },
    });
    expect(storage.calls).not.toContain('deleteVolume');
    expect(storage.volumes.size).toBe(1);
  });
});

describe('a snapshot', () => {
  test('is not taken of a volume that became a replica while it waited for its turn', async () => {
    const { control, storage } = service;
    const go = await held('resizeVolume', () => {
      resizeVolume(control, 'san1', 'db', { size: 8 * 2 ** 30 });
    });
    const task = createSnapshot(control, 'san1', { volumes: ['db'], name: 'one' });
    await expect.poll(() => storage.calls.at(-1)).toBe('resizeVolume');
    const volume = control.catalog.volumes.byId([...storage.volumes.keys()][0] ?? '');
    if (volume === undefined) throw new Error('no volume');
    control.catalog.volumes.update({ ...volume, role: 'replica' });
    go();
    expect(await ended(control, task)).toMatchObject({
      state: 'failed',
      error: { code: 'IN_USE', field: 'volume.role' },
    });
    expect(storage.calls).not.toContain('snapshot');
  });

  test('is not deleted while it is cloned, though its volume was deleted meanwhile', async () => {
    const { control, storage } = service;
    await take('one');
    const [snapshot] = listSnapshots(control, 'san1').items;
    const endResize = await held('resizeVolume', () => {
      resizeVolume(control, 'san1', 'db', { size: 8 * 2 ** 30 });
    });
    // Both wait for the volume; when it is gone the snapshot is its own.
    const deleted = deleteVolume(control, 'san1', 'db');
    const clone = cloneSnapshot(control, 'san1', 'db@one', { name: 'copy' });
    let go = (): void => undefined;
    storage.waits.set('clone', () => new Promise((resolve) => (go = resolve)));
    endResize();
    expect(await ended(control, deleted)).toMatchObject({ state: 'succeeded' });
    await expect.poll(() => storage.calls.at(-1)).toBe('clone');
    const removed = deleteSnapshot(control, 'san1', snapshot?.id ?? '');
    for (let turn = 0; turn < 20; turn += 1) await new Promise((r) => setImmediate(r));
    expect(storage.calls).not.toContain('deleteSnapshot');
    go();
    expect(await ended(control, clone)).toMatchObject({ state: 'succeeded' });
    expect(await ended(control, removed)).toMatchObject({ state: 'succeeded' });
  });
});

describe('a repository with vDisks', () => {
  test.each(['delete', 'forget'])('says which, and does not %s it', async (how) => {
    const { control } = service;
    await result(control, deleteVolume(control, 'san1', 'db'));
    const [repository] = listRepositories(control);
    control.catalog.vdisks.insert({
      ...{ id: 'v', name: 'debian', description: '', pinnedVersion: undefined },
      ...{ repositoryId: repository?.id, overlayRepositoryId: undefined, createdAt: 0 },
    });
    if (how === 'forget') await detachRepository(control, 'san1');
    const work = how === 'delete' ? deleteRepository : forgetRepository;
    await expect(work(control, 'san1')).rejects.toThrow(
      expect.objectContaining({
        code: 'IN_USE',
        details: expect.objectContaining({ field: 'repository.vdisks', value: ['debian'] }),
      }),
    );
    expect(listRepositories(control)).toHaveLength(1);
    if (how === 'delete') expect(service.storage.attached.size).toBe(1);
  });
});

test('a repository of which a crash left something is not deleted before that is', async () => {
  const { control } = service;
  await result(control, deleteVolume(control, 'san1', 'db'));
  const id = listRepositories(control)[0]?.id ?? '';
  control.catalog.arrayLeftovers.add('a-tag', id);
  await expect(deleteRepository(control, 'san1')).rejects.toThrow(inUse);
  await detachRepository(control, 'san1');
  await forgetRepository(control, 'san1');
  expect(listRepositories(control)).toEqual([]);
});

describe('a frozen application', () => {
  beforeEach(() => {
    const { control } = service;
    const of = { volume: 'san1/db', argv: ['x'] };
    addHook(control, { ...of, name: 'freeze', moment: 'before-snapshot' });
    addHook(control, { ...of, name: 'thaw-1', moment: 'after-snapshot' });
    addHook(control, { ...of, name: 'thaw-2', moment: 'after-snapshot' });
  });

  test('thaws although nothing can be written down any more', async () => {
    const { control, hooks } = service;
    const full = new Fault('NO_SPACE', 'the disk is full');
    const transaction = control.catalog.transaction.bind(control.catalog);
    let isFull = false;
    control.catalog.transaction = (work) => {
      if (isFull) throw full;
      return transaction(work);
    };
    hooks.during.set('freeze', () => {
      isFull = true;
    });
    hooks.during.set('thaw-1', () => undefined);
    const task = createSnapshot(control, 'san1', { volumes: ['db'], name: 'one' });
    await control.tasks.settled(task.id);
    expect(hooks.told()).toEqual([
      'before-snapshot freeze',
      'after-snapshot thaw-2',
      'after-snapshot thaw-1',
    ]);
    isFull = false;
  });

  test('thaws after a crash, by the next process, once', async () => {
    const { storage, clock } = service;
    await held('snapshot', () => {
      createSnapshot(service.control, 'san1', { volumes: ['db'], name: 'one' });
    });
    storage.waits.clear();
    const { catalog } = service.control;
    const next = (): { control: StorageService['control']; hooks: FakeHooks } => {
      const hooks = new FakeHooks();
      let ids = 0;
      const newId = (): string => `next-${++ids}`;
      return { hooks, control: fakeService({ catalog, storage, clock, hooks, newId }).control };
    };
    const second = next();
    await recoverControl(second.control);
    await expect.poll(() => second.hooks.told()).toHaveLength(2);
    expect(second.hooks.calls[0]?.facts).toMatchObject({
      ROOTCAST_MOMENT: 'after-snapshot',
      ROOTCAST_HOOK: 'thaw-2',
      ROOTCAST_OUTCOME: 'failed',
      ROOTCAST_SNAPSHOT: 'one',
      ROOTCAST_VOLUMES: 'san1/db',
    });
    await expect.poll(() => catalog.hookDebts.all()).toEqual([]);
    const third = next();
    await recoverControl(third.control);
    expect(third.hooks.told()).toEqual([]);
  });

  test('owes nothing when all is done', async () => {
    await take('one');
    expect(service.control.catalog.hookDebts.all()).toEqual([]);
  });
});

describe('retention', () => {
  beforeEach(() => {
    addSnapshotSchedule(service.control, {
      ...{ name: 's', volumes: ['san1/db'], every: '1h', keep: { last: 2 } },
    });
  });
  const run = async (): Promise<void> => {
    await result(service.control, runSnapshotSchedule(service.control, 's'));
  };
  const names = () => listSnapshots(service.control, 'san1').items.map(({ name }) => name);

  test('keeps what was just taken, whatever the clock of the array says', async () => {
    const { storage, clock } = service;
    storage.now = () => clock.now() + 86_400_000; // it was set wrong …
    for (let n = 0; n < 2; n++) {
      await run();
      clock.advance(1000);
    }
    storage.now = () => clock.now(); // … and set right
    await run();
    expect(names()).toHaveLength(2);
    expect(names().at(-1)).toBe(snapshotNameAt({ prefix: 's' }, clock.now()));
  });

  test('goes by what is to be kept by now, not by what was when the run began', async () => {
    const { control, clock } = service;
    for (let n = 0; n < 2; n++) {
      await run();
      clock.advance(1000);
    }
    let task = '';
    const go = await held('snapshot', () => {
      task = runSnapshotSchedule(control, 's').id;
    });
    updateSnapshotSchedule(control, 's', { keep: { last: 10 } });
    go();
    await control.tasks.settled(task);
    expect(names()).toHaveLength(3);
  });
});

test('what a repository says of its space tells no secret', async () => {
  const { control, storage, clock } = service;
  const id = listRepositories(control)[0]?.id ?? '';
  control.catalog.secrets.save(id, 'chappassword', 'correct-horse');
  storage.failing.set('space', new Fault('UNREACHABLE', 'login as rack7:correct-horse failed'));
  const observer = new RepositoryObserver(control);
  clock.advance(SPACE_EVERY_MS);
  observer.observe(clock.now());
  await observer.settled();
  expect(listRepositories(control)[0]).toMatchObject({ state: 'unreachable' });
  expect(JSON.stringify([listRepositories(control), service.told])).not.toContain('correct-horse');
});
