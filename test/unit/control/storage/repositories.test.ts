import { beforeEach, describe, expect, test } from 'vitest';
import {
  attachRepository,
  createRepository,
  deleteRepository,
  detachRepository,
  forgetRepository,
  listRepositories,
  listRepositoryKinds,
  probeStorage,
  repositoryHealth,
  showRepository,
  updateRepository,
} from '../../../../src/control/index.ts';
import { Fault } from '../../../../src/errors/index.ts';
import { fakeService, kinds } from '../support/fake-service.ts';
import {
  ended,
  refused,
  result,
  type StorageService,
  storageService,
  withRepository,
  withVolume,
} from '../support/storage-service.ts';

const SIGNAL = new AbortController().signal;

let service: StorageService;
let create: (input?: object) => ReturnType<typeof createRepository>;
beforeEach(() => {
  service = storageService();
  create = (input = {}) =>
    createRepository(service.control, {
      name: 'san1',
      kind: 'iscsi',
      settings: { target: '192.0.2.1', portals: ['a'] },
      ...input,
    });
});

describe('finding storage', () => {
  test('each kind has its settings', () => {
    expect(listRepositoryKinds(service.control)).toMatchObject([
      {
        kind: 'iscsi',
        settings: expect.arrayContaining([expect.objectContaining({ name: 'target' })]),
      },
    ]);
  });

  test('goes on step by step, and knows what is here already', async () => {
    const probe = (settings: Record<string, string>) =>
      probeStorage(service.control, { kind: 'iscsi', settings }, SIGNAL);
    const first = { step: 'address', choose: 'target', found: [], capabilities: null };
    expect(await probe({})).toEqual(first);
    expect(await probe({ target: 'a' })).toMatchObject({
      step: 'system',
      choose: 'targetIQN',
      found: [{ value: 'iqn.2026-01.test:a', size: null, holds: null }],
    });
    expect(await probe({ target: 'a', targetIQN: 'b' })).toMatchObject({
      step: 'ready',
      choose: null,
      found: [{ size: 2 ** 30, holds: { repositoryId: 'r-old', name: 'before' } }],
      capabilities: { thin: 'yes', snapshot: 'emulated' },
    });
    expect(service.told).toEqual([]);
  });
});

describe('creating a repository', () => {
  test('attaches it, keeps what it can, and measures it', async () => {
    const made = await result(service.control, create({ description: 'rack 7' }));
    expect(made).toMatchObject({
      name: 'san1',
      description: 'rack 7',
      kind: 'iscsi',
      state: 'attached',
      reason: null,
      settings: { target: '192.0.2.1', portals: ['a'] },
      info: { vendor: 'Fake', limits: { sizeGranularity: 2 ** 20, volumes: null } },
      capabilities: { thin: 'yes', snapshot: 'emulated', cloneLinked: 'no' },
      space: { total: 1000, free: 900, usedPercent: 10, provisioned: null },
      spaceLevel: 'normal',
      warningPercent: 80,
      criticalPercent: 90,
      volumes: 0,
    });
    expect(service.storage.attaches).toMatchObject([{ create: true, takeOver: false }]);
    expect(listRepositories(service.control)).toEqual([made]);
    expect(kinds(service)).toEqual(['repository.creating', 'repository.attached']);
  });

  test('that fails leaves nothing behind', async () => {
    service.storage.failing.set('attach', new Fault('IN_USE', 'the LUN is not empty'));
    const secrets = { chappassword: 'correct-horse' };
    expect(await ended(service.control, create({ secrets }))).toMatchObject({
      state: 'failed',
      error: { code: 'IN_USE', message: 'the LUN is not empty' },
    });
    expect(listRepositories(service.control)).toEqual([]);
    expect(service.control.catalog.secrets.of('id-1')).toEqual({});
    expect(kinds(service)).toContain('task.failed');
  });

  test('takes up what is ours, and what was another server’s', async () => {
    await result(service.control, create({ mode: 'existing', repositoryId: 'r-1' }));
    const input = { name: 'san2', mode: 'take-over', repositoryId: 'r-2' };
    await result(service.control, create(input));
    expect(service.storage.attaches).toMatchObject([
      { repositoryId: 'r-1', create: false, takeOver: false },
      { repositoryId: 'r-2', create: false, takeOver: true },
    ]);
    expect(kinds(service)).toContain('repository.taken-over');
    expect(() => create({ name: 'x', mode: 'existing', repositoryId: 'r-1' })).toThrow(
      refused('ALREADY_EXISTS', 'repository.repositoryId'),
    );
  });

  test.each([
    ['a kind that is none', { kind: 'floppy' }, 'repository.kind', 'one of iscsi'],
    ['a name out of the alphabet', { name: 'SAN 1' }, 'repository.name', undefined],
    [
      'a setting that is none',
      { settings: { target: 'a', colour: 'b' } },
      'repository.settings.colour',
      undefined,
    ],
    ['a setting that is missing', { settings: {} }, 'repository.settings.target', undefined],
    [
      'a setting of another type',
      { settings: { target: 'a', port: '1' } },
      'repository.settings.port',
      undefined,
    ],
    [
      'a number that is not whole',
      { settings: { target: 'a', port: 1.5 } },
      'repository.settings.port',
      undefined,
    ],
    [
      'a list that is none',
      { settings: { target: 'a', portals: 'b' } },
      'repository.settings.portals',
      undefined,
    ],
    [
      'a truth that is none',
      { settings: { target: 'a', digests: 1 } },
      'repository.settings.digests',
      undefined,
    ],
    [
      'a secret in the open',
      { settings: { target: 'a', chappassword: 'hunter2hunter2' } },
      'repository.settings.chappassword',
      undefined,
    ],
    [
      'something open as a secret',
      { secrets: { target: 'a' } },
      'repository.secrets.target',
      undefined,
    ],
    [
      'a secret that is none',
      { secrets: { colour: 'a' } },
      'repository.secrets.colour',
      'one of chappassword',
    ],
    ['an id for a new one', { repositoryId: 'r' }, 'repository.repositoryId', undefined],
    ['no id for an old one', { mode: 'existing' }, 'repository.repositoryId', undefined],
    [
      'a warning that comes too late',
      { warningPercent: 95 },
      'repository.warningPercent',
      undefined,
    ],
  ])('refuses %s', (_what, input, field, expected) => {
    expect(() => create(input)).toThrow(
      refused('INVALID_INPUT', field, expected ?? expect.any(String)),
    );
    expect(listRepositories(service.control)).toEqual([]);
    let told = '';
    try {
      create(input);
    } catch (error) {
      told = JSON.stringify([error, (error as Error).message]);
    }
    expect(told).not.toContain('hunter2');
  });

  test('refuses a name that is taken', async () => {
    await withRepository(service);
    expect(() => create()).toThrow(refused('ALREADY_EXISTS', 'repository.name'));
  });

  test('needs a service with storage', () => {
    const { control } = fakeService();
    expect(() => createRepository(control, { name: 'a', kind: 'iscsi' })).toThrow(
      refused('UNAVAILABLE'),
    );
    expect(listRepositories(control)).toEqual([]);
  });
});

describe('a repository', () => {
  beforeEach(() => withRepository(service));
  const show = () => showRepository(service.control, 'san1');

  test('is detached and attached again', async () => {
    expect(() => attachRepository(service.control, 'san1', {})).toThrow(refused('IN_USE'));
    await detachRepository(service.control, 'san1');
    expect(show()).toMatchObject({ state: 'detached', space: null });
    await expect(repositoryHealth(service.control, 'san1')).rejects.toThrow(
      refused('UNAVAILABLE', 'repository.state'),
    );
    await result(service.control, attachRepository(service.control, 'san1', { takeOver: true }));
    expect(show()).toMatchObject({ state: 'attached', space: { total: 1000 } });
    expect(service.storage.attaches.at(-1)).toMatchObject({ create: false, takeOver: true });
  });

  test('is not detached while a volume is open, unless by force', async () => {
    await withVolume(service, 'a');
    for (const id of service.storage.volumes.keys()) service.storage.open.add(id);
    await expect(detachRepository(service.control, 'san1')).rejects.toThrow(refused('IN_USE'));
    expect(show().state).toBe('attached');
    await detachRepository(service.control, 'san1', { force: true });
    expect(show().state).toBe('detached');
  });

  test('is not detached while a vDisk that lies in it is read, unless by force', async () => {
    const { catalog } = service.control;
    const id = catalog.repositories.byName('san1')?.id;
    const facts = { size: 1, dataBytes: 1, ownBytes: 1, damagedChunks: 0, createdAt: 0 };
    const layer = { ...facts, parentId: undefined, contentId: 'c', verifiedAt: undefined };
    catalog.layers.insert({ ...layer, id: 'base', volumeId: `${id}/base` });
    catalog.layers.insert({ ...layer, id: 'top', parentId: 'base', volumeId: 'top' });
    service.dataPlane.openLayers.add('top');
    await expect(detachRepository(service.control, 'san1')).rejects.toThrow(refused('IN_USE'));
    expect(show().state).toBe('attached');
    await detachRepository(service.control, 'san1', { force: true });
    expect(show().state).toBe('detached');
  });

  test('says how it is', async () => {
    expect(await repositoryHealth(service.control, 'san1')).toMatchObject({
      state: 'degraded',
      messages: ['a path is down'],
      paths: [{ name: 'p1', up: false }],
      space: { usedPercent: 10 },
    });
  });

  test('is changed; its connection only while it is detached', async () => {
    const update = (input: object) => updateRepository(service.control, 'san1', input);
    expect(update({ description: 'x', warningPercent: 50 })).toMatchObject({
      description: 'x',
      warningPercent: 50,
    });
    expect(() => update({ criticalPercent: 40 })).toThrow(
      refused('INVALID_INPUT', 'repository.warningPercent'),
    );
    const change = { settings: { target: 'b' }, secrets: { chappassword: 'correct-horse' } };
    expect(() => update(change)).toThrow(refused('IN_USE', 'repository.settings'));
    expect(() => update({ secrets: change.secrets })).toThrow(
      refused('IN_USE', 'repository.secrets'),
    );
    await detachRepository(service.control, 'san1');
    expect(() => update({ settings: {} })).toThrow(
      refused('INVALID_INPUT', 'repository.settings.target'),
    );
    expect(() => update({ secrets: { target: 'x' } })).toThrow(refused('INVALID_INPUT'));
    expect(update(change)).toMatchObject({
      settings: { target: 'b' },
      secretsSet: ['chappassword'],
    });
    await result(service.control, attachRepository(service.control, 'san1', {}));
    expect(service.storage.attaches.at(-1)).toMatchObject(change);
    await detachRepository(service.control, 'san1');
    expect(update({ secrets: { chappassword: null } }).secretsSet).toEqual([]);
    expect(update({ name: 'san9' }).name).toBe('san9');
  });

  test('is deleted only when it is empty, and forgotten only when it is detached', async () => {
    await withVolume(service, 'a');
    await expect(deleteRepository(service.control, 'san1')).rejects.toThrow(
      refused('IN_USE', 'repository.volumes'),
    );
    await expect(forgetRepository(service.control, 'san1')).rejects.toThrow(
      refused('IN_USE', 'repository.state'),
    );
    await detachRepository(service.control, 'san1');
    await forgetRepository(service.control, 'san1');
    expect(listRepositories(service.control)).toEqual([]);
    expect(service.storage.volumes.size).toBe(1);
    await withRepository(service);
    await deleteRepository(service.control, 'san1');
    expect(service.storage.attached.size).toBe(0);
    await expect(deleteRepository(service.control, 'san1')).rejects.toThrow(
      refused('NOT_FOUND', 'repository.name'),
    );
  });
});
