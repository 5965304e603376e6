import fc from 'fast-check';
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
import { MAX_MACHINES_PER_UPDATE } from '../../../src/control/limits.ts';
import { SEED } from '../../support/seed.ts';
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

describe('handing a setting back', () => {
  test('takes what the collection says, then the default', async () => {
    addCollection(service.control, { name: 'lab', vdisk: 'debian', quota: '1G' });
    addIn('lab', 'pc-1', 1, { vdisk: 'debian', quota: null, enabled: false, class: 'test' });
    const changed = await updateMachine(service.control, 'pc-1', {
      inherit: ['vdisk', 'quota', 'enabled', 'class'],
    });
    expect(changed.settings).toMatchObject({
      vdisk: { value: 'debian', from: 'collection' },
      quota: { value: 2 ** 30, from: 'collection' },
      enabled: { value: true, from: 'default' },
      class: { value: 'production', from: 'default' },
    });
    expect(service.dataPlane.renewed).toEqual([]); // the vDisk is the same
  });

  test('and giving it at once is refused', async () => {
    addMachine(service.control, { name: 'pc-1', mac: mac(1), vdisk: 'debian' });
    await expect(
      updateMachine(service.control, 'pc-1', { quota: null, inherit: ['quota'] }),
    ).rejects.toEqual(refused('INVALID_INPUT', 'machine.inherit'));
  });

  test('agrees with a model: the machine, else the collection, else the default', async () => {
    const settings = {
      class: fc.constantFrom('production' as const, 'test' as const, 'maintenance' as const),
      cacheMode: fc.constantFrom('server' as const, 'server-persistent' as const),
      quota: fc.constantFrom(null, 8192, 2 ** 30),
      onNewVersion: fc.constantFrom('keep' as const, 'discard' as const),
      enabled: fc.boolean(),
    };
    const defaults = {
      class: 'production',
      cacheMode: 'server',
      quota: null,
      onNewVersion: 'keep',
      enabled: true,
    } as const;
    const names = ['class', 'cacheMode', 'quota', 'onNewVersion', 'enabled'] as const;
    const given = fc.record(settings, { requiredKeys: [] });
    const step = fc.record({
      of: fc.constantFrom('machine' as const, 'collection' as const),
      given,
      inherit: fc.uniqueArray(fc.constantFrom(...names)),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
        const { control } = fakeService();
        await withVdisk({ ...service, control });
        addCollection(control, { name: 'lab', vdisk: 'debian' });
        addMachine(control, { name: 'pc', mac: mac(1), collection: 'lab' });
        const said = {
          machine: new Map<string, unknown>(),
          collection: new Map<string, unknown>(),
        };
        for (const { of, given, inherit } of steps) {
          const back = inherit.filter((name) => given[name] === undefined);
          if (Object.keys(given).length === 0 && back.length === 0) continue;
          const change = { ...given, inherit: back };
          if (of === 'machine') await updateMachine(control, 'pc', change);
          else await updateCollection(control, 'lab', change);
          for (const [name, value] of Object.entries(given)) said[of].set(name, value);
          for (const name of back) said[of].delete(name);
        }
        const view = showMachine(control, 'pc');
        const wanted = names.map((name) => {
          if (said.machine.has(name)) return { value: said.machine.get(name), from: 'machine' };
          return said.collection.has(name)
            ? { value: said.collection.get(name), from: 'collection' }
            : { value: defaults[name], from: 'default' };
        });
        expect(names.map((name) => view.settings[name])).toEqual(wanted);
        expect([
          view.class,
          view.cacheMode,
          view.cache.quotaBytes,
          view.onNewVersion,
          view.enabled,
        ]).toEqual(wanted.map(({ value }) => value));
      }),
      { seed: SEED, numRuns: 40 },
    );
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

describe('many machines at once', () => {
  beforeEach(() => {
    for (let number = 1; number <= 4; number++) {
      addMachine(service.control, { name: `pc-${number}`, mac: mac(number), vdisk: 'debian' });
    }
  });

  test('change together, with an event for each', async () => {
    const told = service.told.length;
    const changed = await updateMachines(service.control, {
      machines: ['pc-3', 'pc-1', 'pc-3'],
      change: { class: 'test', quota: '1G' },
    });
    expect(changed.map(({ name }) => name)).toEqual(['pc-1', 'pc-3']);
    expect(service.told.slice(told).map(({ subject }) => subject)).toEqual([
      'machine/pc-1',
      'machine/pc-3',
    ]);
    expect(service.told.at(-1)?.message).toBe('machine pc-3: class test, quota 1G');
    expect(listMachines(service.control).map((machine) => machine.class)).toEqual([
      'test',
      'production',
      'test',
      'production',
    ]);
  });

  test('change all or none', async () => {
    const told = service.told.length;
    for (const [change, code] of [
      [{ machines: ['pc-1', 'pc-9'], change: { class: 'test' } }, 'NOT_FOUND'],
      [{ machines: ['pc-1', 'pc-2'], change: { vdisk: 'no' } }, 'NOT_FOUND'],
      [{ machines: ['pc-1', 'pc-2'], change: { inherit: ['vdisk'] } }, 'INVALID_INPUT'],
      [{ machines: ['pc-1'], collection: 'lab', change: { class: 'test' } }, 'INVALID_INPUT'],
      [{ change: { class: 'test' } }, 'INVALID_INPUT'],
      [{ collection: 'nowhere', change: { class: 'test' } }, 'NOT_FOUND'],
    ] as const) {
      const input = {
        ...change,
        ...('machines' in change ? { machines: [...change.machines] } : {}),
      };
      await expect(
        updateMachines(service.control, input as Parameters<typeof updateMachines>[1]),
      ).rejects.toMatchObject({ code });
    }
    expect(new Set(listMachines(service.control).map((machine) => machine.class))).toEqual(
      new Set(['production']),
    );
    expect(service.told).toHaveLength(told);
    expect(service.dataPlane.changed).toEqual([]);
  });

  test('are so many at most', async () => {
    addCollection(service.control, { name: 'lab', vdisk: 'debian' });
    service.control.catalog.transaction(() => {
      for (let number = 0; number <= MAX_MACHINES_PER_UPDATE; number++) {
        const address = `0200${number.toString(16).padStart(8, '0')}`;
        addMachine(service.control, { name: `m-${number}`, mac: address, collection: 'lab' });
      }
    });
    await expect(
      updateMachines(service.control, { collection: 'lab', change: { class: 'test' } }),
    ).rejects.toEqual(refused('LIMIT_EXCEEDED', 'machines'));
  });

  test('of a collection only are listed', async () => {
    addCollection(service.control, { name: 'lab', vdisk: 'debian' });
    await updateMachines(service.control, {
      machines: ['pc-2', 'pc-4'],
      change: { collection: 'lab', inherit: ['vdisk'] },
    });
    const listed = listMachines(service.control, { collection: 'lab' });
    expect(listed.map(({ name }) => name)).toEqual(['pc-2', 'pc-4']);
    expect(listed).toEqual(['pc-2', 'pc-4'].map(show)); // a list shows what a page shows
    expect(() => listMachines(service.control, { collection: 'no' })).toThrow(refused('NOT_FOUND'));
  });
});
