/** What is left when the service stops in the middle. */
import { beforeEach, describe, expect, test } from 'vitest';
import {
  closeControl,
  createRepository,
  createVolume,
  detachRepository,
  forgetRepository,
  listRepositories,
  RepositoryObserver,
  recoverControl,
  showTask,
} from '../../../../src/control/index.ts';
import { Fault } from '../../../../src/errors/index.ts';
import { fakeService } from '../support/fake-service.ts';
import { type StorageService, storageService, withRepository } from '../support/storage-service.ts';

let service: StorageService;
beforeEach(() => {
  service = storageService();
});

const create = () =>
  createRepository(service.control, {
    name: 'san1',
    kind: 'iscsi',
    settings: { target: 'a' },
    secrets: { chappassword: 'correct-horse' },
  });

describe('a repository that was being created', () => {
  test('is known after a crash, and can be attached or forgotten', async () => {
    const { storage, clock } = service;
    storage.waits.set('attach', () => new Promise(() => undefined));
    create();
    await expect.poll(() => storage.calls).toContain('attach');
    // Another process with the same catalog: the storage may have become ours, or not.
    storage.waits.clear();
    storage.failing.set('attach', new Fault('NOT_FOUND', 'it holds no repository'));
    let ids = 0;
    const { control } = fakeService({
      ...{ catalog: service.control.catalog, storage, clock },
      newId: () => `next-${++ids}`,
    });
    await recoverControl(control);
    const observer = new RepositoryObserver(control);
    observer.observe(clock.now());
    await observer.settled();
    expect(storage.attaches.at(-1)).toMatchObject({
      create: false,
      secrets: { chappassword: 'correct-horse' },
    });
    expect(listRepositories(control)).toMatchObject([
      { name: 'san1', state: 'unreachable', reason: 'it holds no repository' },
    ]);
    await detachRepository(control, 'san1');
    await forgetRepository(control, 'san1');
    expect(listRepositories(control)).toEqual([]);
    expect(control.catalog.secrets.fields(storage.attaches[0]?.repositoryId ?? '')).toEqual([]);
  });

  test('keeps nobody from stopping', async () => {
    const { storage, control, clock } = service;
    storage.waits.set('attach', () => new Promise(() => undefined));
    create();
    await expect.poll(() => storage.calls).toContain('attach');
    const observer = new RepositoryObserver(control);
    observer.observe(clock.now());
    await observer.close(); // settles, though the attach does not
  });
});

test('a task that the stop ends has kept nothing', async () => {
  const { control, storage } = service;
  await withRepository(service);
  let go = (): void => undefined;
  storage.waits.set('createVolume', () => new Promise((resolve) => (go = resolve)));
  const task = createVolume(control, 'san1', { name: 'a', size: '1G' });
  await expect.poll(() => storage.calls.at(-1)).toBe('createVolume');
  const closed = closeControl(control);
  go();
  await closed;
  expect(showTask(control, task.id)).toMatchObject({
    state: 'failed',
    error: { code: 'UNAVAILABLE' },
  });
  expect(storage.volumes.size).toBe(0);
  expect(listRepositories(control)).toMatchObject([{ volumes: 0 }]);
});
