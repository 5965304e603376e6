import { beforeEach, describe, expect, test } from 'vitest';
import {
  addMachine,
  deleteMachine,
  listMachines,
  machineDisk,
  observeCaches,
  recoverControl,
  requestBoot,
  resetMachine,
  showMachine,
  showStatus,
  updateMachine,
} from '../../../src/control/index.ts';
import {
  type FakeService,
  fakeService,
  IDLE,
  kinds,
  START,
  withVdisk,
} from './support/fake-service.ts';

const MAC = '52:54:00:12:34:56';
const CONNECTION = { address: '192.0.2.7:40000', connectedAt: START, tls: false };

let service: FakeService;
beforeEach(async () => {
  service = fakeService();
  await withVdisk(service);
  await withVdisk(service, 'other');
});

function add(name = 'pc-1', mac = MAC, fields = {}) {
  return addMachine(service.control, { name, mac, vdisk: 'debian', ...fields });
}

describe('adding', () => {
  test('normalises what is given and fills in the rest', () => {
    const machine = add('pc-1', '5254.0012.3456', { quota: '10GiB', kernelArguments: ' quiet ' });
    expect(machine).toMatchObject({
      name: 'pc-1',
      mac: MAC,
      state: 'off',
      vdisk: 'debian',
      version: 1,
      server: null,
      cacheMode: 'server',
      cache: { usedBytes: 0, quotaBytes: 10 * 2 ** 30, percent: 0, full: false },
      kernelArguments: 'quiet',
      enabled: true,
      enrolment: 'added',
      export: 'machine/pc-1',
      lastBoot: null,
    });
    expect(kinds(service).at(-1)).toBe('machine.added');
  });

  test.each([
    [
      'a name that is taken',
      { name: 'pc-1', mac: '52:54:00:00:00:02' },
      'ALREADY_EXISTS',
      'machine.name',
    ],
    [
      'an address that is taken',
      { name: 'pc-2', mac: '525400123456' },
      'ALREADY_EXISTS',
      'machine.mac',
    ],
    [
      'an unknown vDisk',
      { name: 'pc-2', mac: '52:54:00:00:00:02', vdisk: 'no' },
      'NOT_FOUND',
      'machine.vdisk',
    ],
    ['a bad name', { name: 'PC', mac: '52:54:00:00:00:02' }, 'INVALID_INPUT', 'machine.name'],
    [
      'a bad quota',
      { name: 'pc-2', mac: '52:54:00:00:00:02', quota: 'much' },
      'INVALID_INPUT',
      'machine.quota',
    ],
  ])('%s is refused, and nothing is kept', (_what, input, code, field) => {
    add();
    const events = service.told.length;
    expect(() => addMachine(service.control, { vdisk: 'debian', ...input })).toThrow(
      expect.objectContaining({ code, details: expect.objectContaining({ field }) }),
    );
    expect(listMachines(service.control)).toHaveLength(1);
    expect(service.told).toHaveLength(events);
  });
});

test('what an export name stands for', () => {
  const { id } = add('pc-1', MAC, { cacheMode: 'server-persistent', quota: 8192 });
  const { catalog } = service.control;
  expect(machineDisk(catalog, 'pc-1', START)).toEqual({
    machineId: id,
    machineName: 'pc-1',
    vdiskId: 'id-2',
    vdiskName: 'debian',
    cacheMode: 'server-persistent',
    quotaBytes: 8192,
    enabled: true,
    choice: { kind: 'sealed', version: expect.objectContaining({ number: 1 }), because: 'release' },
    maintains: undefined,
    layerIds: new Set(['layer-1']),
  });
  expect(machineDisk(catalog, 'pc-2', START)).toBeUndefined();
});

test("a machine's page of truth", () => {
  const { id } = add('pc-1', MAC, { quota: 3 * 4096 });
  service.dataPlane.set(id, {
    connections: [CONNECTION],
    bytesRead: 100,
    bytesWritten: 50,
    readRequests: 4,
    writeRequests: 2,
    cacheUsedBytes: 4096,
    cacheFull: true,
    lastRequestAt: START + 5,
  });
  expect(showMachine(service.control, 'pc-1')).toMatchObject({
    state: 'running',
    server: 'rack-1',
    bytesRead: 100,
    bytesWritten: 50,
    cache: { usedBytes: 4096, quotaBytes: 12288, percent: 33.3, full: true },
    lastRequestAt: '2026-01-02T03:04:05.005Z',
    connections: [{ address: '192.0.2.7:40000', connectedAt: '2026-01-02T03:04:05.000Z' }],
  });
  expect(() => showMachine(service.control, 'pc-9')).toThrow(
    expect.objectContaining({ code: 'NOT_FOUND' }),
  );
});

describe('changing', () => {
  test('only what is given; the data plane is told', async () => {
    const { id } = add('pc-1', MAC, { quota: '1G' });
    const changed = await updateMachine(service.control, 'pc-1', {
      mac: '52-54-00-00-00-09',
      cacheMode: 'server-persistent',
      enabled: false,
    });
    expect(changed).toMatchObject({
      mac: '52:54:00:00:00:09',
      cacheMode: 'server-persistent',
      enabled: false,
      vdisk: 'debian',
      cache: { quotaBytes: 2 ** 30 },
    });
    expect(service.dataPlane.changed).toEqual([id]);
    expect(service.dataPlane.renewed).toEqual([]);
    expect(
      (await updateMachine(service.control, 'pc-1', { quota: null })).cache.quotaBytes,
    ).toBeNull();
  });

  test('to an address of another machine is refused; to its own is not', async () => {
    add();
    add('pc-2', '52:54:00:00:00:02');
    await expect(updateMachine(service.control, 'pc-2', { mac: MAC })).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
    });
    await updateMachine(service.control, 'pc-1', { mac: MAC });
  });

  test('another vDisk means another overlay, and only while the machine is off', async () => {
    const { id } = add();
    service.dataPlane.set(id, { connections: [CONNECTION] });
    await expect(updateMachine(service.control, 'pc-1', { vdisk: 'other' })).rejects.toMatchObject({
      code: 'IN_USE',
    });
    service.dataPlane.set(id, { connections: [] });
    await requestBoot(service.control, MAC);
    await expect(updateMachine(service.control, 'pc-1', { vdisk: 'other' })).rejects.toMatchObject({
      code: 'IN_USE',
      details: { value: 'booting' },
    });
    expect(showMachine(service.control, 'pc-1').vdisk).toBe('debian');
  });

  test('a persistent write cache is not lost by the way', async () => {
    const { id } = add('pc-1', MAC, { cacheMode: 'server-persistent' });
    service.dataPlane.set(id, { cacheUsedBytes: 4096 });
    await expect(updateMachine(service.control, 'pc-1', { vdisk: 'other' })).rejects.toMatchObject({
      code: 'IN_USE',
      details: { field: 'machine.discardCache' },
    });
    expect(service.dataPlane.renewed).toEqual([]);
    await updateMachine(service.control, 'pc-1', { vdisk: 'other', discardCache: true });
    expect(service.dataPlane.renewed).toEqual([id]);
    expect(showMachine(service.control, 'pc-1').vdisk).toBe('other');
  });
});

describe('resetting', () => {
  test('renews the overlay of a machine that is not connected', async () => {
    const { id } = add();
    await resetMachine(service.control, 'pc-1');
    expect(service.dataPlane.renewed).toEqual([id]);
    expect(kinds(service).at(-1)).toBe('machine.reset');
    service.dataPlane.set(id, { connections: [CONNECTION] });
    await expect(resetMachine(service.control, 'pc-1')).rejects.toMatchObject({ code: 'IN_USE' });
    expect(service.dataPlane.renewed).toEqual([id]);
  });
});

describe('deleting', () => {
  test('takes connections and overlay along', async () => {
    const { id } = add();
    await requestBoot(service.control, MAC);
    await deleteMachine(service.control, 'pc-1');
    expect(service.dataPlane.removed).toEqual([id]);
    expect(service.control.catalog.removals.all()).toEqual([]);
    expect(listMachines(service.control)).toEqual([]);
    add(); // name and address are free again
  });

  test('what could not be deleted is deleted at the next start', async () => {
    const { id } = add();
    service.dataPlane.failRemove = true;
    await expect(deleteMachine(service.control, 'pc-1')).rejects.toThrow('disk is away');
    expect(listMachines(service.control)).toEqual([]);
    await recoverControl(service.control); // still away: told, and kept for the next time
    expect(kinds(service).at(-1)).toBe('service.removal-failed');
    service.dataPlane.failRemove = false;
    await recoverControl(service.control);
    expect(service.dataPlane.removed).toEqual([id]);
    expect(service.control.catalog.removals.all()).toEqual([]);
  });
});

test('a full write cache is told once each time', () => {
  const { id } = add();
  const full = () => kinds(service).filter((kind) => kind === 'machine.cache-full').length;
  observeCaches(service.control);
  expect(full()).toBe(0);
  service.dataPlane.set(id, { cacheFull: true });
  observeCaches(service.control);
  observeCaches(service.control);
  expect(full()).toBe(1);
  service.dataPlane.live.set(id, IDLE);
  observeCaches(service.control);
  service.dataPlane.set(id, { cacheFull: true });
  observeCaches(service.control);
  expect(full()).toBe(2);
});

test('status counts machines by state', async () => {
  const { id } = add();
  add('pc-2', '52:54:00:00:00:02');
  add('pc-3', '52:54:00:00:00:03');
  service.dataPlane.set(id, { connections: [CONNECTION] });
  await requestBoot(service.control, '52:54:00:00:00:02');
  service.clock.advance(1234);
  expect(await showStatus(service.control)).toMatchObject({
    server: 'rack-1',
    uptimeMs: 1234,
    vdisks: 2,
    machines: { total: 3, off: 1, booting: 1, running: 1 },
    workers: 2,
    space: { totalBytes: 1000, freeBytes: 400 },
  });
});
