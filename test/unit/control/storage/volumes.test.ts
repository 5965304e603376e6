import { beforeEach, describe, expect, test } from 'vitest';
import {
  addHost,
  addSnapshotSchedule,
  addVolumeGroup,
  adoptVolume,
  cancelTask,
  cloneSnapshot,
  cloneVolume,
  createSnapshot,
  createVolume,
  deleteHost,
  deleteVolume,
  detachRepository,
  listForeignVolumes,
  listHosts,
  listMappings,
  listSnapshots,
  listVolumes,
  mapVolume,
  resizeVolume,
  revertVolume,
  runSnapshotSchedule,
  showHost,
  showVolume,
  splitVolume,
  unmapVolume,
  updateHost,
  updateVolume,
} from '../../../../src/control/index.ts';
import { Fault } from '../../../../src/errors/index.ts';
import { kinds } from '../support/fake-service.ts';
import {
  ended,
  GIB,
  refused,
  result,
  type StorageService,
  serviceWithVolume,
  withRepository,
  withVolume,
} from '../support/storage-service.ts';

let service: StorageService;
beforeEach(async () => {
  service = await serviceWithVolume('db');
});

const names = () => listVolumes(service.control, 'san1').items.map(({ name }) => name);
const snapshot = async (name: string, volume = 'db') =>
  result(service.control, createSnapshot(service.control, 'san1', { volumes: [volume], name }));

describe('creating a volume', () => {
  test('rounds its size up, and says so', async () => {
    const input = { name: 'odd', size: GIB + 1, thin: false, description: 'd' };
    expect(
      await result(service.control, createVolume(service.control, 'san1', input)),
    ).toMatchObject({
      requestedSize: GIB + 1,
      volume: {
        name: 'odd',
        repository: 'san1',
        size: GIB + 2 ** 20,
        thin: false,
        role: 'volume',
        parent: null,
        export: 'volume/san1/odd',
      },
    });
    expect(service.told.at(-1)).toMatchObject({
      kind: 'volume.created',
      subject: 'volume/san1/odd',
      message: expect.stringContaining('rounded up'),
    });
  });

  test('of two with one name one is undone', async () => {
    const { control, storage } = service;
    const tasks = [1, 2].map(() => createVolume(control, 'san1', { name: 'a', size: '1G' }));
    const ends = await Promise.all(tasks.map((task) => ended(control, task)));
    expect(ends.map(({ state }) => state).sort()).toEqual(['failed', 'succeeded']);
    expect(storage.volumes.size).toBe(2);
    expect(names()).toEqual(['a', 'db']);
  });

  test.each([
    ['a name that is taken', { name: 'db', size: 1 }, 'ALREADY_EXISTS', 'volume.name'],
    ['a name out of the alphabet', { name: 'd b', size: 1 }, 'INVALID_INPUT', 'volume.name'],
    ['no size', { name: 'a', size: 0 }, 'INVALID_INPUT', 'volume.size'],
    ['a size that is none', { name: 'a', size: 'big' }, 'INVALID_INPUT', 'volume.size'],
    ['more than the storage has', { name: 'a', size: '17T' }, 'INVALID_INPUT', 'volume.size'],
  ])('refuses %s', (_what, input, code, field) => {
    expect(() => createVolume(service.control, 'san1', input)).toThrow(refused(code, field));
  });

  test('is cancelled', async () => {
    const { control, storage } = service;
    let go = (): void => undefined;
    storage.waits.set('createVolume', () => new Promise((resolve) => (go = resolve)));
    const task = createVolume(control, 'san1', { name: 'a', size: 1 });
    await expect.poll(() => storage.calls.at(-1)).toBe('createVolume');
    cancelTask(control, task.id);
    go();
    expect(await ended(control, task)).toMatchObject({ state: 'cancelled' });
    expect(names()).toEqual(['db']);
  });

  test('needs a repository that is attached', async () => {
    await detachRepository(service.control, 'san1');
    const create = () => createVolume(service.control, 'san1', { name: 'a', size: 1 });
    expect(create).toThrow(refused('UNAVAILABLE', 'repository.state'));
  });
});

describe('a volume', () => {
  test('grows, and never shrinks', async () => {
    const { control } = service;
    const task = resizeVolume(control, 'san1', 'db', { size: '3G' });
    expect(await result(control, task)).toMatchObject({ volume: { size: 3 * GIB } });
    expect(() => resizeVolume(control, 'san1', 'db', { size: '2G' })).toThrow(
      expect.objectContaining({
        code: 'INVALID_INPUT',
        details: {
          field: 'volume.size',
          value: '2G',
          expected: expect.stringContaining(String(3 * GIB)),
        },
      }),
    );
  });

  test('two that grow one after the other know of each other', async () => {
    const { control } = service;
    const tasks = ['2G', '4G', '3G'].map((size) => resizeVolume(control, 'san1', 'db', { size }));
    const ends = await Promise.all(tasks.map((task) => ended(control, task)));
    expect(ends.map(({ state }) => state)).toEqual(['succeeded', 'succeeded', 'failed']);
    expect((await showVolume(control, 'san1', 'db')).size).toBe(4 * GIB);
  });

  test('is shown with what the storage says, and without it when it says nothing', async () => {
    const { control, storage } = service;
    expect(await showVolume(control, 'san1', 'db')).toMatchObject({
      connections: 0,
      allocated: 4096,
    });
    storage.failing.set('volumeLive', new Fault('UNREACHABLE', 'no'));
    expect(await showVolume(control, 'san1', 'db')).toMatchObject({
      name: 'db',
      connections: null,
      allocated: null,
    });
  });

  test('is renamed and described', () => {
    const { control } = service;
    updateVolume(control, 'san1', 'db', { name: 'data', description: 'x' });
    expect(names()).toEqual(['data']);
    expect(() => updateVolume(control, 'san1', 'db', { name: 'y' })).toThrow(refused('NOT_FOUND'));
    expect(() => updateVolume(control, 'san1', 'data', { name: 'A' })).toThrow(
      refused('INVALID_INPUT', 'volume.name'),
    );
  });

  test('is deleted; its snapshots live on', async () => {
    const { control, storage } = service;
    await snapshot('monday');
    const [id = ''] = storage.volumes.keys();
    storage.open.add(id);
    expect(await ended(control, deleteVolume(control, 'san1', 'db'))).toMatchObject({
      state: 'failed',
      error: { code: 'IN_USE' },
    });
    storage.open.clear();
    const deleted = await result(control, deleteVolume(control, 'san1', 'db'));
    expect(deleted).toEqual({ deleted: 'san1/db', snapshotsLeft: 1 });
    expect(listSnapshots(control, 'san1', { orphaned: true }).items).toMatchObject([
      { name: 'monday', volume: null, volumeWas: 'db', export: null },
    ]);
    const [{ id: orphan = '' } = {}] = listSnapshots(control, 'san1').items;
    const clone = cloneSnapshot(control, 'san1', orphan, { name: 'again' });
    expect(await result(control, clone)).toMatchObject({ parent: 'db@monday', size: GIB });
  });

  test('is not deleted while a group or a schedule has it, or while clones stand on it', async () => {
    const { control, storage } = service;
    addVolumeGroup(control, { name: 'g', volumes: ['san1/db'] });
    expect(() => deleteVolume(control, 'san1', 'db')).toThrow(/volume group g/);
    await withVolume(service, 'log');
    addSnapshotSchedule(control, { name: 's', volumes: ['san1/log'], every: '1h' });
    expect(() => deleteVolume(control, 'san1', 'log')).toThrow(/snapshot schedule s/);
    await withVolume(service, 'base');
    await result(control, cloneVolume(control, 'san1', 'base', { name: 'clone' }));
    storage.failing.set('deleteVolume', new Fault('IN_USE', 'child xyz'));
    expect(await ended(control, deleteVolume(control, 'san1', 'base'))).toMatchObject({
      error: {
        code: 'IN_USE',
        message: expect.stringContaining('san1/clone'),
        value: ['san1/clone'],
      },
    });
  });

  test('is taken over from what is on the storage', async () => {
    const { control, storage } = service;
    storage.foreign = [{ nativeId: 'lun-9', name: 'old', size: 2 * GIB, wwid: undefined }];
    expect(await listForeignVolumes(control, 'san1')).toEqual([
      { nativeId: 'lun-9', name: 'old', size: 2 * GIB, wwid: null },
    ]);
    const adopt = (nativeId: string) => adoptVolume(control, 'san1', { nativeId, name: 'old' });
    expect(await adopt('lun-9')).toMatchObject({ name: 'old', size: 2 * GIB });
    await expect(adopt('lun-9')).rejects.toThrow(refused('ALREADY_EXISTS', 'volume.name'));
    await expect(adoptVolume(control, 'san1', { nativeId: 'x', name: 'y' })).rejects.toThrow(
      refused('NOT_FOUND'),
    );
  });

  test('lists page by page', async () => {
    const { control } = service;
    for (const name of ['a', 'b', 'c']) await withVolume(service, name);
    const first = listVolumes(control, 'san1', { limit: 3 });
    expect(first.next).toBe('c');
    expect(listVolumes(control, 'san1', { limit: 3, after: 'c' })).toMatchObject({
      items: [{ name: 'db' }],
      next: null,
    });
    expect(listVolumes(control, 'san1', { limit: 4 }).next).toBeNull();
  });
});

describe('a replica', () => {
  test('is its replication’s: not resized, reverted, split, cloned, or mapped to be written', async () => {
    const { control } = service;
    const { catalog } = control;
    await snapshot('one');
    addHost(control, { name: 'h1', addresses: ['192.0.2.1'] });
    addSnapshotSchedule(control, { name: 's', volumes: ['san1/db'], every: '1h' });
    const [{ id = '' } = {}] = listVolumes(control, 'san1').items;
    const volume = catalog.volumes.byId(id);
    expect(volume).toBeDefined();
    if (volume !== undefined) catalog.volumes.update({ ...volume, role: 'replica' });
    for (const refuse of [
      () => resizeVolume(control, 'san1', 'db', { size: '2G' }),
      () => revertVolume(control, 'san1', 'db', { snapshot: 'one' }),
      () => splitVolume(control, 'san1', 'db'),
      () => cloneVolume(control, 'san1', 'db', { name: 'x' }),
      () => createSnapshot(control, 'san1', { volumes: ['db'], name: 'two' }),
    ]) {
      expect(refuse).toThrow(refused('IN_USE', 'volume.role'));
    }
    await expect(mapVolume(control, 'san1', 'db', { host: 'h1' })).rejects.toThrow(
      refused('IN_USE', 'volume.role'),
    );
    await mapVolume(control, 'san1', 'db', { host: 'h1', mode: 'ro' });
    await result(control, cloneSnapshot(control, 'san1', 'db@one', { name: 'whole' }));
    expect(await result(control, runSnapshotSchedule(control, 's'))).toMatchObject({ taken: [] });
  });
});

describe('clones', () => {
  test('linked ones stand on their source until they are split; full ones on nothing', async () => {
    const { control } = service;
    await snapshot('monday');
    const linked = cloneSnapshot(control, 'san1', 'db@monday', { name: 'test' });
    expect(await result(control, linked)).toMatchObject({ parent: 'db@monday' });
    const full = cloneSnapshot(control, 'san1', 'db@monday', { name: 'copy', kind: 'full' });
    expect(await result(control, full)).toMatchObject({ parent: null });
    const [{ clones } = {}] = listSnapshots(control, 'san1').items;
    expect(clones).toEqual(['san1/test']);
    expect(await result(control, splitVolume(control, 'san1', 'test'))).toMatchObject({
      parent: null,
    });
    expect(listSnapshots(control, 'san1').items).toMatchObject([{ clones: [] }]);
  });

  test('go to another repository as full ones only', async () => {
    const { control } = service;
    await withRepository(service, 'san2');
    const clone = (input: object) =>
      cloneVolume(control, 'san1', 'db', { name: 'copy', repository: 'san2', ...input });
    expect(() => clone({ kind: 'linked' })).toThrow(refused('INVALID_INPUT', 'clone.kind'));
    expect(() => clone({ repository: 'no' })).toThrow(refused('NOT_FOUND', 'clone.repository'));
    expect(await result(control, clone({}))).toMatchObject({ repository: 'san2', parent: null });
  });

  test('a volume goes back to a snapshot of its own, and its next one is the child of that', async () => {
    const { control } = service;
    await snapshot('one');
    await snapshot('two');
    await withVolume(service, 'other');
    await snapshot('else', 'other');
    for (const wrong of ['else', 'other@else', 'three']) {
      expect(() => revertVolume(control, 'san1', 'db', { snapshot: wrong })).toThrow(
        refused('NOT_FOUND', 'snapshot'),
      );
    }
    await result(control, revertVolume(control, 'san1', 'db', { snapshot: 'db@one' }));
    await snapshot('three');
    const { items } = listSnapshots(control, 'san1', { volume: 'db' });
    const parentOf = (name: string) => {
      const parent = items.find((item) => item.name === name)?.parent;
      return items.find(({ id }) => id === parent)?.name;
    };
    expect([parentOf('one'), parentOf('two'), parentOf('three')]).toEqual([
      undefined,
      'one',
      'one',
    ]);
    expect(kinds(service)).toContain('volume.reverted');
  });
});

describe('hosts and mappings', () => {
  const IQN = 'iqn.2026-01.com.example:a';
  beforeEach(() => {
    addHost(service.control, { name: 'h1', iqns: [IQN] });
  });

  test('hosts are added, changed and deleted', () => {
    const { control } = service;
    expect(() => addHost(control, { name: 'h1', iqns: [IQN] })).toThrow(
      refused('ALREADY_EXISTS', 'host.name'),
    );
    expect(() => addHost(control, { name: 'h2' })).toThrow(refused('INVALID_INPUT', 'host.iqns'));
    for (const address of ['host', '192.0.2.1/33', '192.0.2.1/24/1', '2001:db8::/129']) {
      expect(() => addHost(control, { name: 'h2', addresses: [address] })).toThrow(
        refused('INVALID_INPUT', 'host.addresses'),
      );
    }
    addHost(control, { name: 'h2', addresses: ['192.0.2.0/24', '2001:db8::1'] });
    expect(updateHost(control, 'h2', { name: 'h3', iqns: [IQN], addresses: [] })).toMatchObject({
      name: 'h3',
      addresses: [],
    });
    expect(listHosts(control).map(({ name }) => name)).toEqual(['h1', 'h3']);
    deleteHost(control, 'h3');
    expect(() => showHost(control, 'h3')).toThrow(refused('NOT_FOUND', 'host.name'));
  });

  test('a volume is mapped and unmapped', async () => {
    const { control, storage } = service;
    await expect(mapVolume(control, 'san1', 'db', { host: 'no' })).rejects.toThrow(
      refused('NOT_FOUND', 'mapping.host'),
    );
    const chap = { user: 'u', password: 'a-long-password' };
    const mapping = await mapVolume(control, 'san1', 'db', { host: 'h1', mode: 'ro', chap });
    expect(mapping).toMatchObject({ host: 'h1', mode: 'ro', lun: 1, path: null });
    expect(storage.mapRequests).toEqual([
      { host: { name: 'h1', iqns: [IQN], addresses: [] }, mode: 'ro', chap },
    ]);
    expect(await listMappings(control, 'san1', 'db')).toEqual([mapping]);
    await unmapVolume(control, 'san1', 'db', 'h1');
    expect(await listMappings(control, 'san1', 'db')).toEqual([]);
    expect(kinds(service).slice(-2)).toEqual(['volume.mapped', 'volume.unmapped']);
  });

  test('a volume is mapped to what the host is when its turn comes', async () => {
    const { control, storage } = service;
    const goOn = Promise.withResolvers<void>();
    storage.waits.set('unmap', () => goOn.promise);
    const before = unmapVolume(control, 'san1', 'db', undefined);
    const mapping = mapVolume(control, 'san1', 'db', { host: 'h1' });
    updateHost(control, 'h1', { name: 'h9', addresses: ['192.0.2.9'], iqns: [] });
    goOn.resolve();
    await before;
    expect(await mapping).toMatchObject({ host: 'h9' });
    expect(storage.mapRequests).toEqual([
      { host: { name: 'h9', iqns: [], addresses: ['192.0.2.9'] }, mode: 'rw' },
    ]);
  });
});
