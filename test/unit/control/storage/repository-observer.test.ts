import { beforeEach, describe, expect, test } from 'vitest';
import {
  createRepository,
  deleteRepository,
  detachRepository,
  forgetRepository,
  RepositoryObserver,
  refreshRepository,
  repositoryHealth,
  showRepository,
} from '../../../../src/control/index.ts';
import { ATTACH_RETRY_FIRST_MS, SPACE_EVERY_MS } from '../../../../src/control/limits.ts';
import { levelOf } from '../../../../src/control/storage/watermarks.ts';
import { Fault } from '../../../../src/errors/index.ts';
import { kinds } from '../support/fake-service.ts';
import {
  ended,
  type StorageService,
  storageService,
  withRepository,
} from '../support/storage-service.ts';

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

describe('what happens by itself', () => {
  let observer: RepositoryObserver;
  const look = async (): Promise<void> => {
    observer.observe(service.clock.now());
    await observer.settled();
  };
  beforeEach(async () => {
    await withRepository(service);
    observer = new RepositoryObserver(service.control);
    service.told.length = 0;
  });
  const show = () => showRepository(service.control, 'san1');

  test('after a start every repository is attached again, tried again ever more slowly, and told of once', async () => {
    const { storage, clock } = service;
    storage.attached.clear();
    expect(show()).toMatchObject({ state: 'unreachable', reason: 'it is being attached' });
    storage.failing.set('attach', new Fault('UNREACHABLE', 'no route'));
    const attaches = storage.attaches.length;
    await look();
    await look();
    expect(storage.attaches).toHaveLength(attaches + 1);
    expect(show()).toMatchObject({ state: 'unreachable', reason: 'no route' });
    clock.advance(ATTACH_RETRY_FIRST_MS);
    await look();
    clock.advance(ATTACH_RETRY_FIRST_MS);
    await look();
    expect(storage.attaches).toHaveLength(attaches + 2);
    expect(kinds(service)).toEqual(['repository.unreachable']);
    storage.failing.clear();
    clock.advance(ATTACH_RETRY_FIRST_MS);
    await look();
    expect(show()).toMatchObject({ state: 'attached', reason: null });
    expect(storage.attaches.at(-1)).toMatchObject({ create: false, takeOver: false });
    expect(kinds(service)).toEqual(['repository.unreachable', 'repository.attached']);
  });

  test('one that hangs keeps no other waiting, and one that is detached is left alone', async () => {
    await withRepository(service, 'san2');
    await detachRepository(service.control, 'san2');
    const { storage } = service;
    storage.attached.clear();
    let go = (): void => undefined;
    storage.waits.set('attach', () => new Promise((resolve) => (go = resolve)));
    const attaches = storage.attaches.length;
    observer.observe(service.clock.now());
    await Promise.resolve();
    observer.observe(service.clock.now());
    await expect.poll(() => storage.calls.filter((call) => call === 'attach').length).toBe(3);
    expect(storage.attaches).toHaveLength(attaches + 1);
    go();
    await observer.settled();
    await observer.close();
    observer.observe(service.clock.now());
    expect([...storage.attached]).toEqual([storage.attaches[0]?.repositoryId]);
  });

  test('a device that grew or shrank is told of once, at the next look, and volumes may be as large as it', async () => {
    const { storage, clock } = service;
    storage.deviceBytes = 2 ** 30;
    clock.advance(SPACE_EVERY_MS);
    await look();
    expect(kinds(service)).toEqual([]);
    storage.deviceBytes = 2 ** 31;
    storage.spaceNow = { total: 2000, free: 1900 };
    await look(); // without waiting for the next round
    await look();
    expect(kinds(service)).toEqual(['repository.grown']);
    expect(show()).toMatchObject({
      space: { total: 2000 },
      info: { limits: { sizeMaximum: 2 ** 31 } },
    });
    storage.deviceBytes = 2 ** 29;
    await look();
    await look();
    expect(kinds(service)).toEqual(['repository.grown', 'repository.shrunk']);
  });

  test('a refresh asks the storage at once', async () => {
    const { storage } = service;
    storage.deviceBytes = 2 ** 30;
    await refreshRepository(service.control, 'san1');
    storage.grownTo = 2 ** 31;
    storage.spaceNow = { total: 2000, free: 1900 };
    const shown = await refreshRepository(service.control, 'san1');
    expect(shown).toMatchObject({
      space: { total: 2000 },
      info: { limits: { sizeMaximum: 2 ** 31 } },
    });
    expect(kinds(service)).toEqual(['repository.grown']);
    storage.failing.set('refresh', new Fault('UNREACHABLE', 'no path'));
    await expect(refreshRepository(service.control, 'san1')).rejects.toMatchObject({
      code: 'UNREACHABLE',
    });
  });

  test('space is told of when a mark is crossed, in both directions, and not at each look', async () => {
    const { storage, clock } = service;
    const used = async (percent: number): Promise<void> => {
      storage.spaceNow = { total: 1000, free: 1000 - percent * 10 };
      clock.advance(SPACE_EVERY_MS);
      await look();
    };
    for (const percent of [79, 80, 79, 78, 80, 90, 89, 95, 87, 86.9, 77, 76.9]) await used(percent);
    expect(kinds(service)).toEqual([
      'repository.space-warning',
      'repository.space-critical',
      'repository.space-warning',
      'repository.space-normal',
    ]);
    expect(show().space).toMatchObject({ usedPercent: 76.9 });
    const calls = storage.calls.length;
    await look();
    expect(storage.calls).toHaveLength(calls);
  });

  test('space that the array cannot tell is unknown, not an alarm and not unreachable', async () => {
    const { storage, clock } = service;
    storage.spaceNow = { total: 1000, free: 50 };
    clock.advance(SPACE_EVERY_MS);
    await look();
    storage.spaceNow = undefined;
    clock.advance(SPACE_EVERY_MS);
    await look();
    expect(show()).toMatchObject({ state: 'attached', space: null, spaceLevel: 'normal' });
    expect(kinds(service)).toEqual(['repository.space-critical', 'repository.space-normal']);
    const health = await repositoryHealth(service.control, 'san1');
    expect(health.space).toBeNull();
  });

  test('one that answers no more is unreachable until it does', async () => {
    service.storage.failing.set('space', new Fault('UNREACHABLE', 'timed out'));
    service.clock.advance(SPACE_EVERY_MS);
    await look();
    expect(show()).toMatchObject({ state: 'unreachable', reason: 'timed out' });
    service.storage.failing.clear();
    service.clock.advance(SPACE_EVERY_MS);
    await look();
    expect(show().state).toBe('attached');
    expect(kinds(service)).toEqual(['repository.unreachable', 'repository.attached']);
  });

  test('marks may be the same, and a level is entered from any other', () => {
    const marks = { warningPercent: 90, criticalPercent: 90 };
    expect(levelOf('normal', 90, marks)).toBe('critical');
    expect(levelOf('critical', 87, marks)).toBe('critical');
    expect(levelOf('critical', 86.9, marks)).toBe('normal');
    expect(levelOf('critical', 10, { warningPercent: 5, criticalPercent: 50 })).toBe('warning');
  });
});

test('a repository with layers of a vDisk is neither deleted nor forgotten; nor detached while they are read', async () => {
  await ended(service.control, create());
  const { id } = service.control.catalog.repositories.all()[0] ?? { id: '' };
  service.control.catalog.layers.insert({
    ...{ id: 'layer-1', parentId: undefined, volumeId: `${id}/base`, contentId: 'c', size: 4096 },
    ...{ dataBytes: 0, ownBytes: 0, verifiedAt: undefined, damagedChunks: 0, createdAt: 1 },
  });
  await expect(deleteRepository(service.control, 'san1')).rejects.toMatchObject({
    code: 'IN_USE',
    details: { field: 'repository.layers' },
  });
  const { dataPlane } = service.control;
  const inUse = dataPlane.layersInUse.bind(dataPlane);
  dataPlane.layersInUse = () => ({ open: new Set(['layer-1']), stoodOn: new Set() });
  const detaching = detachRepository(service.control, 'san1');
  await expect(detaching).rejects.toMatchObject({ details: { field: 'repository.layers' } });
  dataPlane.layersInUse = inUse;
  await detachRepository(service.control, 'san1');
  const forgetting = forgetRepository(service.control, 'san1');
  await expect(forgetting).rejects.toMatchObject({ details: { field: 'repository.layers' } });
});
