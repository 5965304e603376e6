/** Write caches of vDisks in repositories: where they are to lie, and what that keeps a repository from. */
import { beforeEach, describe, expect, test } from 'vitest';
import {
  addMachine,
  beginVersion,
  deleteRepository,
  detachRepository,
  forgetRepository,
  listRepositories,
  requestBoot,
  showRepository,
  showVdisk,
  updateVdisk,
} from '../../../../src/control/index.ts';
import { withVdisk } from '../support/fake-service.ts';
import { type StorageService, storageService, withRepository } from '../support/storage-service.ts';

const MAC = '52:54:00:00:00:01';

let service: StorageService;
let repositoryId: string;
let machineId: string;
let layerId: string;

beforeEach(async () => {
  service = storageService();
  const { control } = service;
  await withRepository(service);
  await withVdisk(service);
  addMachine(control, { name: 'pc-1', mac: MAC, vdisk: 'debian', cacheMode: 'server-persistent' });
  repositoryId = listRepositories(control)[0]?.id ?? '';
  machineId = control.catalog.machines.byName('pc-1')?.id ?? '';
  layerId = showVdisk(control, 'debian').versions[0]?.layerId ?? '';
});

/** As the service has it when it has made one there. */
function overlayOf(ownerId: string, isOpen: boolean): void {
  const { catalog } = service.control;
  const place = { ownerId, number: 1, layerId, repositoryId };
  catalog.overlayPlaces.insert({ ...place, dataTag: `${ownerId}-d`, mapTag: `${ownerId}-m` });
  service.dataPlane.overlays.set(ownerId, { layerId, usedBytes: 4096, isOpen, repositoryId });
}

const overlaysTold = (names: readonly string[]) => ({
  code: 'IN_USE',
  details: { field: 'repository.overlays', value: names },
});

describe('a vDisk says where its write caches are made', () => {
  test('and what exists stays where it is, and is counted', () => {
    const { control, told } = service;
    service.dataPlane.overlays.set(machineId, { layerId, usedBytes: 0, isOpen: false });
    expect(showVdisk(control, 'debian')).toMatchObject({
      ...{ overlayRepository: null, overlaysElsewhere: 0 },
    });
    const moved = updateVdisk(control, 'debian', { overlayRepository: 'san1' });
    expect(moved).toMatchObject({ overlayRepository: 'san1', overlaysElsewhere: 1 });
    expect(told.at(-1)).toMatchObject({
      message: 'write caches of debian are made in san1 from now on',
    });
    // Another change leaves it alone.
    updateVdisk(control, 'debian', { description: 'mother' });
    expect(showVdisk(control, 'debian').overlayRepository).toBe('san1');
    const back = updateVdisk(control, 'debian', { overlayRepository: null });
    expect(back).toMatchObject({ overlayRepository: null, overlaysElsewhere: 0 });
  });

  test('in a repository that there is, and that is attached', async () => {
    const { control } = service;
    expect(() => updateVdisk(control, 'debian', { overlayRepository: 'san9' })).toThrow(
      expect.objectContaining({ code: 'NOT_FOUND' }),
    );
    await detachRepository(control, 'san1');
    expect(() => updateVdisk(control, 'debian', { overlayRepository: 'san1' })).toThrow(
      expect.objectContaining({
        code: 'UNAVAILABLE',
        details: expect.objectContaining({ field: 'overlayRepository', value: 'san1' }),
      }),
    );
    expect(showVdisk(control, 'debian').overlayRepository).toBeNull();
  });
});

describe('a repository with write caches', () => {
  test('is not detached while one is open, which it names; by force those who have it are shut out', async () => {
    const { control, dataPlane, storage } = service;
    overlayOf(machineId, true);
    expect(showRepository(control, 'san1')).toMatchObject({ overlays: 1 });
    await expect(detachRepository(control, 'san1')).rejects.toMatchObject(overlaysTold(['pc-1']));
    expect(dataPlane.ended).toEqual([]);
    await detachRepository(control, 'san1', { force: true });
    expect(dataPlane.ended).toContain(machineId);
    expect(storage.attached.size).toBe(0);
  });

  test('is detached while nobody has one open, and neither deleted nor forgotten', async () => {
    const { control } = service;
    const { number } = beginVersion(control, 'debian', {});
    const version = showVdisk(control, 'debian').versions.find((one) => one.number === number);
    const versionId = control.catalog.versions.inMaintenance()[0]?.id ?? '';
    expect(version).toBeDefined();
    overlayOf(machineId, false);
    overlayOf(versionId, false);
    const told = overlaysTold(['pc-1', `version ${number} of debian`]);
    await expect(deleteRepository(control, 'san1')).rejects.toMatchObject(told);
    await detachRepository(control, 'san1');
    await expect(forgetRepository(control, 'san1')).rejects.toMatchObject(told);
  });

  test('or in which they are to be made is not deleted', async () => {
    const { control } = service;
    updateVdisk(control, 'debian', { overlayRepository: 'san1' });
    await expect(deleteRepository(control, 'san1')).rejects.toMatchObject({
      code: 'IN_USE',
      details: { field: 'repository.vdisks', value: ['debian'] },
    });
  });
});

describe('while its repository is away', () => {
  const away = expect.objectContaining({
    code: 'UNAVAILABLE',
    message: 'the write cache of pc-1 is in repository san1, which is away',
  });

  test('a machine that keeps its write cache does not boot, and keeps it', async () => {
    const { control, dataPlane } = service;
    overlayOf(machineId, false);
    await detachRepository(control, 'san1');
    await expect(requestBoot(control, MAC)).rejects.toThrow(away);
    expect(dataPlane.renewed).toEqual([]);
    expect(control.catalog.boots.last(machineId)).toBeUndefined();
    service.storage.attached.add(repositoryId);
    await expect(requestBoot(control, MAC)).resolves.toMatchObject({ machineName: 'pc-1' });
  });

  test('one that begins anew at every boot does', async () => {
    const { control, dataPlane } = service;
    overlayOf(machineId, false);
    const machine = control.catalog.machines.byId(machineId);
    if (machine === undefined) throw new Error('no machine');
    control.catalog.machines.update({ ...machine, own: { ...machine.own, cacheMode: 'server' } });
    await detachRepository(control, 'san1');
    await requestBoot(control, MAC);
    expect(dataPlane.renewed).toEqual([machineId]);
  });
});

test('a write cache that goes leaves its volumes to be deleted, one that becomes a layer only its map', () => {
  const { catalog } = service.control;
  overlayOf(machineId, false);
  overlayOf('other', false);
  catalog.overlayPlaces.delete({ ownerId: 'other', number: 1 });
  expect(catalog.arrayLeftovers.ofRepository(repositoryId)).toEqual(['other-d', 'other-m']);
  catalog.transaction(() => {
    catalog.overlayPlaces.deleteByData(repositoryId, `${machineId}-d`);
    catalog.arrayLeftovers.remove(`${machineId}-d`);
  });
  expect([...catalog.arrayLeftovers.ofRepository(repositoryId)].sort()).toEqual(
    [`${machineId}-m`, 'other-d', 'other-m'].sort(),
  );
  expect(catalog.overlayPlaces.count(repositoryId)).toBe(0);
});
