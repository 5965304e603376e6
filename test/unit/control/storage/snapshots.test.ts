import { beforeEach, describe, expect, test } from 'vitest';
import {
  addVolumeGroup,
  cloneSnapshot,
  createSnapshot,
  deleteSnapshot,
  deleteVolume,
  deleteVolumeGroup,
  diffSnapshots,
  listSnapshots,
  listVolumeGroups,
  showSnapshot,
  showVolume,
  snapshotVolumeGroup,
  updateSnapshot,
  updateVolumeGroup,
} from '../../../../src/control/index.ts';
import { Fault } from '../../../../src/errors/index.ts';
import { kinds } from '../support/fake-service.ts';
import {
  ended,
  GIB,
  refused,
  result,
  type StorageService,
  storageService,
  withRepository,
  withVolume,
} from '../support/storage-service.ts';

let service: StorageService;
beforeEach(async () => {
  service = storageService();
  await withRepository(service);
  await withVolume(service, 'db');
  await withVolume(service, 'log');
  service.told.length = 0;
});

const create = (name: string, volumes: string[] = ['db']) =>
  createSnapshot(service.control, 'san1', { volumes, name });
const take = async (name: string, volumes?: string[]) => {
  service.clock.advance(1000);
  return result<{ snapshots: { id: string }[] }>(service.control, create(name, volumes));
};
const list = () => listSnapshots(service.control, 'san1', { volume: 'db' }).items;

describe('snapshots', () => {
  test('are taken alone, or several of one moment', async () => {
    service.storage.emulates = true;
    expect(await take('one')).toMatchObject({
      snapshots: [
        {
          name: 'one',
          volume: 'db',
          size: GIB,
          emulated: true,
          consistency: 'crash',
          groupId: null,
          held: false,
          schedule: null,
          export: 'volume/san1/db@one',
        },
      ],
      hooks: [],
    });
    const both = await take('two', ['db', 'log']);
    const groups = both.snapshots.map((snapshot) => (snapshot as { groupId?: unknown }).groupId);
    expect(groups).toEqual([expect.any(String), groups[0]]);
    expect(kinds(service)).toEqual(['snapshot.created', 'snapshot.created', 'snapshot.created']);
  });

  test.each([
    ['a name that is taken', 'one', ['db'], 'ALREADY_EXISTS', 'snapshot.name'],
    ['a name out of the alphabet', 'a@b', ['db'], 'INVALID_INPUT', 'snapshot.name'],
    ['a volume that is none', 'two', ['db', 'no'], 'NOT_FOUND', 'volume.name'],
    ['no volume', 'two', [], 'INVALID_INPUT', 'snapshot.volumes'],
  ])('%s is refused', async (_what, name, volumes, code, field) => {
    await take('one');
    expect(() => create(name, volumes)).toThrow(refused(code, field));
  });

  test('a tree stays whole when any node of it goes', async () => {
    await take('a');
    await take('b');
    await take('c');
    await result(service.control, deleteSnapshot(service.control, 'san1', 'db@b'));
    const [a, c] = list();
    expect([a?.name, c?.name, c?.parent]).toEqual(['a', 'c', a?.id]);
    await result(service.control, deleteSnapshot(service.control, 'san1', c?.id ?? ''));
    await take('d');
    expect(list().at(-1)?.parent).toBe(a?.id);
    await result(service.control, deleteSnapshot(service.control, 'san1', 'db@a'));
    expect(list()).toMatchObject([{ name: 'd', parent: null }]);
  });

  test('the first snapshot of a clone came after the one that it was made from', async () => {
    const { snapshots } = await take('a');
    await result(
      service.control,
      cloneSnapshot(service.control, 'san1', 'db@a', { name: 'clone' }),
    );
    await take('b', ['clone']);
    expect(showSnapshot(service.control, 'san1', 'clone@b').parent).toBe(snapshots[0]?.id);
  });

  test('a clone whose snapshot goes stands on what that came after, and on its volume in the end', async () => {
    const { control } = service;
    for (const name of ['a', 'b']) await take(name);
    await result(control, cloneSnapshot(control, 'san1', 'db@b', { name: 'clone' }));
    const parent = async () => (await showVolume(control, 'san1', 'clone')).parent;
    const parents = [await parent()];
    for (const name of ['b', 'a']) {
      await result(control, deleteSnapshot(control, 'san1', `db@${name}`));
      parents.push(await parent());
    }
    expect(parents).toEqual(['db@b', 'db@a', 'db']);
  });

  test('are listed page by page, oldest first', async () => {
    const { control } = service;
    for (const name of ['a', 'b', 'c']) await take(name);
    await take('x', ['log']);
    const found: string[] = [];
    let after: string | undefined;
    do {
      const page = listSnapshots(control, 'san1', { limit: 2, ...(after && { after }) });
      found.push(...page.items.map(({ name }) => name));
      after = page.next ?? undefined;
    } while (after !== undefined);
    expect(found).toEqual(['a', 'b', 'c', 'x']);
    expect(() => listSnapshots(control, 'san1', { after: 'x' })).toThrow(
      refused('INVALID_INPUT', 'after'),
    );
    expect(() => listSnapshots(control, 'san1', { volume: 'db', orphaned: true })).toThrow(
      refused('INVALID_INPUT', 'volume'),
    );
  });

  test('are renamed, and held against everything', async () => {
    const { control } = service;
    await take('a');
    await take('b');
    const update = (input: object) => updateSnapshot(control, 'san1', 'db@a', input);
    expect(() => update({ name: 'b' })).toThrow(refused('ALREADY_EXISTS', 'snapshot.name'));
    expect(update({ held: true, description: 'x' })).toMatchObject({ held: true });
    expect(await ended(control, deleteSnapshot(control, 'san1', 'db@a'))).toMatchObject({
      error: { code: 'IN_USE', field: 'snapshot.held' },
    });
    update({ held: false });
    await result(control, deleteSnapshot(control, 'san1', 'db@a'));
    expect(() => showSnapshot(control, 'san1', 'db@a')).toThrow(
      refused('NOT_FOUND', 'snapshot.name'),
    );
    expect(service.storage.snapshots.size).toBe(1);
  });

  test('one that clones stand on is refused by the storage, and people are told their names', async () => {
    const { control, storage } = service;
    await take('a');
    await result(control, cloneSnapshot(control, 'san1', 'db@a', { name: 'clone' }));
    storage.failing.set('deleteSnapshot', new Fault('IN_USE', 'child 0x7'));
    expect(await ended(control, deleteSnapshot(control, 'san1', 'db@a'))).toMatchObject({
      error: { code: 'IN_USE', value: ['san1/clone'], expected: expect.any(String) },
    });
    expect(list()).toHaveLength(1);
  });

  test('differ in ranges, page by page', async () => {
    const { control, storage } = service;
    await take('a');
    await take('b');
    storage.changes = [0, 1, 2].map((n) => ({ offset: n * 8192, length: 4096, kind: 'data' }));
    const diff = (input: object) => diffSnapshots(control, 'san1', 'db@b', input);
    const first = await diff({ from: 'db@a', limit: 2 });
    expect(first).toMatchObject({ size: GIB, next: 8192 + 4096 });
    expect(first.ranges).toHaveLength(2);
    const second = await diff({ from: 'db@a', limit: 2, offset: first.next ?? 0 });
    expect(second).toMatchObject({ ranges: [{ offset: 16_384 }], next: 20_480 });
    // The storage may stop early: only an empty answer is the last one.
    expect(await diff({ from: 'db@a', offset: second.next ?? 0 })).toMatchObject({
      ranges: [],
      next: null,
    });
    expect(await diff({ length: 4096 })).toMatchObject({ from: null, next: null });
    await expect(diff({ from: 'db@no' })).rejects.toThrow(refused('NOT_FOUND', 'from'));
    await expect(diff({ offset: GIB })).rejects.toThrow(refused('INVALID_INPUT', 'offset'));
  });

  test('a volume that is deleted in between is not found, and nothing is left', async () => {
    const { control, storage } = service;
    let go = (): void => undefined;
    storage.waits.set('deleteVolume', () => new Promise((resolve) => (go = resolve)));
    const deletion = deleteVolume(control, 'san1', 'db');
    await expect.poll(() => storage.calls.at(-1)).toBe('deleteVolume');
    const snapshot = create('late');
    go();
    await result(control, deletion);
    expect(await ended(control, snapshot)).toMatchObject({ error: { code: 'NOT_FOUND' } });
    expect(storage.snapshots.size).toBe(0);
  });
});

describe('volume groups', () => {
  test('have snapshots of one moment', async () => {
    const { control } = service;
    addVolumeGroup(control, { name: 'app', volumes: ['san1/db', 'san1/log'] });
    const task = snapshotVolumeGroup(control, 'app', { name: 'one' });
    const taken = await result<{ snapshots: { volume: string; groupId: string }[] }>(control, task);
    expect(taken.snapshots.map(({ volume }) => volume).sort()).toEqual(['db', 'log']);
    expect(service.storage.calls.filter((call) => call === 'snapshot')).toHaveLength(1);
    expect(new Set(taken.snapshots.map(({ groupId }) => groupId)).size).toBe(1);
    expect((await showVolume(control, 'san1', 'db')).groups).toEqual(['app']);
  });

  test('are changed and deleted', () => {
    const { control } = service;
    const add = (volumes: string[]) => addVolumeGroup(control, { name: 'app', volumes });
    expect(() => add(['db'])).toThrow(refused('INVALID_INPUT', 'volumeGroup.volumes'));
    expect(() => add(['san1/no'])).toThrow(refused('NOT_FOUND', 'volumeGroup.volumes'));
    expect(listVolumeGroups(control)).toEqual([]);
    add(['san1/db']);
    expect(() => add(['san1/db'])).toThrow(refused('ALREADY_EXISTS', 'volumeGroup.name'));
    expect(updateVolumeGroup(control, 'app', { name: 'web', volumes: ['san1/log'] })).toMatchObject(
      { name: 'web', volumes: ['san1/log'] },
    );
    deleteVolumeGroup(control, 'web');
    expect(listVolumeGroups(control)).toEqual([]);
  });
});
