import { beforeEach, describe, expect, test } from 'vitest';
import {
  addCollection,
  addMachine,
  listMachines,
  showMachine,
  updateMachines,
} from '../../../src/control/index.ts';
import { MAX_MACHINES_PER_UPDATE } from '../../../src/control/limits.ts';
import { type FakeService, fakeService, withVdisk } from './support/fake-service.ts';

let service: FakeService;
beforeEach(async () => {
  service = fakeService();
  await withVdisk(service);
  await withVdisk(service, 'other');
});

const mac = (number: number): string => `5254000000${number.toString(16).padStart(2, '0')}`;

const show = (name: string) => showMachine(service.control, name);
const refused = (code: string, field?: string) =>
  expect.objectContaining({
    code,
    ...(field === undefined ? {} : { details: expect.objectContaining({ field }) }),
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
