import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  addCollection,
  addMachine,
  showMachine,
  updateCollection,
  updateMachine,
} from '../../../src/control/index.ts';
import { SEED } from '../../support/seed.ts';
import { type FakeService, fakeService, withVdisk } from './support/fake-service.ts';

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
const refused = (code: string, field?: string) =>
  expect.objectContaining({
    code,
    ...(field === undefined ? {} : { details: expect.objectContaining({ field }) }),
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
      bootLoader: fc.constantFrom('auto' as const, 'ipxe' as const, 'grub' as const),
    };
    const defaults = {
      class: 'production',
      cacheMode: 'server',
      quota: null,
      onNewVersion: 'keep',
      enabled: true,
      bootLoader: 'auto',
    } as const;
    const names = ['class', 'cacheMode', 'quota', 'onNewVersion', 'enabled', 'bootLoader'] as const;
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
          view.settings.bootLoader.value,
        ]).toEqual(wanted.map(({ value }) => value));
      }),
      { seed: SEED, numRuns: 40 },
    );
  });
});
