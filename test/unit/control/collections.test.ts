import { beforeEach, describe, expect, test } from 'vitest';
import {
  addCollection,
  addMachine,
  deleteCollection,
  deleteVdisk,
  listCollections,
  listMachines,
  machineDisk,
  requestBoot,
  setEnrolmentPolicy,
  showCollection,
  showMachine,
  updateCollection,
  updateMachine,
  updateMachines,
} from '../../../src/control/index.ts';
import { type FakeService, fakeService, kinds, START, withVdisk } from './support/fake-service.ts';

const CONNECTION = { address: '192.0.2.7:40000', connectedAt: START, tls: false };

let service: FakeService;
beforeEach(async () => {
  service = fakeService();
  await withVdisk(service);
  await withVdisk(service, 'other');
});

const mac = (number: number): string => `5254000000${number.toString(16).padStart(2, '0')}`;

/** A machine that says nothing but its collection. */
function addIn(collection: string, name: string, number: number, fields = {}): string {
  return addMachine(service.control, { name, mac: mac(number), collection, ...fields }).id;
}
const show = (name: string) => showMachine(service.control, name);
const refused = (code: string, field?: string) =>
  expect.objectContaining({
    code,
    ...(field === undefined ? {} : { details: expect.objectContaining({ field }) }),
  });

describe('a collection', () => {
  test('says what its machines do not say themselves', () => {
    const collection = addCollection(service.control, {
      name: 'lab',
      description: 'room 12',
      vdisk: 'debian',
      class: 'test',
      quota: '1G',
      kernelArguments: 'quiet',
    });
    expect(collection).toMatchObject({
      name: 'lab',
      machines: 0,
      kernelArguments: 'quiet',
      settings: {
        vdisk: { value: 'debian', from: 'collection' },
        class: { value: 'test', from: 'collection' },
        cacheMode: { value: 'server', from: 'default' },
        quota: { value: 2 ** 30, from: 'collection' },
        onNewVersion: { value: 'keep', from: 'default' },
        enabled: { value: true, from: 'default' },
        bootLoader: { value: 'auto', from: 'default' },
      },
    });
    addIn('lab', 'pc-1', 1, { quota: null, cacheMode: 'server-persistent' });
    expect(show('pc-1')).toMatchObject({
      collection: 'lab',
      vdisk: 'debian',
      class: 'test',
      cacheMode: 'server-persistent',
      cache: { quotaBytes: null },
      settings: {
        vdisk: { value: 'debian', from: 'collection' },
        class: { value: 'test', from: 'collection' },
        cacheMode: { value: 'server-persistent', from: 'machine' },
        quota: { value: null, from: 'machine' },
        onNewVersion: { value: 'keep', from: 'default' },
        enabled: { value: true, from: 'default' },
        bootLoader: { value: 'auto', from: 'default' },
      },
    });
    expect(showCollection(service.control, 'lab').machines).toBe(1);
    expect(machineDisk(service.control.catalog, 'pc-1', START)).toMatchObject({
      vdiskName: 'debian',
      quotaBytes: undefined,
    });
  });

  test('adds its kernel arguments between those of the version and of the machine', async () => {
    addCollection(service.control, { name: 'lab', vdisk: 'debian', kernelArguments: 'a' });
    addIn('lab', 'pc-1', 1, { kernelArguments: 'b' });
    expect(await requestBoot(service.control, mac(1))).toMatchObject({ kernelArguments: 'a b' });
  });

  test.each([
    ['a name that is taken', { name: 'lab' }, 'ALREADY_EXISTS', 'collection.name'],
    ['a bad name', { name: 'Lab' }, 'INVALID_INPUT', 'collection.name'],
    ['an unknown vDisk', { name: 'b', vdisk: 'no' }, 'NOT_FOUND', 'collection.vdisk'],
    ['a bad quota', { name: 'b', quota: '1' }, 'INVALID_INPUT', 'collection.quota'],
    [
      'kernel arguments for iPXE',
      { name: 'b', kernelArguments: '$' },
      'INVALID_INPUT',
      'collection.kernelArguments',
    ],
  ])('with %s is refused, and nothing is kept', (_what, input, code, field) => {
    addCollection(service.control, { name: 'lab' });
    const told = service.told.length;
    expect(() => addCollection(service.control, input)).toThrow(refused(code, field));
    expect(listCollections(service.control)).toHaveLength(1);
    expect(service.told).toHaveLength(told);
  });

  test('changes for all of its machines, and the data plane hears of those it matters to', async () => {
    addCollection(service.control, { name: 'lab', vdisk: 'debian' });
    const inherits = addIn('lab', 'pc-1', 1);
    addIn('lab', 'pc-2', 2, { quota: '2G' });
    addMachine(service.control, { name: 'pc-3', mac: mac(3), vdisk: 'debian' });
    await updateCollection(service.control, 'lab', { quota: '1G', description: 'more' });
    expect(service.dataPlane.changed).toEqual([inherits]);
    expect(listMachines(service.control).map(({ cache }) => cache.quotaBytes)).toEqual([
      2 ** 30,
      2 ** 31,
      null,
    ]);
    await updateCollection(service.control, 'lab', { inherit: ['quota'] });
    expect(show('pc-1').settings.quota).toEqual({ value: null, from: 'default' });
    expect(showCollection(service.control, 'lab').description).toBe('more');
    expect(service.told.slice(-2)).toMatchObject([
      { kind: 'collection.changed', message: 'collection lab: quota 1G, description changed' },
      { kind: 'collection.changed', message: 'collection lab: quota inherited' },
    ]);
  });

  test('can be called something else', async () => {
    addCollection(service.control, { name: 'lab', vdisk: 'debian' });
    addCollection(service.control, { name: 'hall' });
    addIn('lab', 'pc-1', 1);
    await updateCollection(service.control, 'lab', { name: 'lab-2' });
    expect(show('pc-1').collection).toBe('lab-2');
    expect(service.told.at(-1)).toMatchObject({
      subject: 'collection/lab-2',
      message: 'collection lab is called lab-2 now',
    });
    await expect(
      updateCollection(service.control, 'lab-2', { name: 'hall' }),
    ).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    expect(() => showCollection(service.control, 'lab')).toThrow(refused('NOT_FOUND'));
  });

  test('is deleted only when no machine is in it, and none will be', async () => {
    addCollection(service.control, { name: 'lab', vdisk: 'debian' });
    addIn('lab', 'pc-1', 1);
    expect(() => deleteCollection(service.control, 'lab')).toThrow(
      refused('IN_USE', 'collection.machines'),
    );
    await updateMachine(service.control, 'pc-1', { collection: null, vdisk: 'debian' });
    const template = { namePattern: 'pc-{n}', collection: 'lab' };
    setEnrolmentPolicy(service.control, { mode: 'template', template });
    expect(() => deleteCollection(service.control, 'lab')).toThrow(
      refused('IN_USE', 'enrolmentPolicy.template.collection'),
    );
    setEnrolmentPolicy(service.control, { mode: 'wait' });
    deleteCollection(service.control, 'lab');
    expect(listCollections(service.control)).toEqual([]);
    expect(kinds(service).at(-1)).toBe('collection.deleted');
  });

  test('keeps its vDisk from being deleted', async () => {
    addCollection(service.control, { name: 'lab', vdisk: 'other' });
    await expect(deleteVdisk(service.control, 'other')).rejects.toMatchObject({
      code: 'IN_USE',
      details: { field: 'vdisk.collections' },
    });
  });
});

describe('a machine without a vDisk', () => {
  test('is refused, whoever takes it away', async () => {
    const without = refused('INVALID_INPUT', 'machine.vdisk');
    const add = { name: 'pc-1', mac: mac(1) };
    expect(() => addMachine(service.control, add)).toThrow(without);
    addCollection(service.control, { name: 'lab' });
    expect(() => addMachine(service.control, { ...add, collection: 'lab' })).toThrow(without);
    expect(listMachines(service.control)).toEqual([]);
    addMachine(service.control, { ...add, collection: 'lab', vdisk: 'debian' });
    const { control } = service;
    await expect(updateMachine(control, 'pc-1', { inherit: ['vdisk'] })).rejects.toEqual(without);
    await updateCollection(control, 'lab', { vdisk: 'debian' });
    await updateMachine(control, 'pc-1', { inherit: ['vdisk'] });
    await expect(updateMachine(control, 'pc-1', { collection: null })).rejects.toEqual(without);
    await expect(updateCollection(control, 'lab', { inherit: ['vdisk'] })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining('pc-1'),
      details: { field: 'collection.vdisk' },
    });
    expect(show('pc-1')).toMatchObject({ vdisk: 'debian', collection: 'lab' });
  });
});

describe('another vDisk through the collection', () => {
  let ids: string[];
  beforeEach(() => {
    addCollection(service.control, { name: 'lab', vdisk: 'debian' });
    addCollection(service.control, { name: 'hall', vdisk: 'other' });
    ids = [1, 2, 3].map((number) => addIn('lab', `pc-${number}`, number));
    addIn('lab', 'pc-own', 9, { vdisk: 'debian' });
  });

  test('gives each machine that inherits it an empty overlay, and drops its pin', async () => {
    await updateMachine(service.control, 'pc-1', { pinnedVersion: 1 });
    await updateMachine(service.control, 'pc-own', { pinnedVersion: 1 });
    service.dataPlane.changed.length = 0;
    await updateCollection(service.control, 'lab', { vdisk: 'other' });
    expect(service.dataPlane.renewed).toEqual(ids);
    expect(service.dataPlane.changed).toEqual(ids);
    expect(show('pc-1')).toMatchObject({ vdisk: 'other', pinnedVersion: null });
    expect(show('pc-own')).toMatchObject({ vdisk: 'debian', pinnedVersion: 1 });
    expect(kinds(service).slice(-4)).toEqual([
      'collection.changed',
      'machine.changed',
      'machine.changed',
      'machine.changed',
    ]);
  });

  test('is refused for all while any of them is up, which are named', async () => {
    service.dataPlane.set(ids[1] ?? '', { connections: [CONNECTION] });
    const change = updateCollection(service.control, 'lab', { vdisk: 'other' });
    await expect(change).rejects.toMatchObject({
      code: 'IN_USE',
      message: 'machine pc-2 is running; turn it off first',
      details: { field: 'collection.vdisk', value: 'running' },
    });
    await requestBoot(service.control, mac(3));
    await expect(
      updateCollection(service.control, 'lab', { vdisk: 'other' }),
    ).rejects.toMatchObject({
      message: 'machines are up: pc-2, pc-3; turn them off first',
      details: { value: ['pc-2', 'pc-3'] },
    });
    expect(service.dataPlane.renewed).toEqual([ids[2]]); // by its boot
    expect(showCollection(service.control, 'lab').settings.vdisk.value).toBe('debian');
    expect(kinds(service)).not.toContain('collection.changed');
    // What is not about the disk goes on.
    await updateCollection(service.control, 'lab', { quota: '1G' });
  });

  test('costs no persistent write cache, unless that is wanted', async () => {
    await updateMachine(service.control, 'pc-2', { cacheMode: 'server-persistent' });
    await updateMachine(service.control, 'pc-3', { cacheMode: 'server-persistent' });
    for (const id of ids) service.dataPlane.set(id, { cacheUsedBytes: 4096 });
    const move = { collection: 'lab', change: { collection: 'hall' } } as const;
    await expect(updateMachines(service.control, move)).rejects.toMatchObject({
      code: 'IN_USE',
      message: expect.stringContaining('pc-2, pc-3'),
      details: { field: 'machine.discardCache' },
    });
    expect(service.dataPlane.renewed).toEqual([]);
    const moved = await updateMachines(service.control, {
      collection: 'lab',
      change: { collection: 'hall', discardCache: true },
    });
    expect(moved.map(({ name, vdisk }) => [name, vdisk])).toEqual([
      ['pc-1', 'other'],
      ['pc-2', 'other'],
      ['pc-3', 'other'],
      ['pc-own', 'debian'],
    ]);
    expect(service.dataPlane.renewed).toEqual(ids);
  });

  test('costs no write cache either whose content is not known yet', async () => {
    await updateMachine(service.control, 'pc-2', { cacheMode: 'server-persistent' });
    const overlay = { layerId: 'layer-1', usedBytes: 0, isOpen: false };
    for (const id of ids) service.dataPlane.overlays.set(id, overlay); // as after a restart
    const change = () => updateCollection(service.control, 'lab', { vdisk: 'other' });
    await expect(change()).rejects.toMatchObject({
      code: 'IN_USE',
      message: expect.stringContaining('pc-2 keeps a write cache that was not opened'),
      details: { field: 'machine.discardCache' },
    });
    service.dataPlane.overlays.set(ids[1] ?? '', { ...overlay, isOpen: true }); // known to be empty
    await change();
    expect(service.dataPlane.renewed).toEqual(ids);
  });

  test('is told to every machine, also when the disk of one fails', async () => {
    const renewed: string[] = [];
    service.dataPlane.renewOverlay = async (id) => {
      renewed.push(id);
      if (id === ids[0]) throw new Error('disk is away');
    };
    await expect(updateCollection(service.control, 'lab', { vdisk: 'other' })).rejects.toThrow(
      'disk is away',
    );
    expect(renewed).toEqual(ids);
    expect(service.dataPlane.changed).toEqual(ids);
  });
});
