/** What a machine's page says of versions: what it boots next and why, and what it holds on to. */
import { beforeEach, describe, expect, test } from 'vitest';
import {
  addCollection,
  addMachine,
  beginVersion,
  deleteMachine,
  deleteVersion,
  listMachines,
  promoteVersion,
  requestBoot,
  resetMachine,
  revertVdisk,
  sealVersion,
  showMachine,
  updateMachine,
  updateMachines,
  updateVdisk,
  writeLock,
} from '../../../src/control/index.ts';
import { type FakeService, fakeService, START, withVdisk } from './support/fake-service.ts';

const MAC = '52:54:00:12:34:56';
const CONNECTION = { address: '192.0.2.7:40000', connectedAt: START, tls: false };

let service: FakeService;
beforeEach(async () => {
  service = fakeService();
  await withVdisk(service);
  await withVdisk(service, 'other');
});

/** Version 2, 3 … of debian, in test. */
async function newVersion(): Promise<number> {
  const { number } = beginVersion(service.control, 'debian', {});
  await seal(number);
  return number;
}

/** As if a machine had booted it and written nothing. */
async function seal(number: number): Promise<void> {
  const { control, dataPlane } = service;
  const written = control.catalog.versions.inMaintenance();
  for (const { id, baseLayerId: layerId } of written) {
    dataPlane.overlays.set(id, { layerId, usedBytes: 0, isOpen: false });
  }
  await control.tasks.settled(sealVersion(control, 'debian', number).id);
  for (const { id } of written) dataPlane.overlays.delete(id);
}

function add(fields = {}): string {
  return addMachine(service.control, { name: 'pc-1', mac: MAC, vdisk: 'debian', ...fields }).id;
}

/** The list has to show the same as the page. */
function page() {
  const shown = showMachine(service.control, 'pc-1');
  const listed = listMachines(service.control).find(({ name }) => name === 'pc-1');
  expect(listed).toEqual(shown);
  return shown;
}

const versionOf = (name: string, number: number) => {
  const { vdisks, versions } = service.control.catalog;
  const version = versions.byNumber(vdisks.byName(name)?.id ?? '', number);
  if (version === undefined) throw new Error(`no version ${number}`);
  return version;
};

function layerOf(number: number): string {
  const version = versionOf('debian', number);
  return version.state === 'maintenance' ? version.baseLayerId : version.layerId;
}

/** Its write cache stands on that version. */
function standsOn(id: string, layerId: string): void {
  service.dataPlane.overlays.set(id, { layerId, usedBytes: 4096, isOpen: false });
}

describe('what a machine boots next', () => {
  test('follows its class, the pins and the releases', async () => {
    add();
    expect(page().next).toEqual({ version: 1, because: 'release', reason: null });
    await newVersion();
    expect(page().next.version).toBe(1);
    await updateMachine(service.control, 'pc-1', { class: 'test' });
    expect(page().next).toEqual({ version: 2, because: 'test', reason: null });
    await updateMachine(service.control, 'pc-1', { pinnedVersion: 1 });
    expect(page()).toMatchObject({
      pinnedVersion: 1,
      next: { version: 1, because: 'machine pin' },
    });
    await updateMachine(service.control, 'pc-1', { pinnedVersion: null, inherit: ['class'] });
    promoteVersion(service.control, 'debian', 2);
    updateVdisk(service.control, 'debian', { pinnedVersion: 1 });
    expect(page().next).toEqual({ version: 1, because: 'vDisk pin', reason: null });
    beginVersion(service.control, 'debian', { private: true });
    expect(page().next).toEqual({ version: 3, because: 'private', reason: null });
    await deleteVersion(service.control, 'debian', 3);
    const { number } = beginVersion(service.control, 'debian', {});
    await updateMachine(service.control, 'pc-1', { class: 'maintenance' });
    expect(page().next).toEqual({ version: number, because: 'maintenance', reason: null });
  });

  test('differs from machine to machine of one list', async () => {
    await newVersion();
    await newVersion();
    const kinds = [
      ['pc-0', { class: 'test' }, 3],
      ['pc-1', {}, 1],
      ['pc-2', { pinnedVersion: 2 }, 2],
      ['pc-3', { class: 'test', pinnedVersion: 1 }, 1],
      ['pc-4', { vdisk: 'other' }, 1],
    ] as const;
    for (const [index, [name, fields]] of kinds.entries()) {
      addMachine(service.control, { name, mac: `52540000000${index}`, vdisk: 'debian', ...fields });
    }
    const next = listMachines(service.control).map((machine) => machine.next.version);
    expect(next).toEqual(kinds.map(([, , version]) => version));
    page();
  });

  test('and that there is none, and why', async () => {
    add();
    const { catalog } = service.control;
    const version = versionOf('debian', 1);
    if (version.state === 'maintenance') throw new Error('it is sealed');
    catalog.versions.update({ ...version, state: 'test' });
    expect(page()).toMatchObject({
      version: null,
      next: {
        version: null,
        because: null,
        reason: 'no version of vDisk debian is in production',
      },
    });
  });

  test('is another for a machine that is up than what it has booted', async () => {
    const id = add();
    await requestBoot(service.control, MAC);
    service.dataPlane.set(id, { connections: [CONNECTION] });
    await newVersion();
    promoteVersion(service.control, 'debian', 2);
    expect(page()).toMatchObject({ version: 1, next: { version: 2, because: 'release' } });
  });
});

describe('a pin', () => {
  test('is to a sealed version of its own vDisk', async () => {
    add();
    const pin = (pinnedVersion: number) =>
      updateMachine(service.control, 'pc-1', { pinnedVersion });
    await expect(pin(7)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      details: { field: 'machine.pinnedVersion' },
    });
    beginVersion(service.control, 'debian', {});
    await expect(pin(2)).rejects.toMatchObject({
      code: 'IN_USE',
      message: expect.stringContaining('it is in maintenance'),
    });
    expect(page().pinnedVersion).toBeNull();
    await expect(
      updateMachine(service.control, 'pc-1', { vdisk: 'other', pinnedVersion: 2 }),
    ).rejects.toMatchObject({ code: 'NOT_FOUND', message: 'vDisk other has no version 2' });
    expect(page().vdisk).toBe('debian');
    const bad = { name: 'pc-2', mac: '525400000002', vdisk: 'debian', pinnedVersion: 2 };
    expect(() => addMachine(service.control, bad)).toThrow(
      expect.objectContaining({ code: 'IN_USE' }),
    );
    expect(listMachines(service.control)).toHaveLength(1);
  });

  test('of a version that is being deleted is refused', async () => {
    add();
    await newVersion();
    service.dataPlane.openLayers.add(layerOf(2));
    expect(await deleteVersion(service.control, 'debian', 2)).toEqual({ state: 'deleting' });
    await expect(
      updateMachine(service.control, 'pc-1', { pinnedVersion: 2 }),
    ).rejects.toMatchObject({ code: 'IN_USE' });
  });

  test('goes with the vDisk, unless the change gives another', async () => {
    add({ pinnedVersion: 1 });
    expect(page().pinnedVersion).toBe(1);
    await updateMachine(service.control, 'pc-1', { vdisk: 'other' });
    expect(page().pinnedVersion).toBeNull();
    await updateMachine(service.control, 'pc-1', { vdisk: 'debian', pinnedVersion: 1 });
    expect(page()).toMatchObject({ vdisk: 'debian', pinnedVersion: 1 });
    await updateMachine(service.control, 'pc-1', { class: 'test' });
    expect(page().pinnedVersion).toBe(1);
  });

  test('keeps its version from being deleted', async () => {
    add();
    await newVersion();
    await updateMachines(service.control, { machines: ['pc-1'], change: { pinnedVersion: 2 } });
    await expect(deleteVersion(service.control, 'debian', 2)).rejects.toMatchObject({
      message: expect.stringContaining('pc-1 is pinned to it'),
    });
  });
});

describe('a persistent write cache', () => {
  test('holds its machine on the version that it stands on', async () => {
    const id = add({ cacheMode: 'server-persistent' });
    standsOn(id, layerOf(1));
    expect(page()).toMatchObject({ version: 1, holds: null });
    await newVersion();
    promoteVersion(service.control, 'debian', 2);
    expect(page()).toMatchObject({ version: 1, holds: 1, next: { version: 2 } });
    expect((await requestBoot(service.control, MAC)).version).toBe(1);
    await updateMachine(service.control, 'pc-1', { onNewVersion: 'discard' });
    expect(page()).toMatchObject({ holds: null, next: { version: 2 } });
    await updateMachine(service.control, 'pc-1', { inherit: ['onNewVersion'] });
    revertVdisk(service.control, 'debian', {});
    expect(page()).toMatchObject({ version: 1, holds: null });
  });

  test('stands on what has replaced its layer', async () => {
    const id = add({ cacheMode: 'server-persistent' });
    const { layers, versions } = service.control.catalog;
    const first = layerOf(1);
    standsOn(id, first);
    const layer = layers.byId(first);
    if (layer === undefined) throw new Error('no layer');
    layers.insert({ ...layer, id: 'merged', volumeId: 'merged' });
    layers.replace(first, 'merged');
    versions.moveToLayer(first, 'merged');
    expect(page().holds).toBeNull();
    await newVersion();
    promoteVersion(service.control, 'debian', 2);
    expect(page().holds).toBe(1);
  });

  test('does not matter to a machine in cache mode server', async () => {
    const id = add();
    standsOn(id, layerOf(1));
    await newVersion();
    promoteVersion(service.control, 'debian', 2);
    expect(page()).toMatchObject({ version: 2, holds: null });
  });
});

describe('a machine that writes a version', () => {
  let id: string;
  let lock: string;
  const holder = () => service.control.catalog.locks.byName(lock)?.holder;
  beforeEach(async () => {
    id = add({ class: 'maintenance' });
    beginVersion(service.control, 'debian', {});
    lock = writeLock(versionOf('debian', 2).id);
    await requestBoot(service.control, MAC);
    service.control.catalog.boots.end(1, 'quiet', START, 1);
  });

  test('says so, as long as it is in maintenance', async () => {
    expect(page()).toMatchObject({ maintains: 2, next: { version: 2, because: 'maintenance' } });
    await seal(2);
    expect(page()).toMatchObject({ maintains: null, next: { version: 2, because: 'test' } });
  });

  test('lets go of it when it is reset; what was written stays', async () => {
    const { id: versionId } = versionOf('debian', 2);
    standsOn(versionId, layerOf(1));
    expect(holder()).toBe(id);
    const view = await resetMachine(service.control, 'pc-1');
    expect(view.maintains).toBeNull();
    expect(page().maintains).toBeNull();
    expect(holder()).toBeUndefined();
    expect(service.dataPlane.renewed).toEqual([id]);
    expect(service.dataPlane.removed).toEqual([]);
    expect(service.dataPlane.overlays.has(versionId)).toBe(true);
  });

  test('does not let go of what another has taken over', async () => {
    const other = { name: 'pc-2', mac: '525400000002', vdisk: 'debian', class: 'maintenance' };
    const { id: second } = addMachine(service.control, other as typeof other & { class: 'test' });
    service.clock.advance(120_000);
    await requestBoot(service.control, '525400000002');
    expect(holder()).toBe(second);
    await resetMachine(service.control, 'pc-1');
    expect(holder()).toBe(second);
    await deleteMachine(service.control, 'pc-1');
    expect(holder()).toBe(second);
  });

  test('lets go of it with its vDisk', async () => {
    addCollection(service.control, { name: 'lab', vdisk: 'other' });
    await updateMachine(service.control, 'pc-1', { collection: 'lab', inherit: ['vdisk'] });
    expect(page()).toMatchObject({ vdisk: 'other', maintains: null });
    expect(holder()).toBeUndefined();
  });

  test('lets go of it when it is deleted: whoever takes it over shuts it out first', async () => {
    await deleteMachine(service.control, 'pc-1');
    expect(holder()).toBeUndefined();
    expect(service.dataPlane.removed).toEqual([id]);
  });
});
