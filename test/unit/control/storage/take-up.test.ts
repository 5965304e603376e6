/** Volumes that lie on storage and have no record: those that were ours once, and those of others. */
import { beforeEach, describe, expect, test } from 'vitest';
import { createRepository, takeUpVolumes } from '../../../../src/control/index.ts';
import {
  GIB,
  result,
  type StorageService,
  storageService,
  withRepository,
} from '../support/storage-service.ts';

const CALL = { signal: new AbortController().signal, progress: () => undefined };
const ID = '11111111-2222-3333-4444-555555555555';

let service: StorageService;
beforeEach(async () => {
  service = storageService();
  await withRepository(service);
});

const foreign = (name: string, tag?: string) => ({
  ...{ nativeId: `lun-${name}`, name, size: GIB, wwid: undefined, tag },
});
const takeUp = (takesStranger = (): boolean => false) =>
  takeUpVolumes(service.control, 'san1', takesStranger, CALL);

describe('taking up volumes', () => {
  test('brings back what was ours, under the ids that it had and names that are free', async () => {
    const { control, storage } = service;
    storage.foreign = [foreign('My Disk', ID), foreign('my-disk', 'other'), foreign('stranger')];
    const { volumes, doubtful } = await takeUp();
    expect(doubtful).toBe(0);
    expect(volumes.map(({ id, name }) => [id, name])).toEqual([
      [ID, 'my-disk'],
      ['other', 'my-disk-2'],
    ]);
    expect(control.catalog.volumes.byId(ID)).toMatchObject({ size: GIB });
  });

  test('takes what others have made only when that is wished', async () => {
    const { storage } = service;
    storage.foreign = [foreign('a.iso'), foreign('b.txt')];
    const { volumes } = await takeUpVolumes(
      service.control,
      'san1',
      ({ name }) => name.endsWith('.iso'),
      CALL,
    );
    expect(volumes.map(({ name }) => name)).toEqual(['a.iso']);
  });

  test('leaves volumes alone beside which lost layers lie, and says how many', async () => {
    const { storage } = service;
    storage.foreign = [foreign('db', ID), foreign('layer-x', 'x'), foreign('new.iso')];
    const taken = await takeUp(() => true);
    expect(taken.doubtful).toBe(1);
    expect(taken.volumes.map(({ name }) => name)).toEqual(['new.iso']);
  });

  test('ends when it is cancelled, with what it has', async () => {
    const { storage, control } = service;
    storage.foreign = [foreign('a', 'a'), foreign('b', 'b')];
    const abort = new AbortController();
    const progress = (): void => abort.abort(new Error('enough'));
    const call = { signal: abort.signal, progress };
    await expect(takeUpVolumes(control, 'san1', () => false, call)).rejects.toThrow('enough');
    expect(control.catalog.volumes.byId('a')).toBeDefined();
    expect(control.catalog.volumes.byId('b')).toBeUndefined();
  });
});

describe('a repository', () => {
  test('can be given its id when it is made', async () => {
    const { control } = service;
    const input = { name: 'given', kind: 'iscsi', settings: { target: '10.0.0.9' } };
    await result(control, createRepository(control, input, ID));
    expect(control.catalog.repositories.byId(ID)).toMatchObject({ name: 'given' });
    expect(() => createRepository(control, { ...input, name: 'again' }, ID)).toThrow(
      expect.objectContaining({ code: 'ALREADY_EXISTS' }),
    );
  });

  test('tells who mirrors its space when that is another one', () => {
    const { spaces } = service.control;
    const told: string[] = [];
    const unfollow = spaces.follow((id) => told.push(id));
    const space = { total: 10, free: 5, measuredAt: 1, deviceSize: undefined };
    spaces.set('r', space);
    spaces.set('r', { ...space, measuredAt: 2 });
    expect(told).toEqual(['r']);
    expect(spaces.get('r')?.measuredAt).toBe(2);
    spaces.set('r', { ...space, free: 4 });
    spaces.delete('r');
    spaces.delete('r');
    unfollow();
    spaces.set('r', space);
    expect(told).toEqual(['r', 'r', 'r']);
  });
});
